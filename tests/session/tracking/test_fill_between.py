"""The blending of what was tracked from two sides."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_sam2.session.tracking.fill_between import blend, both_ways_visits
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.schedule import Visit
from napari_sam2.session.zoom.crop import Crop

SIZE = (8, 8)
SURE = 20.0


def seen(left: int, right: int, *, iou: float = 0.8, score: float = SURE, logit: float = 4.0) -> FrameMemory:
    """An object in some columns of the frame."""
    logits = torch.full((1, 8, 8), -4.0)
    logits[:, :, left:right] = logit
    return FrameMemory(logits, torch.zeros(1, 4), score, iou)


def columns(memory: FrameMemory) -> list[int]:
    return torch.nonzero(memory.logits_bhw[0, 0] > 0).flatten().tolist()


@pytest.mark.parametrize(("share", "found"), [(0.25, [0, 1, 2, 3]), (0.75, [1, 2, 3, 4])])
def test_the_nearer_prompt_counts_for_more(share: float, found: list[int]) -> None:
    assert columns(blend(seen(0, 4), seen(1, 5), share=share, frame_size=SIZE)) == found


def test_the_surer_side_counts_for_more() -> None:
    blended = blend(seen(0, 4, iou=0.9), seen(1, 5, iou=0.3), share=0.5, frame_size=SIZE)
    assert columns(blended) == [0, 1, 2, 3]
    assert blended.iou == pytest.approx(0.75 * 0.9 + 0.25 * 0.3)
    assert blended.object_score_logit == pytest.approx(SURE)


@pytest.mark.parametrize(("share", "wins"), [(0.2, 0), (0.8, 1)])
@pytest.mark.parametrize("other", [seen(5, 8), seen(5, 8, score=-SURE)])
def test_of_two_that_have_nothing_in_common_one_is_taken(other: FrameMemory, share: float, wins: int) -> None:
    sides = seen(0, 3), replace(other, iou=0.8)
    assert blend(*sides, share=share, frame_size=SIZE) is sides[wins]


def test_masks_in_different_crops_are_brought_together() -> None:
    # The right half of the frame, on the same grid: its first columns are columns 4 and 5 of the frame.
    near = replace(seen(0, 4), view=Crop(0, 4, 8, 4))
    blended = blend(seen(2, 6), near, share=0.5, frame_size=SIZE)
    assert blended.view == near.view
    assert columns(blended) == [0, 1, 2, 3]


def test_stretches_come_one_after_the_other() -> None:
    plans = {1: FrameDirections({5: 1, 6: 1}), 2: FrameDirections({6: 1})}
    between = {1: FrameDirections({1: 1, 2: 1, 4: 1}), 2: FrameDirections({2: 1})}
    assert both_ways_visits(plans, between, num_frames=7) == [
        Visit(1, 1, (1,)),
        Visit(2, 1, (1, 2)),
        Visit(2, -1, (1, 2)),
        Visit(1, -1, (1,)),
        Visit(4, 1, (1,)),
        Visit(4, -1, (1,)),
        Visit(5, 1, (1,)),
        Visit(6, 1, (1, 2)),
    ]
