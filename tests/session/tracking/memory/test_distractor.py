"""Anchors: when a frame becomes one, and how they share the slots with recent frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.session.tracking.memory.choice import MemoryRule
from napari_sam2.session.tracking.memory.distractor import DistractorMemory, StrictDistractorMemory, is_anchor
from napari_sam2.session.tracking.memory.observation import NOTHING_SEEN, Observation, Rivals
from napari_sam2.session.tracking.memory.policies import make_policy
from napari_sam2.session.tracking.memory.rivals import measure_rivals
from scripted_memory import HIDDEN, PROMPT, SEEN, Scripted

RULE = MemoryRule()
MEMORY, STRICT = DistractorMemory(RULE), StrictDistractorMemory(RULE)


def tracked(frames: range, anchors: tuple[int, ...] = (), hidden: tuple[int, ...] = ()) -> dict[int, Scripted]:
    marked = {t: Scripted(observation=Observation((0, 0, 9, 9), 81, anchor=t)) for t in anchors}
    return {t: HIDDEN if t in hidden else marked.get(t, SEEN) for t in frames}


def maps(
    memory: DistractorMemory, frame: int, recent: dict[int, Scripted], *prompts: int
) -> tuple[tuple[int, int], ...]:
    conditioning = dict.fromkeys(prompts or (0,), PROMPT)
    return memory.choose(frame, conditioning, recent, step=1, num_frames=100).spatial


def test_recent_frames_lie_apart() -> None:
    assert maps(MEMORY, 23, tracked(range(1, 23))) == ((0, 0), (5, 5), (10, 4), (15, 3), (20, 2), (22, 1))


def test_anchors_take_slots_of_the_oldest() -> None:
    recent = tracked(range(1, 23), anchors=(3, 8, 12))
    assert maps(MEMORY, 23, recent) == ((0, 0), (3, 0), (8, 0), (12, 0), (15, 3), (20, 2), (22, 1))
    # Four in all, the nearest besides the prompt; the frame just passed is a recent one.
    recent = tracked(range(1, 23), anchors=(3, 8, 12, 18, 22))
    assert maps(MEMORY, 23, recent) == ((0, 0), (8, 0), (12, 0), (18, 0), (15, 3), (20, 2), (22, 1))


def test_hidden_frames_and_anchors_are_no_recent_ones() -> None:
    recent = tracked(range(1, 23), anchors=(10,), hidden=(15, 20, 21, 22))
    assert maps(MEMORY, 23, recent) == ((0, 0), (10, 0), (5, 2), (19, 1))


def test_the_first_prompt_stays() -> None:
    found = maps(MEMORY, 50, tracked(range(41, 50)), 0, 10, 20, 30, 40)
    assert [t for t, slot in found if not slot] == [0, 20, 30, 40]


def test_pointers_of_frames_that_show_the_object() -> None:
    recent = tracked(range(1, 23), anchors=(3, 21), hidden=(20,))
    choice = MEMORY.choose(23, {0: PROMPT}, recent, step=1, num_frames=100)
    near = [(t, 23 - t) for t in range(22, 7, -1) if t not in (20, 21)]
    assert choice.pointers == ((0, 23), (3, 20), (21, 2), *near)


def test_slices_have_no_stride() -> None:
    policy = make_policy("distractor", RULE, axis="z")
    choice = policy.choose(9, {0: PROMPT}, tracked(range(1, 9)), step=1, num_frames=30)
    assert [t for t, _ in choice.spatial] == [0, 3, 4, 5, 6, 7, 8]


# Which frames become anchors

BESIDE = Rivals(box_iou=0.7, distance=2.1, lead=1.6)
START = replace(NOTHING_SEEN, areas=(100.0,) * 9, ious=(0.6,) * 9, anchor=0)


def seen(area: float = 100, iou: float = 0.81, score: float = 5.0, rivals: Rivals | None = BESIDE) -> Scripted:
    shown = Observation((0, 0, 10, 10), area, areas=(area,), ious=(iou,), rivals=rivals) if area else NOTHING_SEEN
    return Scripted(score, iou, shown)


def becomes(
    memory: DistractorMemory, frame: int = 6, before: Observation = START, step: int = 1, **how: object
) -> bool:
    now = seen(**how)  # type: ignore[arg-type]
    after = memory.observe(frame, now, before, step=step, recent={})
    assert after.rivals is None
    return is_anchor(replace(now, observation=after), frame)


@pytest.mark.parametrize("memory", [MEMORY, STRICT], ids=["distractor", "strict"])
def test_a_frame_that_shows_what_the_object_is_not(memory: DistractorMemory) -> None:
    assert becomes(memory)
    assert not becomes(memory, frame=5)
    assert becomes(memory, frame=4, before=replace(START, anchor=10), step=-1)
    assert not becomes(memory, frame=5, before=replace(START, anchor=10), step=-1)
    assert not becomes(memory, iou=0.79)
    assert not becomes(memory, score=-1.0)
    assert not becomes(memory, area=0)
    assert not becomes(memory, area=70) and not becomes(memory, area=130)
    assert not becomes(memory, rivals=Rivals())


def test_how_large_and_how_far() -> None:
    assert becomes(MEMORY, area=81) and not becomes(MEMORY, area=79)
    assert becomes(STRICT, area=76) and not becomes(STRICT, area=74)
    assert not becomes(MEMORY, rivals=replace(BESIDE, box_iou=0.71))
    assert not becomes(STRICT, rivals=replace(BESIDE, lead=1.5))
    assert not becomes(STRICT, rivals=replace(BESIDE, distance=2.0))


def test_what_is_usual_for_a_small_model() -> None:
    adaptive = DistractorMemory(RULE, adaptive=True)
    assert becomes(adaptive, iou=0.61) and not becomes(adaptive, iou=0.59)


def test_rivals_of_masks() -> None:
    masks = np.zeros((3, 32, 32), bool)
    masks[0, 10:20, 4:14] = True
    # A larger one that reaches ten cells farther, and one that is a speck inside.
    masks[1, 10:20, 4:24] = True
    masks[2, 12:14, 6:8] = True
    found = measure_rivals(masks, [0.9, 0.6, 0.3], 0)
    assert found.box_iou == pytest.approx(0.5)
    assert found.lead == pytest.approx(1.5)
    assert found.distance == pytest.approx(10 / (2 * np.sqrt(100 / np.pi)))
    assert measure_rivals(masks[[0, 2, 2]], [0.9, 0.6, 0.3], 0).box_iou == 1
    assert measure_rivals(np.zeros((3, 8, 8), bool), [0.1, 0.2, 0.3], 2) == Rivals()
