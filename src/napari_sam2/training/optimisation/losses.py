"""Losses: masks, predicted IoU, object score and the centre head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.centre_head import CentreMaps
from napari_sam2.model.mask_decoder import DecoderOutput, resize_logits

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
FOCAL_WEIGHT = 20.0
RUNNER_UP_WEIGHT = 0.1
RADIUS_WEIGHT = 0.2


def dice_loss(logits_bkhw: Tensor, target_b1hw: Tensor) -> Tensor:
    """One minus the overlap ``2 |p t| / (|p| + |t|)``, smoothed by one pixel: (objects, k)."""
    p = logits_bkhw.sigmoid().flatten(2)
    t = target_b1hw.flatten(2)
    return 1 - (2 * (p * t).sum(-1) + 1) / (p.sum(-1) + t.sum(-1) + 1)


def balanced_cross_entropy(logits_bkhw: Tensor, target_b1hw: Tensor) -> Tensor:
    """Cross-entropy in which object and background weigh the same whatever their areas: (objects, k)."""
    t = target_b1hw.flatten(2)
    loss = F.binary_cross_entropy_with_logits(
        logits_bkhw.flatten(2), t.expand(-1, logits_bkhw.shape[1], -1), reduction="none"
    )
    # Means over object and background each, then over both.
    inside = (loss * t).sum(-1) / t.sum(-1).clamp(min=1)
    outside = (loss * (1 - t)).sum(-1) / (1 - t).sum(-1).clamp(min=1)
    return (inside + outside) / 2


def focal_loss(logits_bkhw: Tensor, target_b1hw: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017) averaged over pixels, alpha 0.25 and gamma 2: (objects, k)."""
    t = target_b1hw.expand_as(logits_bkhw)
    loss = F.binary_cross_entropy_with_logits(logits_bkhw, t, reduction="none")
    p = logits_bkhw.sigmoid()
    wrong = p * (1 - t) + (1 - p) * t
    alpha = FOCAL_ALPHA * t + (1 - FOCAL_ALPHA) * (1 - t)
    return (alpha * wrong**FOCAL_GAMMA * loss).flatten(2).mean(-1)


def mask_iou(logits_bkhw: Tensor, target_b1hw: Tensor) -> Tensor:
    """Overlap of the thresholded logits with a target of values in [0, 1]: (objects, k), 1 where both are empty."""
    p = (logits_bkhw > 0).to(target_b1hw.dtype).flatten(2)
    t = target_b1hw.flatten(2)
    both = (p * t).sum(-1)
    either = p.sum(-1) + t.sum(-1) - both
    return torch.where(either > 0, both / either.clamp(min=1e-6), 1.0)


def mask_loss(logits_bkhw: Tensor, target_b1hw: Tensor, *, cross_entropy: str) -> Tensor:
    """Dice plus the cross-entropy of that name (``"balanced"`` or ``"focal"``): (objects, k)."""
    if cross_entropy == "focal":
        return dice_loss(logits_bkhw, target_b1hw) + FOCAL_WEIGHT * focal_loss(logits_bkhw, target_b1hw)
    return dice_loss(logits_bkhw, target_b1hw) + balanced_cross_entropy(logits_bkhw, target_b1hw)


@dataclass(frozen=True)
class FrameLoss:
    """Terms of one frame, each a scalar mean over its objects."""

    # Masks, predicted IoU and object score.
    mask: Tensor
    iou: Tensor
    score: Tensor
    # Mean IoU of the best candidate, for the log.
    reached_iou: Tensor

    @property
    def total(self) -> Tensor:
        """Sum of the terms."""
        return self.mask + self.iou + self.score


def frame_loss(
    output: DecoderOutput,
    target_b1hw: Tensor,
    *,
    present_b: Tensor,
    points_b: Tensor,
    cross_entropy: str,
    only_answer: bool = False,
) -> FrameLoss:
    """Loss of the decoder's output on one frame, whether it calls the object absent or not.

    ``target_b1hw``: (objects, 1, h, w) float32 in [0, 1] at the size masks are to be compared at.
    ``present_b``: (objects,) bool; where the object is absent only its score is graded.
    ``points_b``: (objects,) number of points the answer was prompted with, a box counting as two.
    """
    # Masks are compared at the target's size.
    logits = resize_logits(output.masks_bkhw, (target_b1hw.shape[-2], target_b1hw.shape[-1]))
    losses = mask_loss(logits, target_b1hw, cross_entropy=cross_entropy)
    single = (points_b > 1).to(losses) if only_answer else points_b.clamp(max=2).to(losses) / 2
    several = 1 - single if only_answer else torch.ones_like(single)
    # A little for the runners-up, too: a candidate that never wins would never learn.
    runner_up = 0.0 if only_answer else RUNNER_UP_WEIGHT
    candidates = losses[:, 1:].min(dim=1).values + runner_up * losses[:, 1:].mean(dim=1)
    per_object = (several * candidates + single * losses[:, 0]) / (several * (1 + runner_up) + single)
    with torch.no_grad():
        reached = mask_iou(logits, target_b1hw)
    # Every predicted IoU is supervised, whichever of the masks is the best.
    asked = torch.stack((single, several, several, several), dim=1) if only_answer else torch.ones_like(losses)
    iou_error = ((output.ious_bk - reached).abs() * asked).sum(dim=1) / asked.sum(dim=1)
    # Absent objects have no mask to learn, only a score.
    weight = present_b.to(logits.dtype)
    count = weight.sum().clamp(min=1)
    score = F.binary_cross_entropy_with_logits(output.object_score_logits_b, weight)
    return FrameLoss(
        mask=(per_object * weight).sum() / count,
        iou=(iou_error * weight).sum() / count,
        score=score,
        reached_iou=(reached[:, 1:].max(dim=1).values * weight).sum() / count,
    )


def centre_loss(maps: CentreMaps, targets_b3hw: Tensor) -> Tensor:
    """Loss of the centre head: penalty-reduced focal loss (Zhou et al. 2019) and L1 on the logarithm of the radius."""
    heat, log_radius, weight = targets_b3hw.unbind(dim=1)
    centre = (heat == 1).to(heat)
    p = maps.logits_bhw.sigmoid()
    hit = F.logsigmoid(maps.logits_bhw) * (1 - p) ** 2 * centre
    # Cells beside a centre are almost right; the nearer, the less they count as wrong.
    miss = F.logsigmoid(-maps.logits_bhw) * p**2 * (1 - heat) ** 4
    wrong = (maps.log_radius_bhw - log_radius).abs() * centre
    per_image = ((RADIUS_WEIGHT * wrong - hit - miss) * weight).sum(dim=(1, 2))
    return (per_image / centre.sum(dim=(1, 2)).clamp(min=1)).mean()
