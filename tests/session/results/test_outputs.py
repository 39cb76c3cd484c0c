"""Masks become labels one at a time, in memory or on disk."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.data.labels.label_painter import compose_labels
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results import compose, object_set
from napari_sam2.session.results.compose import ObjectMask
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.outputs import SessionOutputs
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.zoom.crop import Crop

pytestmark = pytest.mark.usefixtures("one_thread")


def result_of(
    count: int, size: tuple[int, int], *, views: tuple[Crop | None, ...] = (), low_res: int = 16
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


def masks_of(result: FrameResult, painted: dict[int, np.ndarray] | None = None) -> list[ObjectMask]:
    memories = [
        FrameMemory(torch.from_numpy(logits[None]), torch.zeros(1, 4), 1.0, 1.0, view=view)
        for logits, view in zip(result.low_res_logits, result.views or [None] * len(result.ious), strict=True)
    ]
    prompts = {i: Prompt(0, i, mask=mask) for i, mask in (painted or {}).items()}
    return [ObjectMask(i, m, prompts.get(i)) for i, m in zip(result.object_ids, memories, strict=True)]


def written(result: FrameResult, painted: dict[int, np.ndarray] | None = None) -> SessionOutputs:
    outputs = SessionOutputs(LabelStack((1, *result.size)))
    outputs.write(0, masks_of(result, painted), changed=result.object_ids)
    return outputs


@pytest.mark.parametrize("count", [1, 3, 5, 40])
@pytest.mark.parametrize("size", [(48, 56), (640, 480), (16, 16), (9, 200)])
@pytest.mark.parametrize("zoomed", [False, True])
def test_drawn_one_at_a_time_as_all_together(count: int, size: tuple[int, int], zoomed: bool) -> None:
    views = tuple(Crop(i % 3, i % 2, size[0] // 2, size[1] // 2) if i % 4 else None for i in range(count))
    result = result_of(count, size, views=views if zoomed else ())
    outputs = written(result)
    drawn = outputs.labels[0]
    np.testing.assert_array_equal(drawn, result.label_image())
    together = compose_labels(result.logits, result.object_ids)
    np.testing.assert_array_equal(drawn, together)
    assert len(np.unique(drawn)) > 1

    # What the user painted wins, wherever it comes in the order.
    painted = np.zeros(size, bool)
    painted[2:6, 3:9] = True
    outputs.write(0, masks_of(result, {1: painted}), changed=[1])
    again = outputs.labels[0]
    np.testing.assert_array_equal(again == 1, painted)
    others = compose_labels(result.logits[1:], result.object_ids[1:])
    np.testing.assert_array_equal(again[~painted], others[~painted])


@pytest.mark.parametrize("prompted", [{2}, {1, 3}, {1, 2, 3}, set()])
def test_prompted_objects_win_over_those_without_a_prompt(prompted: set[int]) -> None:
    result = replace(result_of(3, (48, 56)), prompted=frozenset(prompted))
    masks = [replace(mask, is_prompted=mask.object_id in prompted) for mask in masks_of(result)]
    outputs = SessionOutputs(LabelStack((1, *result.size)))
    outputs.write(0, masks, changed=result.object_ids)
    drawn = outputs.labels[0]
    np.testing.assert_array_equal(drawn, result.label_image())
    # Among those with a prompt, and among those without, the logits decide, as in the reference.
    rows = [row for row, object_id in enumerate(result.object_ids) if object_id in prompted]
    ours = compose_labels(result.logits[rows], [result.object_ids[row] for row in rows])
    np.testing.assert_array_equal(np.where(np.isin(drawn, list(prompted)), drawn, 0), ours)
    rest = [row for row in range(3) if row not in rows]
    others = compose_labels(result.logits[rest], [result.object_ids[row] for row in rest])
    np.testing.assert_array_equal(drawn[ours == 0], others[ours == 0])
    # One after the other is the same as all together.
    stepwise = SessionOutputs(LabelStack((1, *result.size)))
    for n in range(1, 4):
        stepwise.write(0, masks[:n], changed=[n])
    np.testing.assert_array_equal(stepwise.labels[0], drawn)


def test_a_prompted_object_takes_pixels_from_one_whose_logits_are_gone() -> None:
    result = result_of(2, (48, 56))
    old, new = masks_of(result)
    outputs = SessionOutputs(LabelStack((1, *result.size)))
    outputs.write(0, [old], changed=[1])
    outputs.write(0, [replace(new, is_prompted=True)], changed=[2])
    np.testing.assert_array_equal(outputs.labels[0] == 2, result.logits[1] > 0)
    np.testing.assert_array_equal(outputs.labels[0] == 1, (result.logits[0] > 0) & ~(result.logits[1] > 0))


def test_many_objects_on_a_large_frame_take_little_memory() -> None:
    count, size = 50, (1024, 1024)
    result = result_of(count, size)
    masks = masks_of(result)
    outputs = SessionOutputs(LabelStack((1, *size)))
    tracemalloc.start()
    outputs.write(0, masks, changed=result.object_ids)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The upsampled masks together would be 210 MB.
    assert most < 40e6
    assert outputs.labels.object_ids(0) == list(range(1, count + 1))


def discs(count: int, size: tuple[int, int], low_res: int = 64) -> FrameResult:
    """Discs in a row that do not touch, but for the first two."""
    result = result_of(count, size, low_res=low_res)
    cells = (np.arange(low_res) + 0.5) / low_res
    for row in range(count):
        middle = (max(row, 1) + 0.5 - (row == 0) * 0.3) / count
        distance = np.hypot(cells[:, None] - 0.5, cells - middle) * count
        result.low_res_logits[row] = (0.35 - distance) * 20
    return result


class Counted:
    """Calls of a function, which goes on as it did."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.calls, function = 0, getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            self.calls += 1
            return function(*args, **options)

        patch.setattr(owner, name, counted)


def test_only_what_changed_is_drawn_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = discs(12, (300, 400)), discs(12, (300, 400))
    after.low_res_logits[0] -= 2
    after.low_res_logits[7] -= 2
    outputs = written(before)
    rows = list(outputs.scores)
    upsampled = Counted(monkeypatch, compose, "upsample_logits")
    outputs.write(0, masks_of(after), changed=[8])
    assert upsampled.calls == 1
    # The neighbour takes pixels that this one leaves.
    outputs.write(0, masks_of(after), changed=[1])
    assert upsampled.calls == 3
    np.testing.assert_array_equal(outputs.labels[0], after.label_image())
    assert list(outputs.scores) == list(written(after).scores)
    renewed = [new.object_id for old, new in zip(rows, outputs.scores, strict=True) if new is not old]
    assert renewed == [1, 2, 8]


def test_what_is_as_it_was_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    result = discs(4, (90, 120))
    outputs = written(result)
    outputs.touched.clear()
    written_frames = Counted(monkeypatch, outputs.labels, "set_runs")
    rows = list(outputs.scores)
    outputs.write(0, masks_of(result), changed=result.object_ids)
    assert (written_frames.calls, outputs.touched) == (0, set())
    assert all(one is other for one, other in zip(rows, outputs.scores, strict=True))


def test_an_object_is_rubbed_out_where_nothing_is_known_of_it() -> None:
    result = discs(3, (90, 120))
    outputs = written(result)
    outputs.write(0, masks_of(result)[1:], changed=[1])
    expected = compose_labels(result.logits[1:], result.object_ids[1:])
    np.testing.assert_array_equal(outputs.labels[0], expected)
    assert [row.object_id for row in outputs.scores] == [2, 3]
    assert [row.area for row in outputs.scores] == [(expected == 2).sum(), (expected == 3).sum()]


def test_an_object_is_taken_out_without_going_over_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    result = discs(3, (90, 120))
    outputs = written(result)
    image = outputs.labels[0]
    made = Counted(monkeypatch, LabelRuns, "image")
    found = Counted(monkeypatch, LabelRuns, "of")
    assert outputs.remove_object(2) == [0]
    assert (made.calls, found.calls) == (0, 0)
    np.testing.assert_array_equal(outputs.labels[0], np.where(image == 2, 0, image))


def test_one_result_is_made_of_a_click_and_of_a_tracked_frame(
    tracked: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Counted(monkeypatch, object_set, "frame_result")
    tracked.add_points(3, 3, [(30, 30)], [1])
    assert results.calls == 1
    tracked.undo()
    tracked.redo()
    assert results.calls == 1
    # One of three that are known there.
    list(tracked.propagate(2, max_frames=2, object_ids=[1]))
    assert results.calls == 3


def test_labels_on_disk_are_those_in_memory(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    sessions = [Session(model, frames), Session(model, frames, labels_folder=tmp_path / "labels")]
    seen: list[list[np.ndarray]] = []
    for session in sessions:
        states = []
        session.add_points(2, 1, [(10, 12)], [1])
        list(session.propagate(max_frames=5))
        states.append(session.labels.to_array())
        session.add_mask(4, 70_000, np.pad(np.ones((9, 9)), ((20, 19), (20, 27))))
        list(session.propagate())
        states.append(session.labels.to_array())
        session.remove_object(1)
        states.append(session.labels.to_array())
        session.undo()
        states.append(session.labels.to_array())
        session.undo()
        session.undo()
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
