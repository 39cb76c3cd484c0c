"""Masks become labels one at a time, in memory or on disk."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from napari_sam2.session.snapshots import restore_snapshot, take_snapshot

from napari_sam2 import Session
from napari_sam2.data.labels.label_stack import LabelStack, compose_labels
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.outputs import SessionOutputs
from napari_sam2.session.zoom.crop import View

pytestmark = pytest.mark.usefixtures("one_thread")


def result_of(
    count: int, size: tuple[int, int], *, views: tuple[View | None, ...] = (), low_res: int = 16
) -> FrameResult:
    rng = np.random.default_rng(count)
    return FrameResult(
        0,
        tuple(range(1, count + 1)),
        low_res_logits=rng.normal(-1, 3, (count, low_res, low_res)).astype(np.float32),
        object_score_logits=np.ones(count, np.float32),
        ious=np.ones(count, np.float32),
        object_pointers=np.zeros((count, 4), np.float32),
        size=size,
        views=views,
    )


@pytest.mark.parametrize("count", [1, 3, 5, 40])
@pytest.mark.parametrize("size", [(48, 56), (640, 480), (16, 16), (9, 200)])
@pytest.mark.parametrize("zoomed", [False, True])
def test_drawn_one_at_a_time_as_all_together(count: int, size: tuple[int, int], zoomed: bool) -> None:
    views = tuple(View(i % 3, i % 2, size[0] // 2, size[1] // 2) if i % 4 else None for i in range(count))
    result = result_of(count, size, views=views if zoomed else ())
    outputs = SessionOutputs(LabelStack((1, *size)))
    outputs.write(result, {})
    drawn = outputs.labels[0]
    np.testing.assert_array_equal(drawn, result.label_image())
    together = compose_labels(result.logits, result.object_ids)
    np.testing.assert_array_equal(drawn, together)
    assert len(np.unique(drawn)) > 1

    # What the user painted wins, wherever it comes in the order.
    painted = np.zeros(size, bool)
    painted[2:6, 3:9] = True
    outputs.write(result, {1: painted})
    again = outputs.labels[0]
    np.testing.assert_array_equal(again == 1, painted)
    others = compose_labels(result.logits[1:], result.object_ids[1:])
    np.testing.assert_array_equal(again[~painted], others[~painted])


def test_many_objects_on_a_large_frame_take_little_memory() -> None:
    count, size = 50, (1024, 1024)
    result = result_of(count, size)
    outputs = SessionOutputs(LabelStack((1, *size)))
    tracemalloc.start()
    outputs.write(result, {})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The upsampled masks together would be 210 MB.
    assert most < 40e6
    assert "logits" not in vars(result)
    assert outputs.labels.object_ids(0) == list(range(1, count + 1))


def test_labels_on_disk_are_those_in_memory(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    sessions = [Session(model, frames), Session(model, frames, labels_folder=tmp_path / "labels")]
    seen: list[list[np.ndarray]] = []
    for session in sessions:
        states = []
        session.add_points(2, 1, [(10, 12)], [1])
        list(session.propagate(max_frames=5))
        snapshot = take_snapshot(session)
        states.append(session.labels.to_array())
        session.add_mask(4, 70_000, np.pad(np.ones((9, 9)), ((20, 19), (20, 27))))
        list(session.propagate())
        states.append(session.labels.to_array())
        session.remove_object(1)
        states.append(session.labels.to_array())
        session.undo()
        states.append(session.labels.to_array())
        session.undo()
        restore_snapshot(session, snapshot)
        states.append(session.labels.to_array())
        session.reset()
        states.append(session.labels.to_array())
        session.add_box(0, 2, (20, 20, 40, 44))
        list(session.propagate(max_frames=3))
        states.append(session.labels.to_array())
        seen.append(states)
    for in_memory, on_disk in zip(*seen, strict=True):
        np.testing.assert_array_equal(in_memory, on_disk)
        assert in_memory.dtype == on_disk.dtype
    np.testing.assert_array_equal(seen[0][0], seen[0][4])
    assert not seen[0][5].any()
    with pytest.raises(ValueError, match="labels is there already"):
        Session(model, frames, labels_folder=tmp_path / "labels")
