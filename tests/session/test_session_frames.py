"""Whatever frames a session is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data import Stack
from napari_sam2.model.sam2 import Sam2
from session_state import everything

pytestmark = pytest.mark.usefixtures("one_thread")


class CountingArray:
    """An array that only gives out single frames, and remembers which."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads: list[int] = []

    def __getitem__(self, index: object) -> np.ndarray:
        assert isinstance(index, int | np.integer), f"more than one frame was asked for: {index}"
        self.reads.append(int(index))
        return self._array[index]


def rgb(frames: np.ndarray) -> np.ndarray:
    return np.repeat(frames[..., None], 3, axis=-1)


# Frames


def test_frames_are_read_one_by_one_when_needed(model: Sam2, frames: np.ndarray) -> None:
    array = CountingArray(rgb(frames))
    session = Session(model, array, cache_bytes=0, zoom="off")
    assert array.reads == []
    session.add_points(4, 1, [[10, 12]], [1])
    assert array.reads == [4]
    pending = session.propagate()
    next(pending)
    next(pending)
    # The conditioning frame's features are still there; no more than three frames are read ahead.
    assert array.reads[:2] == [4, 5]
    assert set(array.reads) <= {4, 5, 6, 7, 8}
    list(pending)
    assert array.reads == list(range(4, 12))
    assert session.encoder.frames_encoded == 8


def test_features_are_used_again(model: Sam2, frames: np.ndarray) -> None:
    session = Session(model, frames, zoom="off")
    session.add_points(0, 1, [[10, 12]], [1])
    list(session.propagate())
    assert session.encoder.frames_encoded == 12
    session.add_points(0, 2, [[30, 12]], [1])
    list(session.propagate(direction="both"))
    assert session.encoder.frames_encoded == 12


def _kinds(frames: np.ndarray) -> dict[str, Any]:
    import dask.array as da

    return {
        "uint8 colour": rgb(frames),
        "colour with alpha": np.concatenate((rgb(frames), frames[..., None]), axis=-1),
        "uint16": frames.astype(np.uint16) * 200,
        "int16 with negatives": frames.astype(np.int16) - 100,
        "float with negatives": frames.astype(np.float32) / 50 - 2,
        "float64": frames / 255,
        "bool": frames > 128,
        "dask": da.from_array(frames, chunks=(1, 48, 56)),
        "big-endian": frames.astype(">u2"),
        "one image": frames[0],
        "one colour image": rgb(frames)[0],
        "tiny": frames[:3, :35, :51],
        "one column": frames[:3, :, :1],
        "wide": np.tile(frames[:2], (1, 1, 6)),
    }


KINDS = [
    "uint8 colour", "colour with alpha", "uint16", "int16 with negatives", "float with negatives", "float64", "bool",
    "dask", "big-endian", "one image", "one colour image", "tiny", "one column", "wide",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_frames(kind: str, model: Sam2, frames: np.ndarray) -> None:
    array = _kinds(frames)[kind]
    session = Session(model, array)
    height, width = session.stack.shape[1:]
    result = session.add_points(0, 1, [[height - 1, width - 1], [0, 0]], [1, 0])
    assert result.logits.shape == (1, height, width)
    mask = np.zeros((height, width), bool)
    mask[-1, -1] = True
    session.add_mask(0, 2, mask)
    assert len(list(session.propagate())) == session.stack.n_frames
    assert session.labels.shape == session.stack.shape
    assert np.isfinite(session.scores["object_score"]).all()
    assert session.labels[0][-1, -1] == 2


def test_grey_and_its_colour_copy_are_the_same_with_the_full_window(model: Sam2, frames: np.ndarray) -> None:
    grey = Session(model, frames, contrast_limits=(0, 255)).add_points(0, 1, [[10, 12]], [1])
    colour = Session(model, rgb(frames)).add_points(0, 1, [[10, 12]], [1])
    np.testing.assert_array_equal(grey.low_res_logits, colour.low_res_logits)


def test_a_frame_that_cannot_be_used_stops_the_run_and_nothing_else(model: Sam2, frames: np.ndarray) -> None:
    values = frames.astype(np.float32)
    values[6, 3, 4] = np.nan
    stack = Stack.from_array(values)
    stack.missing.refuse = True
    session = Session(model, stack, contrast_limits=(0, 255))
    session.add_points(2, 1, [[10, 12]], [1])
    before = everything(session)
    with pytest.raises(ValueError, match="frame 6 holds 1 values"):
        session.add_points(6, 1, [[10, 12]], [1])
    with pytest.raises(ValueError, match="frame 6"):
        session.add_points(6, 2, [[10, 12]], [1])
    assert everything(session) == before
    seen = []
    with pytest.raises(ValueError, match="frame 6"):
        for result in session.propagate():
            seen.append(result.frame)
    assert seen == [2, 3, 4, 5]
    assert session.labels.frames_done == seen
    values[6] = frames[6]
    assert [result.frame for result in session.propagate(6)] == list(range(6, 12))
    clean = Session(model, frames.astype(np.float32), contrast_limits=(0, 255))
    clean.add_points(2, 1, [[10, 12]], [1])
    list(clean.propagate())
    np.testing.assert_array_equal(session.labels.to_array(), clean.labels.to_array())


def test_the_filling_of_holes_can_be_turned_off(model: Sam2, frames: np.ndarray) -> None:
    plain, filled = (Session(model, frames, fill_hole_area=area) for area in (0, 40))
    logits = [s.add_points(0, 1, [[10, 12]], [1]).low_res_logits for s in (plain, filled)]
    changed = logits[0] != logits[1]
    assert changed.any()
    assert (logits[0][changed] <= 0).all()
    np.testing.assert_array_equal(logits[1][changed], np.float32(0.1))
