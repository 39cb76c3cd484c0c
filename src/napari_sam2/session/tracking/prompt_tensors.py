"""Conversion of a user's prompts (masks, points, boxes) to the tensors that the model takes, within a crop."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT
from napari_sam2.session.zoom.crop import Crop

Mask = NDArray[np.bool_]


def mask_at_input(mask: Mask, size: int) -> Tensor:
    """Squeeze a user's mask into the model's input.

    ``mask``: (Y, X) bool. Returns (1, 1, size, size) float32 zeros and ones, empty only if the mask is: one thinner
    than an input pixel keeps the pixels that it covers most.
    """
    share = F.interpolate(
        torch.from_numpy(mask.astype(np.float32))[None, None], (size, size), mode="bilinear", antialias=True
    )
    # Half covered is inside; where no pixel is covered fully, the threshold is half of the best coverage there is.
    return ((share >= min(0.5, float(share.max()) / 2)) & (share > 0)).float()


def prompt_points(prompt: Prompt, view: Crop, input_size: int) -> tuple[Tensor, Tensor]:
    """Convert points and box corners to the model's input.

    Returns (1, points, 2) float32, (x, y) in input pixels, the box's corners first; and their (1, points) kinds.
    """
    # A box is two points with kinds of their own, as the prompt encoder was trained.
    rows: list[tuple[float, float, int]] = []
    if prompt.box is not None:
        y0, x0, y1, x1 = prompt.box
        rows += [(y0, x0, BOX_TOP_LEFT), (y1, x1, BOX_BOTTOM_RIGHT)]
    if prompt.points is not None and prompt.labels is not None:
        rows += [(float(y), float(x), int(k)) for (y, x), k in zip(prompt.points, prompt.labels, strict=True)]
    # From frame pixels, y first, to pixels of the crop's square input, x first.
    table = np.asarray(rows, np.float32)
    scale = np.asarray([input_size / view.width, input_size / view.height], np.float32)
    points = torch.from_numpy((table[:, 1::-1] - np.asarray([view.left, view.top], np.float32)) * scale)
    return points[None], torch.from_numpy(table[:, 2].astype(np.int64))[None]


def prompt_bounds(prompt: Prompt) -> tuple[float, float, float, float]:
    """Bounding box (y0, x0, y1, x1) of a prompt's mask, or of its box and points, in frame pixels."""
    # A mask is bounded by the outer edges of its pixels; points and boxes are positions already.
    if prompt.mask is not None:
        rows, columns = np.flatnonzero(prompt.mask.any(axis=1)), np.flatnonzero(prompt.mask.any(axis=0))
        return float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1)
    corners = [] if prompt.box is None else [prompt.box[:2], prompt.box[2:]]
    points = [] if prompt.points is None else list(prompt.points)
    table = np.asarray([*corners, *points], float)
    (y0, x0), (y1, x1) = table.min(axis=0), table.max(axis=0)
    return float(y0), float(x0), float(y1), float(x1)


def prompt_within_box(prompt: Prompt) -> bool:
    """Whether all positive clicks lie in the prompt's box; also true without a box or clicks."""
    if prompt.box is None or prompt.points is None or prompt.labels is None:
        return True
    y0, x0, y1, x1 = prompt.box
    clicks = prompt.points[prompt.labels == 1]
    return bool(((clicks >= (y0, x0)) & (clicks <= (y1, x1))).all())
