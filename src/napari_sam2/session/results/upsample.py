"""Mask logits at the frame's size, or at a part of it only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def upsample_logits(
    low_res_hw: Tensor, size: tuple[int, int], part: tuple[slice, slice] | None = None
) -> NDArray[np.float32]:
    """Resize the mask logits of one object bilinearly, as ``resize_logits`` does.

    ``size``: (Y, X) of the whole. ``part``: its rows and columns to make, the same to the bit as cut out of the whole;
    ``None`` for all. Result: (y, x) float32.
    """
    logits: NDArray[np.float32] = low_res_hw.float().cpu().numpy()
    rows, columns = part or (slice(0, size[0]), slice(0, size[1]))
    return _interpolate(_interpolate(logits, size[1], columns, axis=1), size[0], rows, axis=0)


def _interpolate(cells: NDArray[np.float32], pixels: int, part: slice, axis: int) -> NDArray[np.float32]:
    # The centre of each pixel among the centres of cells; rounded once, like torch does, so that masks agree.
    scale = np.float64(np.float32(cells.shape[axis]) / np.float32(pixels))
    places = np.maximum(scale * (np.arange(part.start, part.stop) + 0.5) - 0.5, 0).astype(np.float32)
    first = np.minimum(places.astype(np.intp), cells.shape[axis] - 1)
    weights = np.expand_dims(places - first.astype(np.float32), 1 - axis)
    # Weigh the cells on both sides; in place, as a whole frame is large.
    mixed: NDArray[np.float32] = np.take(cells, first, axis)
    mixed *= 1 - weights
    after = np.take(cells, np.minimum(first + 1, cells.shape[axis] - 1), axis)
    after *= weights
    mixed += after
    return mixed
