"""The expected overlap (J) of each mask with the true one, with an interval; calibrated on masks of known truth.

It follows from the sharpness of the outline alone. Object score, predicted IoU, size, motion and what came before were
tried with it: fitted to some sequences, they misled on others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.scores import ScoreRow, ScoreTable


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


@dataclass(frozen=True, eq=False)
class QualityCurves:
    """What J was at some levels of sharpness, all rising."""

    sharpness: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    # Mean, low and high where the sharpness is not known.
    unknown: tuple[float, float, float]

    def expect(self, sharpness: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3, n) mean, low and high of (n,) values, NaN where one is not known."""
        curves = [np.interp(sharpness, self.sharpness, values) for values in (self.mean, self.low, self.high)]
        expected: NDArray[np.float64] = np.where(np.isnan(sharpness), np.array(self.unknown)[:, None], curves)
        return expected


@cache
def load_curves() -> QualityCurves:
    """Read the curves that come with the package; ``benchmarks/quality.py fit`` makes them."""
    kept = json.loads(files(__package__).joinpath("calibration.json").read_text(encoding="utf-8"))
    curves = (np.array(kept[name], float) for name in ("sharpness", "mean", "low", "high"))
    sharpness, mean, low, high = curves
    return QualityCurves(sharpness, mean, low, high, unknown=tuple(kept["unknown"]))


def expected_quality(rows: Sequence[ScoreRow]) -> ExpectedQuality:
    """Estimate how good the masks of one object are.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Of one object, by frame, rising.

    Returns
    -------
    ExpectedQuality
        A value for each row; what a person has accepted is right.
    """
    sharpness = np.array([np.nan if row.sharpness is None else row.sharpness for row in rows], float)
    accepted = np.array([row.accepted for row in rows], bool)
    mean, low, high = np.where(accepted, 1.0, load_curves().expect(sharpness))
    return ExpectedQuality(np.array([row.frame for row in rows], np.intp), mean, low, high)


def estimated(table: Iterable[ScoreRow]) -> ScoreTable:
    """The same table with an expected J in each row, as exports take it."""
    rows: dict[int, list[ScoreRow]] = {}
    for row in table:
        rows.setdefault(row.object_id, []).append(row)
    means = {object_id: expected_quality(own).mean.round(4).tolist() for object_id, own in rows.items()}
    return ScoreTable(
        replace(row, expected_j=mean)
        for object_id, own in rows.items()
        for row, mean in zip(own, means[object_id], strict=True)
    )


def expected_qualities(table: Iterable[ScoreRow], object_ids: Collection[int]) -> dict[int, ExpectedQuality]:
    """Estimate how good the masks of several objects are, by their ids."""
    # In one pass over the table: it has a row for each object and frame.
    rows: dict[int, list[ScoreRow]] = {object_id: [] for object_id in object_ids}
    for row in table:
        if row.object_id in rows:
            rows[row.object_id].append(row)
    return {object_id: expected_quality(own) for object_id, own in rows.items()}
