"""A store of looks that differ, and recent maps that say nothing new."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam2.session.tracking.memory.choice import MemoryChoice, MemoryRule
from napari_sam2.session.tracking.memory.long_term import LongMemory
from napari_sam2.session.tracking.memory.looks import prototypes, pruned
from napari_sam2.session.tracking.memory.observation import NOTHING_SEEN, Observation
from scripted_memory import HIDDEN, PROMPT, Scripted

MEMORY = LongMemory(MemoryRule())


def look(angle: float) -> Tensor:
    turned = torch.tensor(angle).deg2rad()
    return torch.stack([turned.cos(), turned.sin()])


def seen(angle: float, iou: float = 0.9, score: float = 10.0) -> Scripted:
    return Scripted(score, iou, Observation((0, 0, 9, 9), 81, areas=(81,), ious=(iou,)), look(angle))


def run(looks: dict[int, Scripted], step: int = 1) -> dict[int, Scripted]:
    """What is remembered after frames in their order, as the tracker observes them."""
    recent: dict[int, Scripted] = {}
    before = NOTHING_SEEN.as_prompt(0)
    for frame, one in looks.items():
        before = MEMORY.observe(frame, one, before, step=step, recent=recent)
        recent[frame] = Scripted(one.object_score_logit, one.iou, before, one.prototype_c)
    return recent


def stored(recent: dict[int, Scripted]) -> tuple[int, ...]:
    last = recent[list(recent)[-1]].observation
    assert last is not None
    return last.stored


def test_a_good_frame_now_and_then() -> None:
    assert stored(run({t: seen(t) for t in range(1, 24)})) == (5, 10, 15, 20)
    assert stored(run({-t: seen(t) for t in range(1, 24)}, step=-1)) == (-5, -10, -15, -20)
    # Neither hidden frames nor bad ones.
    assert stored(run({t: seen(t, iou=0.9 if t < 8 else 0.4) for t in range(1, 20)})) == (5,)
    assert stored(run({t: seen(t, score=-5.0) for t in range(1, 20)})) == ()
    # Where it is always so bad, that is good enough.
    assert stored(run({t: seen(t, iou=0.4 + 0.05 * (t in (7, 14))) for t in range(1, 20)})) == (7, 14)


def test_of_two_that_are_most_alike_the_worse_one_leaves() -> None:
    angles = {5: 0, 10: 10, 15: 20, 20: 30, 25: 40, 30: 42, 35: 60, 40: 70, 45: 80}
    looks = {t: seen(angle, iou=0.8 if t == 25 else 0.9) for t, angle in angles.items()}
    assert stored(run(looks)) == tuple(t for t in angles if t != 25)


def test_stored_frames_share_the_slots() -> None:
    recent = run({t: seen(t) for t in range(1, 60)})
    assert len(stored(recent)) == 8
    choice = MEMORY.choose(60, {0: PROMPT}, recent, step=1, num_frames=100)
    # The three most like the last look, but for those that are among the last three frames.
    nearest = sorted(stored(recent), reverse=True)[:3]
    assert choice.spatial == ((0, 0), *((t, 0) for t in sorted(nearest)), (57, 3), (58, 2), (59, 1))
    assert len(choice.pointers) == 16
    # As long as the object is gone, all of them stay needed.
    gone = recent | {t: Scripted(HIDDEN.object_score_logit, 0.9, recent[59].observation) for t in range(60, 80)}
    assert {t for t, has_map in MEMORY.needed(80, {0: PROMPT}, gone, step=1).items() if has_map} >= set(stored(recent))


def test_prototypes_are_means_inside_the_masks() -> None:
    features = torch.arange(8.0).reshape(1, 2, 2, 2)
    logits = torch.full((3, 4, 4), -1.0)
    logits[0, :2, :2] = 1
    logits[1, :, :2] = 1
    found = prototypes(features, logits)
    assert [None if one is None else one.tolist() for one in found] == [[0.0, 4.0], [1.0, 5.0], None]


@pytest.mark.parametrize("num_memories", [7, 8])
def test_maps_like_the_newest_are_left_out(num_memories: int) -> None:
    choice = MemoryChoice(((0, 0), *((10 - slot, slot) for slot in range(6, 0, -1))), ((0, 10), (9, 1)), 15)
    maps = {t: look(10.0 * t)[None, :, None, None] for t in range(10)}
    maps[5] = maps[9]
    left = pruned(choice, maps, num_memories=num_memories)
    kept = [0, 4, 6, 7, 9] if num_memories == 7 else [0, 4, 5, 6, 7, 8, 9]
    assert ([t for t, _ in left.spatial], left.pointers) == (kept, choice.pointers)
