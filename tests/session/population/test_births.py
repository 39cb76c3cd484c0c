"""Which newcomers are daughters of what was tracked."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import disc
from napari_sam2 import Session
from napari_sam2.data.labels.scores import Measures
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.population.newcomers import birth_frame

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (48, 56)
# Tracked through its division on frame 6, an object goes on as its right half.
MOTHER = {t: Measures(200 if t < 6 else 100, (20.0, 20.0 if t < 6 else 26.0)) for t in range(10)}


@pytest.mark.parametrize(
    ("mother", "newcomer", "frame"),
    [
        (MOTHER, Measures(90, (20.0, 14.0)), 6),
        (MOTHER, Measures(90, (20.0, 60.0)), None),
        (MOTHER, Measures(10, (20.0, 14.0)), None),
        (MOTHER, Measures(600, (20.0, 14.0)), None),
        (MOTHER, Measures(), None),
        ({t: Measures(200, (20.0, 20.0)) for t in range(10)}, Measures(90, (20.0, 14.0)), None),
        (MOTHER | {9: Measures()}, Measures(90, (20.0, 14.0)), None),
        ({}, Measures(90, (20.0, 14.0)), None),
    ],
)
def test_a_newcomer_beside_a_halved_object_is_its_daughter(
    mother: dict[int, Measures], newcomer: Measures, frame: int | None
) -> None:
    assert birth_frame(mother, newcomer) == frame


def test_mothers_of_newcomers_are_in_the_lineage_of_the_session(model: Sam2, frames: np.ndarray) -> None:
    session = Session(model, frames)
    for t in range(10):
        session.add_mask(t, 1, disc(20, 20, 8, SIZE) if t < 6 else disc(20, 26, 5, SIZE))
    session.add_mask(9, 2, disc(20, 14, 5, SIZE))
    assert session._relate((2,), 0, 9)
    assert session.parents == {2: 1, 3: 1}
    assert session.undo_name == "Divide object 1"
    assert session.lineage.set_index("object")["begin"].to_dict()[2] == 6
    assert {row.frame for row in session.outputs.scores if row.object_id == 2} == {6, 7, 8, 9}
    # She passes: her sister was the mother all along.
    session._take_back(2)
    assert session.object_ids == (1,)
    assert session.outputs.frames_of(1) == list(range(10))
    assert session.parents == {}
