"""The expected overlap (J) of each mask with the true one, with an interval; calibrated on masks of known truth.

It follows from the sharpness of the outline alone. Object score, predicted IoU, size, motion and what came before were
tried with it: fitted to some sequences, they misled on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.scores import ScoreRow, ScoreTable

from .recalibration import QualityCalibration, judged_masks


@dataclass(frozen=True)
class ExpectedQuality:
    """What is expected of the masks of one object.

    Attributes
    ----------
    frames : ndarray
        (n,) indices of the frames, rising.
    mean : ndarray
        (n,) expected J, 0 to 1.
    low, high : ndarray
        (n,) ends of the interval that holds J in four of five cases.
    """

    frames: NDArray[np.intp]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def expected_quality(rows: Sequence[ScoreRow], calibration: QualityCalibration | None = None) -> ExpectedQuality:
    """Estimate how good the masks of one object are.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Of one object, by frame, rising.
    calibration : QualityCalibration, optional
        What a person has said of masks of the same session; the curves that come with the package where not given.

    Returns
    -------
    ExpectedQuality
        A value for each row; what a person has painted or accepted is right.
    """
    known = calibration or QualityCalibration()
    sharpness = np.array([np.nan if row.sharpness is None else row.sharpness for row in rows], float)
    right = [row.accepted or (row.made is not None and row.made.source == "painted") for row in rows]
    # Each model draws outlines in its own way.
    makers = [None if row.made is None else row.made.maker for row in rows]
    expected = np.zeros((3, len(rows)))
    for maker in set(makers):
        mine = np.array([one == maker for one in makers], bool)
        expected[:, mine] = known.curves(maker).expect(sharpness[mine])
    mean, low, high = np.where(np.array(right, bool), 1.0, expected)
    return ExpectedQuality(np.array([row.frame for row in rows], np.intp), mean, low, high)


def estimated(table: ScoreTable) -> ScoreTable:
    """The same table with an expected J in each row, as exports take it."""
    calibration = QualityCalibration(tuple(judged_masks(table.judged())))
    found = ScoreTable()
    for object_id in table.object_ids:
        rows = table.of_object(object_id)
        means = expected_quality(rows, calibration).mean.round(4).tolist()
        for row, mean in zip(rows, means, strict=True):
            found.put(replace(row, expected_j=mean))
    return found
