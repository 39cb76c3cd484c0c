"""Targets of the centre head, made of an image's labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_sam2.model.centre_head import STRIDE

# Objects thinner than this many pixels are neither asked for nor held against the head.
_THINNEST = 1.5
# Width of the bump around a centre: a share of the distance to the rim, and in cells at least.
_SPREAD, _LEAST_SPREAD = 0.35, 0.6


def centre_targets(labels: NDArray[np.uint8], *, complete: bool = True) -> Tensor:
    """Draw a bump on the innermost pixel of every object.

    ``labels``: (Y, X) ids; the sides are multiples of four.
    The three maps, (3, Y / 4, X / 4) float32: bumps of height 1; the base-2 logarithm of the distance to the rim, at
    the centres only; the weight of each cell, 0 or 1.
    """
    rows, columns = (length // STRIDE for length in labels.shape)
    heat: NDArray[np.float32] = np.zeros((rows, columns), np.float32)
    log_radius: NDArray[np.float32] = np.zeros_like(heat)
    # Where labels are incomplete, cells without one say nothing.
    seen = labels.reshape(rows, STRIDE, columns, STRIDE).swapaxes(1, 2).reshape(rows, columns, -1)
    judged = np.ones((rows, columns), bool) if complete else np.any(seen, axis=2)
    weight: NDArray[np.float32] = np.asarray(judged, np.float32)
    y_grid, x_grid = np.ogrid[:rows, :columns]
    # The innermost places come last, so that of two centres in one cell the larger object's counts.
    for radius, object_id, (row, column) in sorted(_centres(labels)):
        if radius < _THINNEST:
            weight[(seen == object_id).any(axis=2)] = 0
            continue
        # Bumps of neighbours meet by their maximum, so that each keeps a peak of 1.
        spread = max(_SPREAD * radius / STRIDE, _LEAST_SPREAD)
        bump = np.exp(-((y_grid - row) ** 2 + (x_grid - column) ** 2) / (2 * spread**2))
        heat[bump > heat] = bump[bump > heat]
        log_radius[row, column] = np.log2(radius)
        weight[row, column] = 1
    return torch.from_numpy(np.stack((heat, log_radius, weight)))


def _centres(labels: NDArray[np.uint8]) -> Iterator[tuple[float, int, tuple[int, int]]]:
    """Distance to the rim, id and cell of the innermost pixel of every object."""
    depth = _distance_to_rim(labels)
    for object_id, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        own = np.where(labels[box] == object_id, depth[box], 0)
        y, x = np.unravel_index(np.argmax(own), own.shape)
        yield float(own.max()), object_id, ((box[0].start + int(y)) // STRIDE, (box[1].start + int(x)) // STRIDE)


def _distance_to_rim(labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Distance of each pixel of an object to the next one that does not belong to it; the image's edge is a rim."""
    padded = np.pad(labels, 1)
    inside = labels > 0
    for rows, columns in ((slice(2, None), slice(1, -1)), (slice(1, -1), slice(2, None))):
        # One of two neighbours is enough to tell them apart, the other stays inside.
        inside &= (padded[rows, columns] == labels) | (padded[rows, columns] == 0)
    return np.asarray(ndimage.distance_transform_edt(np.pad(inside, 1)))[1:-1, 1:-1] * (labels > 0)
