"""What holds for every memory policy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.tracking.memory.choice import MemoryRule
from napari_sam2.session.tracking.memory.policies import AUTO, AUTO_EXACT, POLICY_NAMES, make_policy, policy_name
from scripted_memory import PROMPT, mirrored, random_script


def test_names() -> None:
    assert policy_name("auto") == AUTO
    assert policy_name("auto", exact=True) == AUTO_EXACT == policy_name("standard")
    assert {policy_name(name) for name in POLICY_NAMES} == set(POLICY_NAMES)
    assert policy_name("gated+sparse+exclusive") == "gated+exclusive+sparse"
    for wrong in ("good", "gated+good", "exclusive", ""):
        with pytest.raises(ValueError, match="memory is 'auto' or one of standard, gated"):
            policy_name(wrong)


def test_a_session_knows_its_policy(model: Sam2, frames: np.ndarray) -> None:
    assert Session(model, frames).memory == (AUTO_EXACT if model.options.preset == "exact" else AUTO)
    assert Session(model, frames, memory="gated").memory == "gated"
    with pytest.raises(ValueError, match="memory is"):
        Session(model, frames, memory="")


@pytest.mark.parametrize("name", POLICY_NAMES)
@pytest.mark.parametrize("num_frames", [8, 200])
def test_seven_maps_sixteen_pointers_and_the_prompt(name: str, num_frames: int) -> None:
    policy = make_policy(name, MemoryRule())
    for seed in range(20):
        recent = random_script(seed, 100)
        for frame in range(1, 100, 7):
            behind = {t: seen for t, seen in recent.items() if t < frame}
            choice = policy.choose(frame, {0: PROMPT}, behind, step=1, num_frames=num_frames)
            maps, pointers = ([t for t, _ in pairs] for pairs in (choice.spatial, choice.pointers))
            assert len(maps) <= 7 and len(pointers) <= 16
            assert 0 in maps and 0 in pointers
            assert len(set(maps)) == len(maps) and len(set(pointers)) == len(pointers)
            assert all(0 <= slot <= 6 for _, slot in choice.spatial)
            assert set(maps) | set(pointers) <= {0, *behind}


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_what_is_chosen_was_needed_at_the_start_of_the_pass(name: str) -> None:
    policy = make_policy(name, MemoryRule())
    for seed in range(20):
        script = random_script(seed, 100)
        first = {t: seen for t, seen in script.items() if t < 50}
        needed = policy.needed(50, {0: PROMPT}, first, step=1)
        for frame in range(50, 100):
            behind = {t: seen for t, seen in script.items() if t < frame}
            choice = policy.choose(frame, {0: PROMPT}, behind, step=1, num_frames=200)
            assert {t for t, _ in choice.spatial if 0 < t < 50} <= {t for t, has_map in needed.items() if has_map}
            assert {t for t, _ in choice.pointers if 0 < t < 50} <= set(needed)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_backward_mirrors_forward(name: str) -> None:
    policy = make_policy(name, MemoryRule())
    for seed in range(20):
        script = random_script(seed, 60)
        forward = policy.choose(60, {0: PROMPT}, script, step=1, num_frames=100)
        backward = policy.choose(0, {60: PROMPT}, mirrored(script, 60), step=-1, num_frames=100)
        assert backward.spatial == tuple((60 - t, slot) for t, slot in forward.spatial)
        assert backward.pointers == tuple((60 - t, distance) for t, distance in forward.pointers)
        needed = (
            policy.needed(60, {0: PROMPT}, script, step=1),
            policy.needed(0, {60: PROMPT}, mirrored(script, 60), step=-1),
        )
        assert needed[1] == {60 - t: has_map for t, has_map in needed[0].items()}


def summary(results: Iterable[FrameResult]) -> list[Any]:
    return [(r.frame, r.low_res_logits.tolist(), r.object_scores.tolist()) for r in results]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", [*POLICY_NAMES, "gated+exclusive+sparse", "standard+one-way"])
def test_a_run_taken_up_again_gives_what_it_would_have_given(
    name: str, flickering_model: Sam2, frames: np.ndarray, tmp_path: Path
) -> None:
    longer = np.concatenate([frames, frames[::-1]])

    def prompted(folder: Path | None) -> Session:
        session = Session(flickering_model, longer, memory=name, folder=folder)
        session.add_points(9, 1, [[10, 12]], [1])
        session.add_box(7, 2, (20, 20, 40, 44))
        return session

    whole = summary(prompted(None).propagate(direction="both"))
    assert len({scores[0] > 0.5 for *_, scores in whole}) == 2
    # Once in the way forward, once on the way back.
    for stop in (12, 20):
        folder = tmp_path / f"{stop}.napari-sam2"
        session = prompted(folder)
        steps = session.propagate(direction="both")
        for _ in range(stop):
            next(steps)
        steps.close()
        session.close()
        again = Session.open(folder, frames=longer, model=flickering_model)
        assert (again.memory, again.problems) == (name, ())
        assert summary(again.resume()) == whole[stop:]
        again.close()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("rule", POLICY_NAMES)
def test_one_way_the_pass_back_does_not_depend_on_the_pass_forward(
    rule: str, flickering_model: Sam2, frames: np.ndarray
) -> None:
    def prompted(memory: str) -> Session:
        session = Session(flickering_model, frames, memory=memory)
        session.add_points(len(frames) // 2, 1, [[10, 12]], [1])
        return session

    def both(session: Session) -> tuple[list[Any], list[Any]]:
        tracked = summary(session.propagate(direction="both"))
        back = len(frames) // 2
        return tracked[:-back], tracked[-back:]

    forward, back = both(session := prompted(f"{rule}+one-way"))
    assert back == summary(prompted(f"{rule}+one-way").propagate(direction="backward"))[1:]
    # Nor does a run depend on an earlier one.
    assert both(session) == (forward, back)
    assert forward == both(prompted(rule))[0]
