"""Shapes as napari keeps them, as boxes, masks and points; pixel centres lie on whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A scribble says as much with a few clicks as with hundreds, and the model was trained on a few.
_SCRIBBLE_POINTS = 6
_ELLIPSE_CORNERS = 72


def box_around(corners: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Box around a rectangle's corners, (N, 2) rows (y, x), whose pixel centres lie on whole numbers."""
    (y0, x0), (y1, x1) = corners.min(axis=0) + 0.5, corners.max(axis=0) + 0.5
    return float(y0), float(x0), float(y1), float(x1)


def points_along(corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Spread a few points evenly along a line of (N, 2) corners, its ends a little cut."""
    steps = np.hypot(*np.diff(corners, axis=0).T)
    travelled = np.concatenate(([0.0], np.cumsum(steps)))
    wanted = (np.arange(_SCRIBBLE_POINTS) + 0.5) / _SCRIBBLE_POINTS * travelled[-1]
    return np.column_stack([np.interp(wanted, travelled, corners[:, i]) for i in (0, 1)])


def fill_outline(kind: str, corners: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    """Set the pixels of a (Y, X) mask inside an outline; an ellipse is given by the corners of the box around it."""
    if kind == "ellipse":
        # Works for turned ellipses too: half the sides are the axes.
        centre = corners.mean(axis=0)
        down, right = (corners[3] - corners[0]) / 2, (corners[1] - corners[0]) / 2
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
        corners = centre + np.sin(angle) * down + np.cos(angle) * right
    rows, columns = corners.T
    mask[polygon(rows, columns, mask.shape)] = True
