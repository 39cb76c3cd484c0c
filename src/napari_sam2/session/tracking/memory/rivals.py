"""Measures of how the candidates that the mask decoder did not choose differ from the one it chose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.measure import label as connected_components

from napari_sam2.data.labels.scores import disc_diameter

from .observation import Rivals

_Mask = NDArray[np.bool_]


def measure_rivals(candidates_khw: _Mask, ious: Sequence[float], best: int) -> Rivals:
    """Compare the candidate chosen with the others; nothing differs where it is empty."""
    chosen = candidates_khw[best]
    if not chosen.any():
        return Rivals()
    others = [k for k in range(len(candidates_khw)) if k != best]
    # What another candidate has beside the chosen one, if it is more than an edge, is something like the object.
    parts = [part for k in others if (part := _largest_part(candidates_khw[k] & ~chosen)) is not None]
    second = max((ious[k] for k in others), default=0.0)
    diameter = disc_diameter(int(np.count_nonzero(chosen)))
    return Rivals(
        box_iou=min((_box_area(chosen) / _box_area(chosen | part) for part in parts), default=1.0),
        distance=max((_hausdorff(chosen, part) / diameter for part in parts), default=0.0),
        lead=ious[best] / second if second > 0 else math.inf,
    )


def _largest_part(mask: _Mask) -> _Mask | None:
    if not mask.any():
        return None
    parts = connected_components(mask, connectivity=2)
    areas = np.bincount(parts.ravel())
    # Part 0 is the background.
    areas[0] = 0
    part: _Mask = parts == areas.argmax()
    return part


def _box_area(mask: _Mask) -> int:
    # One box lies inside the other, so the ratio of their areas is their IoU.
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1))


def _hausdorff(one: _Mask, other: _Mask) -> float:
    return float(max(distance_transform_edt(~one)[other].max(), distance_transform_edt(~other)[one].max()))
