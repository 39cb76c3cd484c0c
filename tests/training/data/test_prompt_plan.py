from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2.session.session import Session
from napari_sam2.training.data.clips import Batch
from napari_sam2.training.data.prompt_plan import PromptPlan, draw_prompt_plan
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings
from napari_sam2.training.unroll import Tracker, unroll

CHEAP = TrainSettings("unused", image_size=64, bfloat16=False)
PAPER = replace(CHEAP, corrections=7, prompted_frames=2, corrected_frames=2, clip_corrections=7, grade="answer")
ALWAYS = torch.ones(8, 3, dtype=torch.bool)


def plans(settings: TrainSettings, present: torch.Tensor = ALWAYS, *, masks: bool = False) -> list[PromptPlan]:
    generator = torch.Generator().manual_seed(0)
    return [draw_prompt_plan(present, settings, give_masks=masks, generator=generator) for _ in range(200)]


def test_usually_only_the_first_frame_is_prompted() -> None:
    assert set(plans(CHEAP)) == {PromptPlan(False, (0,), (), 0)}
    assert set(plans(CHEAP, ALWAYS[:1], masks=True)) == {PromptPlan(False, (0,), (0,), 1)}


def test_up_to_two_frames_are_prompted_and_corrected_the_first_among_them() -> None:
    drawn = plans(PAPER)
    assert all(plan.prompted[0] == 0 and plan.corrected[0] == 0 for plan in drawn)
    assert all(set(plan.prompted) <= set(plan.corrected) and plan.corrections == 7 for plan in drawn)
    counts = Counter((len(plan.prompted), len(plan.corrected)) for plan in drawn)
    assert set(counts) == {(1, 1), (1, 2), (2, 2)}
    assert 70 < counts[2, 2] < 130
    assert {plan.prompted[1] for plan in drawn if len(plan.prompted) == 2} == set(range(1, 8))
    assert [drawn[0].corrections_on(t) for t in range(8)] == [7 if t in drawn[0].corrected else 0 for t in range(8)]


def test_given_masks_are_not_corrected() -> None:
    assert all(plan.give_masks and plan.corrected == () for plan in plans(PAPER, masks=True))


def test_no_object_is_prompted_where_it_is_hidden() -> None:
    present = ALWAYS.clone()
    present[[1, 2, 4, 5, 6, 7], 1] = False
    assert {plan.prompted for plan in plans(PAPER, present)} == {(0,), (0, 3)}
    present[3, 0] = False
    assert {plan.prompted for plan in plans(PAPER, present)} == {(0,)}


@pytest.fixture(scope="module")
def disk() -> Batch:
    """One clip of twenty frames, so long that all the pointers' reach fits in."""
    y, x = np.mgrid[:64, :64]
    masks = np.stack([np.hypot(y - 30, x - 14 - 1.5 * t) < 10 for t in range(20)])
    noise = np.random.default_rng(0).integers(0, 60, (20, 64, 64, 3))
    frames = (noise + 150 * masks[..., None]).astype(np.uint8)
    return Batch(torch.from_numpy(frames).permute(0, 3, 1, 2)[None], torch.from_numpy(masks)[None, :, None])


def test_prompts_ahead_work_as_in_a_session(disk: Batch) -> None:
    model = start(CHEAP).model
    tracker = Tracker(model, disk, CHEAP)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        tracker.prompt_with_masks(0)
        tracker.prompt_with_masks(3)
        tracked = {t: tracker.track(t, generator).low_res_bhw for t in (1, 2, 4, 5)}
    frames = disk.frames_btchw[0].permute(0, 2, 3, 1).numpy()
    session = Session(model, frames, fill_hole_area=0, zoom="off")
    for frame in (0, 3):
        session.add_mask(frame, 1, disk.masks_btnhw[0, frame, 0].numpy())
    for result in session.propagate(max_frames=6):
        if result.frame in tracked:
            expected = torch.from_numpy(result.low_res_logits)
            assert torch.allclose(tracked[result.frame], expected, atol=1e-3), result.frame


def test_a_corrected_frame_becomes_a_conditioning_frame(disk: Batch) -> None:
    short = Batch(disk.frames_btchw[:, :4], disk.masks_btnhw[:, :4])
    tracker = Tracker(start(CHEAP).model, short, CHEAP)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        tracker.prompt_with_masks(0)
        tracker.track(1, generator)
        tracker.track(2, generator, corrections=3)
        # the answer to no prompt, and to each of three clicks
        assert len(tracker.losses) == 1 + 4
        tracker.track(3, generator)
    assert tracker.conditioning == [0, 2]


def test_every_click_of_every_frame_is_graded(disk: Batch) -> None:
    short = Batch(disk.frames_btchw[:, :4], disk.masks_btnhw[:, :4])
    settings = replace(PAPER, corrections=2, clip_corrections=2, prompted_frames=1, corrected_frames=4)
    model, lengths = start(settings).model, set()
    for seed in range(6):
        tracker = Tracker(model, short, settings)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            losses, _ = unroll(tracker, give_masks=False, generator=generator)
        lengths.add(len(losses))
        assert len(losses) == 4 + 2 * len(tracker.conditioning)
    assert len(lengths) > 1
