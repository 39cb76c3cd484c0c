"""Signs of a good or a bad mask, from the scores and measures of an object on its frames."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.scores import ScoreRow

SIGNS = (
    "score",
    "iou",
    "lowest_score",
    "lowest_iou",
    "iou_change",
    "area_change",
    "growth",
    "motion",
    "shape_change",
    "way",
    "border",
    "hidden",
)
# Scores are kept apart where they are almost sure.
_SURE = 1e-3


def signs_of(rows: Sequence[ScoreRow], prompted: Collection[int], *, size: tuple[int, int]) -> NDArray[np.float64]:
    """Describe each row of one object.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Of one object, by frame, rising.
    prompted : collection of int
        Frames with a prompt for it.
    size : tuple of int
        (Y, X) of the frames in pixels.

    Returns
    -------
    ndarray
        (rows, signs) float64, columns as in `SIGNS`.
    """
    frames = np.array([row.frame for row in rows])
    anchors = np.flatnonzero(np.isin(frames, list(prompted)))
    if not len(anchors):
        anchors = np.array([0])
    # What came before a frame on the way from its prompt: the neighbour on that side.
    nearest = anchors[np.argmin(np.abs(frames[:, None] - frames[anchors]), axis=1)]
    index = np.arange(len(rows))
    before = index - np.sign(index - nearest)
    score = np.clip([row.object_score for row in rows], _SURE, 1 - _SURE)
    iou = np.array([row.predicted_iou for row in rows])
    area = np.array([row.area for row in rows], float)
    boxes = np.array([row.bbox or (0, 0, 0, 0) for row in rows], float)
    centres = np.array([row.centroid or (np.nan, np.nan) for row in rows], float)
    seen = area > 0
    diameter = np.sqrt(np.maximum(area, 1) * 4 / np.pi)
    fill = np.log(np.maximum(area, 1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1))
    logit = np.log(score / (1 - score))
    way = np.hypot(*(centres - centres[before]).T) / diameter
    at_border = seen & ((boxes[:, :2] <= 0).any(1) | (boxes[:, 2:] >= size).any(1))
    columns = [
        logit,
        iou,
        _lowest_since(logit, nearest),
        _lowest_since(iou, nearest),
        iou - iou[nearest],
        np.abs(_log_ratio(area, area[nearest])),
        np.abs(_log_ratio(area, area[before])),
        np.minimum(np.nan_to_num(way, nan=0.0), 5.0),
        np.abs(fill - fill[nearest]),
        np.log1p(np.abs(frames - frames[nearest])),
        at_border.astype(float),
        (~seen).astype(float),
    ]
    return np.stack(columns, axis=1)


def _lowest_since(values: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """The lowest value between each place and its start: a track that was lost once is seldom right after."""
    lowest = values.copy()
    for i in np.argsort(np.abs(np.arange(len(values)) - starts)):
        if i != starts[i]:
            lowest[i] = min(values[i], lowest[i - np.sign(i - starts[i])])
    return lowest


def _log_ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.clip(np.log(np.maximum(one, 1) / np.maximum(other, 1)), -3, 3)
    return ratio
