"""Which proposals are taken: bar and areas choose, and what was clicked on stays as it was clicked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam2.plugin.state.proposals import Proposals
from napari_sam2.session.population.found_objects import FoundObjects


def test_bar_and_areas_choose_and_clicks_stay() -> None:
    labels = np.array([[1, 1, 1, 0], [2, 2, 0, 0], [3, 0, 0, 0]], np.int32)
    found = FoundObjects(0, labels, (0.9, 0.6, 0.3), ((0, 0, 1, 3), (1, 0, 2, 2), (2, 0, 3, 1)))
    all_of_them = Proposals(found, 0.5, (0.0, float("inf")))
    assert all_of_them.taken == {1, 2}
    assert replace(all_of_them, bar=0.7).taken == {1}
    assert replace(all_of_them, areas=(2, 2)).taken == {2}
    without = all_of_them.clicked(1)
    assert without.taken == {2}
    # A bar moved down does not bring back what was clicked out, nor does one moved up take away what was clicked in.
    assert replace(without, bar=0.0).taken == {2, 3}
    with_third = without.clicked(3)
    assert replace(with_third, bar=1.0).taken == {3}
    assert with_third.clicked(1).taken == {1, 2, 3}
    assert with_third.clicked(3).taken == {2}
