"""Which memories a frame attends to, and that forgetting the others changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking.memory.choice import MemoryRule, choose_memories, nearest_conditioning
from napari_sam2.session.tracking.memory.policies import POLICY_NAMES
from napari_sam2.session.tracking.memory.policy import MemoryPolicy
from napari_sam2.session.tracking.memory_bank import FrameMemory, MemoryBank

RULE = MemoryRule()


def choose(frame: int, conditioning: list[int], others: Any, step: int = 1, **options: Any) -> Any:
    options = {"num_frames": 100, "rule": RULE} | options
    return choose_memories(frame, conditioning, others=others, step=step, **options)


def test_forward_order_and_slots() -> None:
    choice = choose(30, [0], range(1, 30))
    assert choice.spatial == ((0, 0), (24, 6), (25, 5), (26, 4), (27, 3), (28, 2), (29, 1))
    assert choice.pointers == ((0, 30), *((30 - back, back) for back in range(1, 16)))
    assert choice.pointer_span == 15


def test_backward_order_and_slots() -> None:
    choice = choose(30, [60], range(31, 60), step=-1)
    assert choice.spatial == ((60, 0), (36, 6), (35, 5), (34, 4), (33, 3), (32, 2), (31, 1))
    assert choice.pointers == ((60, 30), *((30 + back, back) for back in range(1, 16)))


def test_what_is_missing_is_left_out() -> None:
    choice = choose(10, [2], {5, 8})
    assert choice.spatial == ((2, 0), (5, 5), (8, 2))
    assert choice.pointers == ((2, 8), (8, 2), (5, 5))


def test_conditioning_frames_keep_the_order_of_the_prompts() -> None:
    choice = choose(10, [7, 2, 9], {8})
    assert choice.spatial == ((7, 0), (2, 0), (9, 0), (8, 2))
    assert choice.pointers == ((7, 3), (2, 8), (9, 1), (8, 2))


def test_a_recent_conditioning_frame_is_used_once() -> None:
    choice = choose(10, [9], {8})
    assert choice.spatial == ((9, 0), (8, 2))
    assert choice.pointers == ((9, 1), (8, 2))


@pytest.mark.parametrize(("step", "frame"), [(1, 3), (-1, 9)])
def test_conditioning_frames_ahead_give_their_map_but_no_pointer(step: int, frame: int) -> None:
    choice = choose(frame, [6], [], step=step)
    assert choice.spatial == ((6, 0),)
    assert choice.pointers == ()
    behind = choose(frame, [6], [], step=-step)
    assert behind.pointers == ((6, 3),)


def test_the_frame_itself_counts_as_no_distance() -> None:
    choice = choose(6, [6, 2], {5})
    assert choice.spatial == ((6, 0), (2, 0), (5, 1))
    assert choice.pointers == ((6, 0), (2, 4), (5, 1))


@pytest.mark.parametrize(("num_frames", "span", "count"), [(1, 1, 0), (2, 1, 1), (5, 4, 4), (16, 15, 15), (17, 15, 15)])
def test_short_stacks_have_a_shorter_span(num_frames: int, span: int, count: int) -> None:
    choice = choose(40, [0], range(1, 40), num_frames=num_frames)
    assert choice.pointer_span == span
    assert len(choice.pointers) == 1 + count
    assert len(choice.spatial) == 7


def test_fewer_memories() -> None:
    choice = choose(10, [0], range(1, 10), rule=MemoryRule(num_memories=3, max_object_pointers=4))
    assert choice.spatial == ((0, 0), (8, 2), (9, 1))
    assert choice.pointers == ((0, 10), (9, 1), (8, 2), (7, 3))
    assert choice.pointer_span == 3


def test_a_cap_on_conditioning_frames() -> None:
    conditioning = [50, 0, 10, 20, 30, 40]
    assert nearest_conditioning(24, conditioning, None) == conditioning
    assert nearest_conditioning(24, conditioning, 6) == conditioning
    assert nearest_conditioning(24, conditioning, 2) == [20, 30]
    assert nearest_conditioning(24, conditioning, 3) == [10, 20, 30]
    assert nearest_conditioning(24, conditioning, 4) == [10, 20, 30, 40]
    assert nearest_conditioning(30, conditioning, 2) == [20, 30]
    assert nearest_conditioning(60, conditioning, 2) == [50, 40]
    assert nearest_conditioning(0, [5, 9, 7], 2) == [5, 7]
    with pytest.raises(ValueError, match="at least 2"):
        MemoryRule(max_conditioning=1)


def test_conditioning_frames_over_the_cap_serve_as_recent_ones() -> None:
    choice = choose(24, [0, 20, 22, 23, 30], {21}, rule=MemoryRule(max_conditioning=2))
    assert choice.spatial == ((23, 0), (30, 0), (20, 4), (21, 3), (22, 2))
    assert choice.pointers == ((23, 1), (22, 2), (21, 3), (20, 4))


# Forgetting


def record(value: float = 0.0) -> FrameMemory:
    return FrameMemory(
        torch.full((1, 4, 4), value), torch.full((1, 8), value), 1.0, 0.5, torch.full((1, 2, 1, 1), value)
    )


def test_one_way_leaves_out_what_was_tracked_the_other_way() -> None:
    visited = {frame: 1 if frame > 10 else -1 for frame in range(6, 15)}
    for one_way, expected in ((False, {10, 6, 7, 8, 9, 11}), (True, {10, 6, 7, 8, 9})):
        bank = MemoryBank(MemoryPolicy(RULE, one_way=one_way), spare_bytes=0)
        bank.conditioning[10] = record()
        for frame in (11, 12, 13, 14, 9, 8, 7, 6):
            bank.put_recent(frame, record(), step=visited[frame])
        choice = bank.choose(5, visited, step=-1, num_frames=1000)
        assert {t for t, _ in choice.spatial} == expected


def test_only_what_can_be_attended_to_is_kept() -> None:
    bank = MemoryBank(MemoryPolicy(RULE), spare_bytes=0)
    bank.conditioning[0] = record()
    for frame in range(1, 200):
        bank.put_recent(frame, record(), step=1)
        choice = bank.choose(frame + 1, {}, step=1, num_frames=1000)
        expected = choose(frame + 1, [0], range(1, frame + 1))
        assert (choice.spatial, choice.pointers) == (expected.spatial, expected.pointers)
        for t, _ in choice.spatial:
            assert bank[t].map_bchw is not None
        for t, _ in choice.pointers:
            assert bank[t].pointer_bc is not None
    # The last frames, and those that a pass backward from the prompt would see.
    assert set(bank.recent) == {*range(1, 15), *range(185, 200)}
    assert {t for t, m in bank.recent.items() if m.memory_bchw is not None} == {*range(1, 6), *range(194, 200)}
    with pytest.raises(LookupError, match="no memory of frame 100"):
        bank[100]
    with pytest.raises(LookupError, match="no longer kept"):
        _ = bank[186].map_bchw
    with pytest.raises(LookupError, match="no longer kept"):
        _ = bank[186].logits_bhw
    assert bank.get(100) is None
    assert bank.get(0) is bank.conditioning[0]


def test_spare_bytes_keep_the_latest() -> None:
    bank = MemoryBank(MemoryPolicy(RULE), spare_bytes=40 * record().nbytes)
    bank.conditioning[0] = record()
    for frame in range(1, 100):
        bank.put_recent(frame, record(), step=1)
        assert sum(m.nbytes for m in bank.recent.values()) <= bank.spare_bytes
    assert {t for t, m in bank.recent.items() if m.memory_bchw is not None} >= set(range(70, 100))


def test_the_frame_just_tracked_is_kept_whatever_the_rule() -> None:
    bank = MemoryBank(MemoryPolicy(MemoryRule(num_memories=1, max_object_pointers=1)), spare_bytes=0)
    for frame in range(3):
        bank.put_recent(frame, record(), step=1)
        assert bank[frame].low_res_bhw is not None


def run(
    model: Sam2, frames: np.ndarray, spare_bytes: int, directions: list[dict[str, Any]], memory: str
) -> tuple[list[Any], list[int]]:
    session = Session(model, frames, memory=memory)
    session.add_points(18, 1, [[10, 12]], [1])
    session.add_mask(25, 1, np.pad(np.ones((9, 9)), ((20, 19), (20, 27))))
    session.add_box(22, 2, (20, 20, 40, 44))
    for track in session._objects.tracks.values():
        track.bank.spare_bytes = spare_bytes
    out = []
    for options in directions:
        for result in session.propagate(**options):
            out.append(
                (result.frame, result.object_ids, result.low_res_logits.tolist(), result.object_pointers.tolist())
            )
    kept = [sum(m.memory_bchw is not None for m in t.bank.recent.values()) for t in session._objects.tracks.values()]
    return out, kept


EVERY_WAY: dict[str, list[dict[str, Any]]] = {
    "forward-backward": [{"direction": "forward"}, {"direction": "backward"}],
    "backward-forward": [{"direction": "backward"}, {"direction": "forward"}],
    "both": [{"direction": "both"}],
    "outward": [{"direction": "outward"}],
    "from-first": [{"direction": "forward", "start": 0}],
    "from-last": [{"direction": "backward", "start": 39}],
    "both-from-between": [{"direction": "both", "start": 10}],
}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("memory", "way"),
    [("standard", way) for way in EVERY_WAY] + [(name, "both-from-between") for name in POLICY_NAMES[1:]],
)
def test_forgetting_does_not_change_the_outputs(
    flickering_model: Sam2, frames: np.ndarray, memory: str, way: str
) -> None:
    longer = np.concatenate([frames, frames[::-1], frames, frames[:4]])
    assert len(longer) == 40
    bounded, few = run(flickering_model, longer, 0, EVERY_WAY[way], memory)
    unbounded, all_of_them = run(flickering_model, longer, 2**40, EVERY_WAY[way], memory)
    assert bounded == unbounded
    assert max(few) < min(all_of_them)
