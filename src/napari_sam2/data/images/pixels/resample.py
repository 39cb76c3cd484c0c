"""Labels on another grid, by the nearest pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sampled_plane(labels: Any, matrix: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[Any]:
    """Read labels at the pixels of a plane that lies anywhere in them.

    Parameters
    ----------
    labels : array-like
        Of D axes, also lazy: only the box around the plane is read.
    matrix : ndarray
        (D, 3) from (y, x, 1) on the plane to indices of the labels.
    shape : tuple of int
        (Y, X) of the plane.

    Returns
    -------
    ndarray
        (Y, X) labels of the nearest pixels, 0 beyond the labels.
    """
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])
    inside = np.ones(shape, bool)
    indices = []
    for (down, right, origin), size in zip(matrix, labels.shape, strict=True):
        # Rounded before it is cut, so that a place on the border between pixels does not hang on the last digit.
        at = np.floor(np.round(down * y + right * x + origin, 6) + 0.5)
        inside &= (at >= 0) & (at < size)
        indices.append(at)
    plane = np.zeros(shape, labels.dtype)
    if not inside.any():
        return plane
    chosen = [at[inside].astype(np.intp) for at in indices]
    first = [int(at.min()) for at in chosen]
    box = np.asarray(labels[tuple(slice(low, int(at.max()) + 1) for low, at in zip(first, chosen, strict=True))])
    plane[inside] = box[tuple(at - low for low, at in zip(first, chosen, strict=True))]
    return plane
