from __future__ import annotations

import math

import pytest
import torch

from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.training.optimisation.losses import (
    balanced_cross_entropy,
    dice_loss,
    focal_loss,
    frame_loss,
    mask_iou,
)


def target(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def logits_of(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.logit(probabilities)


TRUTH = target([1, 1], [0, 0])
GUESS = logits_of(target([0.8, 0.5], [0.5, 0.2]))
TWO = torch.full((2,), 2)


def test_dice_by_hand() -> None:
    # overlap 0.8 + 0.5 = 1.3; areas 2.0 and 2.0; one pixel of smoothing
    assert dice_loss(GUESS, TRUTH).item() == pytest.approx(1 - (2 * 1.3 + 1) / (4 + 1), abs=1e-5)


def test_balanced_cross_entropy_weighs_object_and_background_alike() -> None:
    truth = target([1, 0, 0, 0])
    guess = logits_of(target([0.5, 0.8, 0.8, 0.8]))
    expected = (-math.log(0.5) - math.log(0.2)) / 2
    assert balanced_cross_entropy(guess, truth).item() == pytest.approx(expected, abs=1e-5)


def test_focal_by_hand() -> None:
    truth = target([1, 0])
    guess = logits_of(target([0.8, 0.3]))
    inside = 0.25 * 0.2**2 * -math.log(0.8)
    outside = 0.75 * 0.3**2 * -math.log(0.7)
    assert focal_loss(guess, truth).item() == pytest.approx((inside + outside) / 2, abs=1e-6)


def test_iou_counts_pixels_and_calls_two_empty_masks_equal() -> None:
    assert mask_iou(target([1, 1, -1, -1]), target([1, 0, 1, 0])).item() == pytest.approx(1 / 3)
    assert mask_iou(target([-1, -1]), target([0, 0])).item() == 1
    # a target averaged over a pixel counts by its share
    assert mask_iou(target([1, -1]), target([0.5, 0])).item() == pytest.approx(0.5)


def decoder_output(masks: torch.Tensor, *, iou: float = 0.5, score: float = 0.0) -> DecoderOutput:
    objects = len(masks)
    return DecoderOutput(
        masks_bkhw=masks,
        ious_bk=torch.full((objects, 4), iou),
        mask_tokens_bkc=torch.zeros(objects, 4, 8),
        object_score_logits_b=torch.full((objects,), score),
    )


def test_only_the_score_of_an_absent_object_is_graded() -> None:
    masks = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    truth = torch.zeros(2, 1, 8, 8)
    truth[0, :, :4] = 1
    seen = torch.tensor([True, False])
    loss = frame_loss(decoder_output(masks), truth, present_b=seen, points_b=TWO, cross_entropy="balanced")
    loss.total.backward()
    assert masks.grad is not None
    assert masks.grad[0].abs().sum() > 0
    assert masks.grad[1].abs().sum() == 0
    assert loss.score.item() == pytest.approx(math.log(2), abs=1e-6)
    alone = frame_loss(
        decoder_output(masks[:1]), truth[:1], present_b=seen[:1], points_b=TWO[:1], cross_entropy="balanced"
    )
    assert loss.mask.item() == pytest.approx(alone.mask.item(), abs=1e-6)
    assert loss.iou.item() == pytest.approx(alone.iou.item(), abs=1e-6)


def test_nothing_but_the_score_is_graded_where_all_are_absent() -> None:
    loss = frame_loss(
        decoder_output(torch.zeros(3, 4, 8, 8), score=2.0),
        torch.zeros(3, 1, 8, 8),
        present_b=torch.zeros(3, dtype=torch.bool),
        points_b=torch.zeros(3),
        cross_entropy="focal",
    )
    assert loss.mask.item() == 0
    assert loss.iou.item() == 0
    assert loss.score.item() == pytest.approx(math.log1p(math.exp(2)), abs=1e-5)


def test_the_best_candidate_gets_most_of_the_gradient() -> None:
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., :4] = 1
    right = (truth[0, 0] * 2 - 1) * 3
    masks = torch.stack((right * 0, -right, right * 0.5, -right))[None].requires_grad_()
    loss = frame_loss(
        decoder_output(masks),
        truth,
        present_b=torch.ones(1, dtype=torch.bool),
        points_b=torch.zeros(1),
        cross_entropy="balanced",
    )
    loss.mask.backward()
    assert masks.grad is not None
    by_candidate = masks.grad[0].abs().sum(dim=(1, 2))
    assert by_candidate[0] == 0
    assert by_candidate[2] > 3 * by_candidate[1]
    assert loss.reached_iou.item() == 1
    # predicted IoU 0.5 against 0 (nothing is above zero), 0, 1 and 0
    assert loss.iou.item() == pytest.approx(0.5)


def test_only_the_answer_is_graded_where_that_is_asked_for() -> None:
    truth = torch.zeros(2, 1, 8, 8)
    truth[..., :4] = 1
    shape = truth[0, 0] * 2 - 1
    masks = torch.stack((shape, shape * 2, shape * 3, -shape))[None].repeat(2, 1, 1, 1).requires_grad_()
    output = DecoderOutput(
        masks_bkhw=masks,
        # mask 0 is said to be right by 0.9; the candidates by 0.5, 0.25 and 0.3, the last of which is empty of truth
        ious_bk=torch.tensor([[0.9, 0.5, 0.25, 0.3]]).repeat(2, 1),
        mask_tokens_bkc=torch.zeros(2, 4, 8),
        object_score_logits_b=torch.zeros(2),
    )
    loss = frame_loss(
        output,
        truth,
        present_b=torch.ones(2, dtype=torch.bool),
        points_b=torch.tensor([1, 2]),
        cross_entropy="focal",
        only_answer=True,
    )
    loss.mask.backward()
    assert masks.grad is not None
    touched = masks.grad.abs().sum(dim=(2, 3)) > 0
    # one click: the best candidate alone; two points: mask 0 alone
    assert touched.tolist() == [[False, False, True, False], [True, False, False, False]]
    best = focal_loss(masks[:1, 2:3], truth[:1]).item() * 20 + dice_loss(masks[:1, 2:3], truth[:1]).item()
    single = focal_loss(masks[:1, :1], truth[:1]).item() * 20 + dice_loss(masks[:1, :1], truth[:1]).item()
    assert loss.mask.item() == pytest.approx((best + single) / 2)
    # errors 0.5, 0.75 and 0.3 of the candidates of the one, 0.1 of mask 0 of the other
    assert loss.iou.item() == pytest.approx(((0.5 + 0.75 + 0.3) / 3 + 0.1) / 2)
    assert loss.total.item() == pytest.approx(loss.mask.item() + loss.iou.item() + loss.score.item())
