"""The ground that objects lie on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, median_filter

# It is taken from so many rows and columns of blocks.
_BLOCKS = 6


def ground_of(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find what most of each part of a (Y, X) image shows: light falls off towards the corners."""
    n_rows, n_columns = (min(_BLOCKS, n) for n in image.shape)
    blocks = [np.array_split(row, n_columns, axis=1) for row in np.array_split(image, n_rows, axis=0)]
    medians = median_filter(np.array([[np.median(block) for block in row] for row in blocks]), 3)
    rows, columns = (
        np.linspace(-0.5, count - 0.5, 2 * n + 1)[1::2] for count, n in zip(medians.shape, image.shape, strict=True)
    )
    places = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(map_coordinates(medians, places, order=1, mode="nearest"), np.float32)


def spread_of(values: NDArray[np.floating]) -> float:
    """Robust deviation of values around zero, as of what is left of the ground."""
    return 1.4826 * float(np.median(np.abs(values)))
