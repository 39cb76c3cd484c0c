"""The expected overlap (J) of each mask with the true one, with an interval; calibrated on masks of known truth.

It follows from the sharpness of the outline alone. Object score, predicted IoU, size, motion and what came before were
tried with it: fitted to some sequences, they misled on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.provenance import ANSWERS, Provenance
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable

from .quality_curves import load_curves
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
    empty : ndarray, optional
        (n,) where the object has no mask; nowhere by default.
    in_slices : bool
        Whether frames are slices, in which an object ends.
    """

    frames: NDArray[np.intp]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    empty: NDArray[np.bool_] | None = None
    in_slices: bool = False


def expected_quality(
    rows: Sequence[ScoreRow], calibration: QualityCalibration | None = None, *, in_slices: bool = False
) -> ExpectedQuality:
    """Estimate how good the masks of one object are.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Of one object, by frame, rising.
    calibration : QualityCalibration, optional
        What a person has said of masks of the same session; the curves that come with the package where not given.
    in_slices : bool
        Whether frames are slices.

    Returns
    -------
    ExpectedQuality
        A value for each row; what a person has painted or accepted is right.
    """
    known = calibration or QualityCalibration()
    sharpness = np.array([np.nan if row.sharpness is None else row.sharpness for row in rows], float)
    made = [row.made or Provenance("unknown") for row in rows]
    right = [row.accepted or one.source == "painted" for row, one in zip(rows, made, strict=True)]
    # Each model draws outlines in its own way, and softer ones of what was prompted than of what it tracks.
    kinds = [(one.maker, one.source in ANSWERS) for one in made]
    expected = np.zeros((3, len(rows)))
    for maker, is_answer in set(kinds):
        mine = np.array([kind == (maker, is_answer) for kind in kinds], bool)
        curves = load_curves(answers=True) if is_answer else known.curves(maker)
        expected[:, mine] = curves.expect(sharpness[mine])
    mean, low, high = np.where(np.array(right, bool), 1.0, expected)
    frames, empty = np.array([row.frame for row in rows], np.intp), np.array([row.area == 0 for row in rows], bool)
    return ExpectedQuality(frames, mean, low, high, empty, in_slices)


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
