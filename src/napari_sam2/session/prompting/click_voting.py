"""Voting on masks for clicks: a small model proposes candidates in several crops, which are weighed and averaged.

A small model is seldom sure of what a click means, and the IoU that it expects of its own masks means little on
images unlike those that it was trained on. Several crops err in different ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import MASK_LOGIT, ImageFeatures, Sam2
from napari_sam2.session.zoom.crop import BEYOND_LOGIT, Crop, align_logits, cut_off
from napari_sam2.session.zoom.crop_size import Zoom

from .click_constraints import Cell, clicked_cells, rejected_part, stray_regions, within
from .mask_correction import MaskCorrection
from .mask_judge import MaskJudge, firmness, load_judge, middleness
from .random_walk import spread_clicks
from .threads import answers_at_once

# The threshold is raised and lowered by this logit to see how much of a mask depends on it.
_FIRM = 1.0
# No weight is zero, so that there is always an average.
_LEAST = 1e-12


@dataclass(frozen=True)
class VotingRule:
    """How the masks proposed for clicks are weighed."""

    # Powers of the IoU that the model expects; of the share of the mask that stays when the threshold is raised; and,
    # for an object without a mask, of how near to the mask's middle a click lies.
    trust: float = 2.0
    firmness: float = 2.0
    middle: float = 1.0
    # Factor for a mask cut off by its crop.
    cut: float = 0.02
    # IoU that the model must expect of a mask in a close-up, for the close-up to count beside the whole frame.
    close_up_iou: float = 0.5
    # A new object of up to this share of the frame's longer side is small. Its masks are weighed by what the judge
    # expects: by this power of e more where they are expected to fit than where they are expected to miss it.
    small: float = 0.1
    judge: MaskJudge = field(default_factory=load_judge)
    sharpness: float = 20.0
    # Factor for each click that a mask does not follow.
    contradicted: float = 0.05
    # Most pixels a side of a close-up's input: it has to be encoded while the user waits.
    close_up_size: int = 256


def voting_rule(model: Sam2, zoom: Zoom | None) -> VotingRule | None:
    """Rule for a model; ``None``, no voting, for Meta's variants, without zoom and for large inputs."""
    votes = model.config.votes_on_clicks and answers_at_once(model)
    return VotingRule() if votes and zoom is not None else None


@dataclass(frozen=True)
class Candidates:
    """Masks proposed for a single object in one crop, with their weights."""

    output: DecoderOutput
    # (masks,) float32, positive.
    weights_k: Tensor
    view: Crop
    # The weights by the judge, for an object without a mask.
    judged_k: Tensor | None = None

    @property
    def best_iou(self) -> float:
        """The highest IoU that the model expects."""
        return float(self.output.ious_bk.max())

    @property
    def judged(self) -> Candidates:
        """The same, weighed by the judge."""
        return self if self.judged_k is None else replace(self, weights_k=self.judged_k)


def weigh(
    output: DecoderOutput,
    prompt: Prompt,
    view: Crop,
    *,
    rule: VotingRule,
    frame_size: tuple[int, int],
    features: ImageFeatures | None = None,
) -> Candidates:
    """Weigh the masks that the model proposes for clicks.

    ``features``: of what was shown, for an object without a mask; ``None`` for one whose mask is refined.
    """
    masks = (output.masks_bkhw[0] > 0).cpu().numpy()
    follows = torch.tensor([rule.contradicted ** contradictions(mask, prompt, view) for mask in masks])
    # Trust what the model expects to be right and what hardly depends on the threshold; what is cut off is not.
    weights = output.ious_bk[0].cpu() ** rule.trust * firmness(output.masks_bkhw[0], _FIRM).cpu() ** rule.firmness
    weights *= follows * torch.tensor([rule.cut if cut_off(mask, view, frame_size) else 1.0 for mask in masks])
    judged = None
    if features is not None:
        weights *= torch.tensor([middleness(mask, prompt, view) ** rule.middle for mask in masks])
        expected = rule.judge.expected_iou(output, features, prompt=prompt, view=view, frame_size=frame_size)
        judged = (torch.from_numpy(np.exp(rule.sharpness * (expected - 1))) * follows).clamp(min=_LEAST)
        judged = judged.to(output.ious_bk)
    return Candidates(output, weights.clamp(min=_LEAST).to(output.ious_bk), view, judged)


def contradictions(mask: NDArray[np.bool_], prompt: Prompt, view: Crop) -> int:
    """Count the clicks that a mask, a grid over a crop, does not follow."""
    # Clicks beyond the crop count as outside the mask.
    return sum(_inside(mask, cell) != wanted for cell, wanted in clicked_cells(mask.shape, prompt, view))


def vote(
    candidates: Sequence[Candidates],
    prompt: Prompt,
    view: Crop,
    *,
    earlier_hw: Tensor | None = None,
    picture: NDArray[np.uint8] | None = None,
) -> DecoderOutput:
    """Average masks by their weights, as far as the clicks are followed.

    ``earlier_hw``: logits over ``view`` of the mask that the clicks correct; it changes only around them.
    ``picture``: (h, w, 3), what ``view`` shows on the grid of the masks; where given, clicks spread along its edges.
    """
    # Average the probabilities on the grid of the crop in which the answer is wanted.
    weights = torch.cat([each.weights_k for each in candidates])
    logits = torch.cat([align_logits(each.output.masks_bkhw, each.view, view)[0] for each in candidates])
    share = (weights[:, None, None] * logits.clamp(BEYOND_LOGIT, -BEYOND_LOGIT).sigmoid()).sum(dim=0) / weights.sum()
    voted, best = torch.logit(share, eps=1e-4), int(weights.argmax())
    # The heaviest mask wins where the average follows fewer clicks.
    against = [contradictions((mask > 0).cpu().numpy(), prompt, view) for mask in (voted, logits[best])]
    if against[1] < against[0]:
        voted = logits[best]
    # Then the clicks are enforced; the score is averaged, too.
    clicks = clicked_cells(voted.shape, prompt, view)
    correction = None if earlier_hw is None else MaskCorrection(earlier_hw.float().cpu().numpy(), clicks)
    drawn = _as_clicked(voted.float().cpu().numpy(), clicks, correction=correction, picture=picture)
    is_gone = bool((voted > 0).any() and not (drawn > 0).any())
    scores = torch.cat([each.output.object_score_logits_b.expand_as(each.weights_k) for each in candidates])
    score = (scores * weights).sum(dim=0, keepdim=True) / weights.sum()
    return DecoderOutput(
        masks_bkhw=torch.from_numpy(drawn).to(voted).expand(1, 2, -1, -1),
        ious_bk=torch.cat([each.output.ious_bk[0] for each in candidates])[best].expand(1, 2),
        mask_tokens_bkc=torch.cat([each.output.mask_tokens_bkc[0] for each in candidates])[best].expand(1, 2, -1),
        # As sure as of a mask that was painted, or of one that was painted empty.
        object_score_logits_b=score.clamp(max=-MASK_LOGIT) if is_gone else score,
    )


def _as_clicked(
    logits: NDArray[np.float32],
    clicks: Sequence[tuple[Cell, bool]],
    *,
    correction: MaskCorrection | None,
    picture: NDArray[np.uint8] | None,
) -> NDArray[np.float32]:
    """A mask that follows the clicks."""
    positive, negative = ([cell for cell, is_positive in clicks if is_positive is kind] for kind in (True, False))
    # Mirrored, so that the outline stays half-way between cells.
    drawn = np.where(rejected_part(logits > 0, positive, negative), -np.abs(logits), logits)
    if picture is not None:
        # Nobody aims better than to a cell, unless it is at the outline.
        is_aimed = correction is not None and correction.is_aimed
        drawn = spread_clicks(drawn, picture, clicks, around=0 if is_aimed else 1)
    # What a correction is not about stays as it was.
    if correction is not None:
        drawn = np.where(correction.changed_elsewhere(drawn > 0), correction.earlier, drawn)
    return np.where(stray_regions(drawn > 0, positive), -np.abs(drawn), drawn)


def _inside(mask: NDArray[np.bool_], cell: Cell) -> bool:
    return within(mask, cell) and bool(mask[cell])
