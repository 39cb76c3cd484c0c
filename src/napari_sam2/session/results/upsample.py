"""Mask logits at the frame's size, or at a part of it only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.model.mask_decoder import resize_logits

# Up to so many pixels, making all of them takes about a millisecond.
FEW_PIXELS = 512**2


def upsample_logits(
    low_res_hw: Tensor, size: tuple[int, int], part: tuple[slice, slice] | None = None
) -> NDArray[np.float32]:
    """Resize the mask logits of one object.

    ``size``: (Y, X) of the whole. ``part``: the rows and columns wanted; ``None`` for all. Result: (y, x) float32.
    """
    if part is None or size[0] * size[1] <= FEW_PIXELS:
        # One object at a time, and on the CPU: how many go together, and where, can change the last bit.
        logits: NDArray[np.float32] = resize_logits(low_res_hw[None, None].cpu(), size)[0, 0].numpy()
        return logits if part is None else logits[part]
    rows, columns = part
    return _interpolate(_interpolate(low_res_hw.float().cpu().numpy(), size[1], columns, axis=1), size[0], rows, axis=0)


def _interpolate(cells: NDArray[np.float32], pixels: int, part: slice, axis: int) -> NDArray[np.float32]:
    # The centre of each pixel among the centres of cells. Rounded where torch rounds, so that a part is what would be
    # cut out of the whole: float64 holds the products of float32 exactly.
    scale = np.float64(np.float32(cells.shape[axis]) / np.float32(pixels))
    places = np.maximum(scale * (np.arange(part.start, part.stop) + 0.5) - 0.5, 0).astype(np.float32)
    first = np.minimum(places.astype(np.intp), cells.shape[axis] - 1)
    weights = np.expand_dims(places - first.astype(np.float32), 1 - axis)
    before, after = np.take(cells, first, axis), np.take(cells, np.minimum(first + 1, cells.shape[axis] - 1), axis)
    mixed: NDArray[np.float32] = (before.astype(np.float64) * (1 - weights) + after * weights).astype(np.float32)
    return mixed
