"""What a session holds and does, as plain values; comparing two to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from napari_sam2 import FrameResult, Session
from napari_sam2.session.tracking.memory_bank import FrameMemory


def memory_values(memory: FrameMemory) -> list[Any]:
    parts = [memory.low_res_bhw, memory.pointer_bc, memory.memory_bchw, memory.prototype_c]
    numbers = [None if part is None else part.cpu() for part in parts]
    return [*numbers, memory.object_score_logit, memory.iou, memory.view, memory.place, memory.observation]


def assert_same_memories(one: dict[int, FrameMemory], other: dict[int, FrameMemory]) -> None:
    # The order counts: it decides what is attended to first.
    assert list(one) == list(other)
    for frame, memory in one.items():
        for a, b in zip(memory_values(memory), memory_values(other[frame]), strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_same_prompts(one: Session, other: Session) -> None:
    assert len(one.prompts) == len(other.prompts)
    for a, b in zip(one.prompts, other.prompts, strict=True):
        assert (a.frame, a.object_id, a.box) == (b.frame, b.object_id, b.box)
        for x, y in ((a.points, b.points), (a.labels, b.labels), (a.mask, b.mask)):
            assert (x is None) == (y is None)
            assert x is None or (np.array_equal(x, y) and x.dtype == y.dtype)


def assert_same_sessions(one: Session, other: Session) -> None:
    """Everything that decides what a session does next is the same, and all results are."""
    assert one.object_ids == other.object_ids
    assert_same_prompts(one, other)
    assert one.labels.dtype == other.labels.dtype
    assert one.labels.frames_done == other.labels.frames_done
    np.testing.assert_array_equal(one.labels.to_array(), other.labels.to_array())
    # Equal in all fields, the sharpness of outlines among them.
    assert list(one.outputs.scores) == list(other.outputs.scores)
    assert one.stale == other.stale
    assert one.unfinished == other.unfinished
    for object_id in one.object_ids:
        a, b = one._objects.tracks[object_id], other._objects.tracks[object_id]
        assert (a.visited, a.stale) == (b.visited, b.stale)
        assert (a.span, a.refused, a.class_name) == (b.span, b.refused, b.class_name)
        assert_same_memories(a.staged, b.staged)
        assert_same_memories(a.bank.conditioning, b.bank.conditioning)
        assert_same_memories(a.bank.recent, b.bank.recent)
    histories = [[[step.name for step in steps] for steps in s.history] for s in (one, other)]
    assert histories[0] == histories[1]


class RecordingTracker:
    """Stands before a session's tracker and notes which objects it tracks on which frames, and which together."""

    def __init__(self, session: Session) -> None:
        self.work: list[tuple[int, int]] = []
        self.groups: list[list[int]] = []
        tracker = session._tracker
        run = tracker._look_at_group

        def noted(tracks: Any, choice: Any, frame: int, **options: Any) -> Any:
            self.groups.append([track.object_id for track, _ in tracks])
            self.work += [(frame, object_id) for object_id in self.groups[-1]]
            return run(tracks, choice, frame, **options)

        tracker._look_at_group = noted  # type: ignore[method-assign]


def numbers(result: FrameResult) -> tuple[Any, ...]:
    arrays = (result.low_res_logits, result.object_score_logits, result.ious, result.object_pointers)
    return (result.frame, result.object_ids, *(array.tolist() for array in arrays))


def everything(session: Session) -> tuple[Any, ...]:
    prompts = [
        (p.frame, p.object_id, p.box, *(None if a is None else a.tolist() for a in (p.points, p.labels, p.mask)))
        for p in session.prompts
    ]
    history = tuple(map(bool, session.history))
    scores = session.scores.to_csv(index=False)
    said = session.classes, session.refused_divisions
    return session.object_ids, prompts, session.stale, scores, session.labels.to_array().tolist(), said, history
