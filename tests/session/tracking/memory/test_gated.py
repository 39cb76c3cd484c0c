"""The rule that only frames on which the object was seen well take a slot."""

from __future__ import annotations

import pytest

from napari_sam2.session.tracking.memory.choice import MemoryChoice, MemoryRule
from napari_sam2.session.tracking.memory.gated import GatedMemory, quality
from napari_sam2.session.tracking.memory.policy import MemoryPolicy
from scripted_memory import HIDDEN, PROMPT, SEEN, Scripted

GATED = GatedMemory(MemoryRule())


def choose(frame: int, conditioning: dict[int, Scripted], recent: dict[int, Scripted], step: int = 1) -> MemoryChoice:
    return GATED.choose(frame, conditioning, recent, step=step, num_frames=100)


def test_quality_is_sure_presence_times_predicted_iou() -> None:
    assert quality(Scripted(50.0, 0.8)) == pytest.approx(0.8)
    assert quality(Scripted(2.0, 0.5)) == pytest.approx((2 / (1 + 2.718281828**-2) - 1) * 0.5)
    assert quality(Scripted(0.0, 0.9)) == quality(Scripted(-3.0, 0.9)) == 0


def test_an_absence_takes_one_slot() -> None:
    recent = {t: SEEN if t <= 12 else HIDDEN for t in range(1, 21)}
    choice = choose(21, {0: PROMPT}, recent)
    assert choice.spatial == ((0, 0), (8, 6), (9, 5), (10, 4), (11, 3), (12, 2), (20, 1))
    assert choice.pointers == ((0, 21), (20, 1), *((12 - n, 2 + n) for n in range(12)))
    # However long it lasts.
    longer = recent | dict.fromkeys(range(21, 90), HIDDEN)
    assert choose(90, {0: PROMPT}, longer).spatial == (*choice.spatial[:-1], (89, 1))


def test_never_more_than_fifteen_besides_the_prompt() -> None:
    recent = {t: SEEN if t <= 40 else HIDDEN for t in range(1, 60)}
    assert [t for t, _ in choose(60, {0: PROMPT}, recent).pointers] == [0, 59, *range(40, 26, -1)]


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("most", [None, 2, 4])
@pytest.mark.parametrize("prompts", [[0], [12, 3], [20, 17, 19, 2, 28, 40]])
def test_the_choice_is_the_standard_one_where_all_is_seen(step: int, most: int | None, prompts: list[int]) -> None:
    rule = MemoryRule(max_conditioning=most)
    conditioning = dict.fromkeys(prompts, PROMPT)
    for frame in range(50):
        behind = range(frame) if step > 0 else range(frame + 1, 50)
        recent = {t: SEEN for t in behind if t not in conditioning}
        for num_frames in (5, 50):
            gated, standard = (
                kind(rule).choose(frame, conditioning, recent, step=step, num_frames=num_frames)
                for kind in (GatedMemory, MemoryPolicy)
            )
            assert gated == standard
            assert GatedMemory(rule).needed(frame, conditioning, recent, step=step).items() <= (
                MemoryPolicy(rule).needed(frame, conditioning, recent, step=step).items()
            )
