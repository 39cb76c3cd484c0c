"""Clicks on a small model: several looks propose masks, and what they propose is weighed and averaged.

A small model is seldom sure of what a click means, and what it expects of its own masks says little where it has not
seen the like. Looks through several windows err in different ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import MASK_LOGIT, Sam2
from napari_sam2.session.zoom.crop import BEYOND_LOGIT, View, align_logits, cut_off
from napari_sam2.session.zoom.crop_size import Zoom

from .click_constraints import denied, stray
from .threads import answers_at_once

# A logit by which a mask is certain enough.
_FIRM = 1.0
_LEAST = 1e-6


@dataclass(frozen=True)
class PollRule:
    """How the masks proposed for clicks are weighed: one place for all of it."""

    # IoU that the model must expect of a mask, seen through a window around a first click, for the window to count
    # beside the whole frame: small windows show parts, and parts look like specks.
    sure: float = 0.5
    # Powers of the IoU that the model expects; of the share of the mask that stays when the threshold is raised; and,
    # for a first click, of how near to the mask's middle it lies.
    trust: float = 2.0
    firmness: float = 2.0
    middle: float = 1.0
    # Factors for each click that a mask does not follow, and for a mask cut off by its window.
    contradicted: float = 0.05
    cut: float = 0.02
    # Most pixels a side of the input with which the window around a first click is looked at: it has to be encoded
    # while the user waits.
    glance: int = 256


def rule_for(model: Sam2, zoom: Zoom | None) -> PollRule | None:
    """Rule for a model; ``None``, as the reference does it, for Meta's variants, without zoom and for a large input."""
    votes = model.config.votes_on_clicks and answers_at_once(model)
    return PollRule() if votes and zoom is not None else None


@dataclass(frozen=True)
class Ballot:
    """Masks proposed in one look, and what each weighs."""

    # Of a single object.
    output: DecoderOutput
    # (masks,) float32, positive.
    weights_k: Tensor
    # What the masks cover.
    view: View

    @property
    def surest(self) -> float:
        """Highest IoU that the model expects of one of them."""
        return float(self.output.ious_bk.max())


def weigh(
    output: DecoderOutput, prompt: Prompt, view: View, *, rule: PollRule, frame_size: tuple[int, int], first: bool
) -> Ballot:
    """Weigh the masks that the model proposes for clicks.

    ``frame_size``: (Y, X) in pixels.
    """
    logits = output.masks_bkhw[0]
    sure, likely = ((logits > level).flatten(1).sum(dim=1).float() for level in (_FIRM, -_FIRM))
    weights = output.ious_bk[0] ** rule.trust * (sure / likely.clamp(min=1)) ** rule.firmness
    masks = (logits > 0).cpu().numpy()
    factors = [
        rule.contradicted ** contradictions(mask, prompt, view)
        * (rule.cut if cut_off(mask, view, frame_size) else 1.0)
        * (_middleness(mask, prompt, view) ** rule.middle if first else 1.0)
        for mask in masks
    ]
    return Ballot(output, (weights * weights.new_tensor(factors)).clamp(min=_LEAST), view)


def contradictions(mask: NDArray[np.bool_], prompt: Prompt, view: View) -> int:
    """Count the clicks that a mask, a grid over a view, does not follow."""
    return sum(_inside(mask, cell) != said for cell, said in _clicks(mask, prompt, view))


def elect(ballots: Sequence[Ballot], prompt: Prompt, view: View) -> DecoderOutput:
    """Average masks by their weights, as far as the clicks are followed."""
    weights = torch.cat([ballot.weights_k for ballot in ballots])
    logits = torch.cat([align_logits(b.output.masks_bkhw, b.view, view)[0] for b in ballots])
    share = (weights[:, None, None] * logits.clamp(BEYOND_LOGIT, -BEYOND_LOGIT).sigmoid()).sum(dim=0) / weights.sum()
    elected, best = torch.logit(share, eps=1e-4), int(weights.argmax())
    against = [contradictions((mask > 0).cpu().numpy(), prompt, view) for mask in (elected, logits[best])]
    if against[1] < against[0]:
        elected = logits[best]
    elected, is_gone = _as_clicked(elected, prompt, view)
    scores = torch.cat([ballot.output.object_score_logits_b.expand_as(ballot.weights_k) for ballot in ballots])
    score = (scores * weights).sum(dim=0, keepdim=True) / weights.sum()
    return DecoderOutput(
        masks_bkhw=elected.expand(1, 2, -1, -1),
        ious_bk=torch.cat([ballot.output.ious_bk[0] for ballot in ballots])[best].expand(1, 2),
        mask_tokens_bkc=torch.cat([ballot.output.mask_tokens_bkc[0] for ballot in ballots])[best].expand(1, 2, -1),
        # As sure as of a mask that was painted, or of one that was painted empty.
        object_score_logits_b=score.clamp(max=-MASK_LOGIT) if is_gone else score,
    )


def _as_clicked(logits_hw: Tensor, prompt: Prompt, view: View) -> tuple[Tensor, bool]:
    """A mask without what clicks say is not the object, and whether that was all of it."""
    mask = (logits_hw > 0).cpu().numpy()
    said = _clicks(mask, prompt, view)
    said_yes, said_no = ([cell for cell, yes in said if yes is wanted] for wanted in (True, False))
    gone = denied(mask, said_yes, said_no)
    gone |= stray(mask & ~gone, said_yes)
    if not gone.any():
        return logits_hw, False
    without = torch.where(torch.from_numpy(gone).to(logits_hw.device), -logits_hw.abs(), logits_hw)
    return without, bool((gone == mask).all())


def _clicks(mask: NDArray[np.bool_], prompt: Prompt, view: View) -> list[tuple[tuple[int, int], bool]]:
    """Cells of a mask's grid that were clicked on, which may lie beyond it, and whether the mask is to hold them."""
    if prompt.points is None or prompt.labels is None:
        return []
    scale = np.divide(mask.shape, view.size)
    cells = np.floor((prompt.points + 0.5 - (view.top, view.left)) * scale).astype(int)
    return [((int(y), int(x)), bool(said)) for (y, x), said in zip(cells, prompt.labels, strict=True)]


def _inside(mask: NDArray[np.bool_], cell: tuple[int, int]) -> bool:
    y, x = cell
    return 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and bool(mask[y, x])


def _middleness(mask: NDArray[np.bool_], prompt: Prompt, view: View) -> float:
    """How deep in a mask the click lies, as a share of the greatest depth there is."""
    depth = distance_transform_cdt(np.pad(mask, 1))
    ((y, x), _), *_ = _clicks(mask, prompt, view)
    # A cell of play: the pixel clicked on need not be the middle of its cell.
    return float(depth[y : y + 3, x : x + 3].max(initial=0) / max(depth.max(), 1))
