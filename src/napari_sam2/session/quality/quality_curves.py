"""The curves from the sharpness of an outline to the expected overlap (J) of its mask with the true one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


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
def load_curves(*, answers: bool = False) -> QualityCurves:
    """Read the curves that come with the package; ``benchmarks/quality.py fit`` makes them.

    ``answers``: for the model's answers to clicks and boxes rather than for what it has tracked.
    """
    kept = json.loads(files(__package__).joinpath("calibration.json").read_text(encoding="utf-8"))
    kept = kept["answers" if answers else "tracked"]
    curves = (np.array(kept[name], float) for name in ("sharpness", "mean", "low", "high"))
    sharpness, mean, low, high = curves
    return QualityCurves(sharpness, mean, low, high, unknown=tuple(kept["unknown"]))
