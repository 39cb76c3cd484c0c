"""J and F as the DAVIS benchmark defines them (Perazzi et al. 2016), and the area under a ROC curve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata

# Of the frame's diagonal, as DAVIS has it.
BOUNDARY_TOLERANCE = 0.008

Mask = NDArray[np.bool_]


def region_similarity(mask: Mask, truth: Mask) -> float:
    """Intersection over union (J); 1 where both are empty."""
    either = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / either if either else 1.0


def contour(mask: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower right neighbour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, lower, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (mask ^ right) | (mask ^ lower) | (mask ^ diagonal)


def boundary_accuracy(mask: Mask, truth: Mask, *, tolerance: float = BOUNDARY_TOLERANCE) -> float:
    """Harmonic mean of the contours' precision and recall (F).

    ``tolerance``: distance at which contours still match, as a share of the frame's diagonal, rounded up to whole
    pixels; from 1 on, in pixels.
    """
    reach = tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*mask.shape))
    drawn, wanted = contour(mask), contour(truth)
    if not drawn.any() or not wanted.any():
        return float(not drawn.any() and not wanted.any())
    # A contour pixel is right where the other contour is near.
    precision = float(np.mean(distance_transform_edt(~wanted)[drawn] <= reach))
    recall = float(np.mean(distance_transform_edt(~drawn)[wanted] <= reach))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def roc_auc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Chance that a positive has a higher score than a negative, ties counting half; NaN without one of either."""
    positives, negatives = np.count_nonzero(positive), np.count_nonzero(~positive)
    if not positives or not negatives:
        return math.nan
    # The Mann-Whitney statistic: ranks of the positives, less those among themselves.
    above = rankdata(scores)[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
