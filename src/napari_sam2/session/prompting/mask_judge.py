"""How well each mask that a small model proposes for a click is likely to fit the object.

What the model itself expects means little in close-ups and on images unlike those that it was trained on. The judge is
a network of eight units that also sees the shape of a mask around the click, how much of the frame was shown, and
whether the image differs from the mask to what lies around it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import ImageFeatures
from napari_sam2.session.zoom.crop import Crop, cut_off

from .click_constraints import clicked_cells, within

# Shares and probabilities are kept this far from 0, and probabilities from 1, before their logarithm is taken.
_LEAST = 0.02
_CONTRASTS = (0.01, 20.0)


@dataclass(frozen=True, eq=False)
class MaskJudge:
    """Expects an IoU of a mask by its `mask_traits`."""

    # (traits, units) and (units,), (units,) and a number, float64; traits are used as they are.
    hidden_tu: NDArray[np.float64]
    hidden_bias_u: NDArray[np.float64]
    out_u: NDArray[np.float64]
    out_bias: float

    def expected_iou(
        self, output: DecoderOutput, features: ImageFeatures, *, prompt: Prompt, view: Crop, frame_size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """(masks,) IoU in [0, 1] to expect of the masks of a single prompt.

        ``features``: of what was shown, ``view`` of a frame of ``frame_size``, (Y, X) pixels.
        """
        return self.expect(mask_traits(output, features, prompt=prompt, view=view, frame_size=frame_size))

    def expect(self, traits_mt: NDArray[np.float64]) -> NDArray[np.float64]:
        """(masks,) IoU to expect by traits."""
        units = np.tanh(traits_mt @ self.hidden_tu + self.hidden_bias_u)
        expected: NDArray[np.float64] = 1 / (1 + np.exp(-(units @ self.out_u + self.out_bias)))
        return expected


@cache
def load_judge() -> MaskJudge:
    """Read the judge that comes with the package; ``benchmarks/mask_judge.py fit`` makes it."""
    kept = json.loads(files(__package__).joinpath("mask_judge.json").read_text(encoding="utf-8"))
    hidden, bias, out = (np.array(kept[name], float) for name in ("hidden", "hidden_bias", "out"))
    return MaskJudge(hidden, bias, out, float(kept["out_bias"]))


def mask_traits(
    output: DecoderOutput, features: ImageFeatures, *, prompt: Prompt, view: Crop, frame_size: tuple[int, int]
) -> NDArray[np.float64]:
    """(masks, 13) numbers, none larger than some ten: what tells how well a mask fits."""
    logits_khw = output.masks_bkhw[0].float().cpu()
    ious = output.ious_bk[0].double().cpu().numpy().clip(_LEAST, 1 - _LEAST)
    shown = np.log2(max(view.size) / max(frame_size))
    columns = [np.log(ious / (1 - ious))]
    # How much of the mask depends on where its outline is drawn.
    columns += [np.log(firmness(logits_khw, level).double().numpy().clip(_LEAST)) for level in (2.5, 5.0)]
    # Its shape around the click; one row for each mask.
    shapes = [_around_click(logits, prompt, view, frame_size=frame_size) for logits in logits_khw.numpy()]
    columns += list(np.array(shapes).T)
    # Whether the image differs from it to what lies around it, how much of the frame was shown, and which mask it is.
    contrasts = _contrast(logits_khw > 0, features.s16_bchw[0].float().cpu()).double().numpy()
    columns.append(np.log(contrasts.clip(*_CONTRASTS)))
    columns += [np.full(len(ious), shown), *(np.arange(len(ious)) == k for k in range(3))]
    return np.stack(columns, axis=1).astype(np.float64)


def firmness(logits_khw: Tensor, level: float) -> Tensor:
    """(masks,) share of each mask that stays when its threshold is raised by ``level`` instead of lowered."""
    certain, likely = ((logits_khw > side).flatten(1).sum(dim=1).float() for side in (level, -level))
    return certain / likely.clamp(min=1)


def _contrast(masks_khw: Tensor, features_chw: Tensor) -> Tensor:
    """(masks,) how far apart image features are in a mask and around it, by their variance (Fisher's criterion)."""
    # Around it: a sixteenth of the side of what was shown; for masks of everything or nothing, all or nothing else.
    masks_1khw = masks_khw[None].float()
    reach = masks_khw.shape[-1] // 16
    around_1khw = max_pool2d(masks_1khw, 2 * reach + 1, stride=1, padding=reach) - masks_1khw
    around_1khw = torch.where(around_1khw.sum(dim=(-2, -1), keepdim=True) > 0, around_1khw, 1 - masks_1khw)
    # Share of each cell of the features that lies inside, or around.
    shares_skn = torch.cat(
        [interpolate(part, features_chw.shape[-2:], mode="area") for part in (masks_1khw, around_1khw)]
    )
    shares_skn = shares_skn.flatten(2) / shares_skn.flatten(2).sum(dim=-1, keepdim=True).clamp(min=1e-3)
    features_nc = features_chw.flatten(1).T
    means_skc = shares_skn @ features_nc
    variances_skc = (shares_skn @ features_nc**2 - means_skc**2).clamp(min=0)
    return ((means_skc[0] - means_skc[1]) ** 2 / (variances_skc.sum(dim=0) + 1e-3)).mean(dim=-1)


def middleness(mask: NDArray[np.bool_], prompt: Prompt, view: Crop) -> float:
    """How deep in a mask the innermost click on the object lies, as a share of the greatest depth there is."""
    return _depths(mask, prompt, view)[0]


def _depths(mask: NDArray[np.bool_], prompt: Prompt, view: Crop) -> tuple[float, int]:
    """Depth of the innermost click on the object, as a share of the greatest and in cells."""
    # Padded, so that the edge of the crop counts as the mask's rim.
    depth, inner = distance_transform_cdt(np.pad(mask, 1)), 0
    for (y, x), is_positive in clicked_cells(mask.shape, prompt, view):
        if is_positive and within(mask, (y, x)):
            # One cell off is fine: the pixel clicked on need not be the middle of its cell.
            inner = max(inner, int(depth[y : y + 3, x : x + 3].max()))
    return inner / max(int(depth.max()), 1), inner


def _around_click(
    logits: NDArray[np.float32], prompt: Prompt, view: Crop, *, frame_size: tuple[int, int]
) -> tuple[float, ...]:
    mask = logits > 0
    middle, inner = _depths(mask, prompt, view)
    cells = [
        cell for cell, is_positive in clicked_cells(mask.shape, prompt, view) if is_positive and within(mask, cell)
    ]
    sure = max([float(logits[cell]) for cell in cells], default=-10.0)
    # Near its middle? Cut off? How large, how deep where it was clicked on, and how sure is the model there? All of it
    # in shares, whatever the grid.
    area, deep = max(mask.mean(), 0.5 / mask.size), max(inner, 0.25) / len(mask)
    is_cut = float(cut_off(mask, view, frame_size))
    shares = (float(np.log2(area)), float(np.log2(deep)))
    return float(np.log(max(middle, _LEAST))), is_cut, *shares, max(min(sure, 10.0), -10.0) / 10
