"""Directions of frames: a mapping that is an array inside."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.session.tracking.frame_directions import FrameDirections


def test_it_is_a_mapping() -> None:
    directions = FrameDirections({5: 1, 2: -1})
    assert dict(directions) == {2: -1, 5: 1}
    assert directions == {5: 1, 2: -1}
    assert (len(directions), 5 in directions, 3 in directions, -1 in directions) == (2, True, False, False)
    assert directions.pop(5, None) == 1
    assert directions.pop(99, None) is None
    with pytest.raises(KeyError):
        directions[5]
    with pytest.raises(KeyError):
        del directions[5]
    assert not FrameDirections()


def test_a_copy_changes_by_itself() -> None:
    one = FrameDirections({1: 1})
    other = one.copy()
    other[2] = -1
    one.merge(FrameDirections({1: -1, 7: 1}))
    assert (dict(one), dict(other)) == ({1: -1, 7: 1}, {1: 1, 2: -1})


def test_what_was_reached_later() -> None:
    directions = FrameDirections({0: -1, 1: -1, 2: 1, 3: 1, 4: 1})
    assert dict(directions.after(3)) == {0: -1, 1: -1, 4: 1}
    assert dict(directions.after(1)) == {0: -1, 2: 1, 3: 1, 4: 1}


@pytest.mark.parametrize("seed", range(5))
def test_spans_and_changes_lead_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (FrameDirections.of(rng.choice([0, 1, 1, -1], size)) for size in (30, 50))
    assert FrameDirections.from_spans(one.spans()) == one
    assert FrameDirections.from_spans(list(one.items())) == one
    put, drop = one.changes_since(other)
    for frame in drop:
        del other[frame]
    other.merge(put)
    assert other == one


def test_frames_in_a_row_are_one_span() -> None:
    assert FrameDirections({t: 1 if t < 6 else -1 for t in range(3, 9)}).spans() == [(3, 5, 1), (6, 8, -1)]
    assert FrameDirections().spans() == []
