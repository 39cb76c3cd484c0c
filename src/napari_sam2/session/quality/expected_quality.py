"""The expected overlap (J) of each mask with the true one, with an interval; calibrated on masks of known truth."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_sam2.data.labels.scores import ScoreRow

from .signs import SIGNS, signs_of


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


# (signs, units), (units,), (units,) and one number.
Network = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]


@dataclass(frozen=True, eq=False)
class QualityModel:
    """Small networks from signs to J, averaged, and how far J spreads around what they say."""

    # (signs,) to standardise them with.
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    networks: Sequence[Network]
    # (k,) levels of the estimate, rising, and the ends of the interval at each.
    levels: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]

    def mean(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) expected J of (n, signs)."""
        standard = np.clip((signs - self.centre) / self.spread, -4, 4)
        answers = [expit(np.tanh(standard @ w + b) @ v + c) for w, b, v, c in self.networks]
        mean: NDArray[np.float64] = np.mean(answers, axis=0)
        return mean

    def interval(self, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n,) lower and (n,) upper ends."""
        return np.interp(mean, self.levels, self.lows), np.interp(mean, self.levels, self.highs)


def network_of(kept: Sequence[Any]) -> Network:
    """Make a network of what is kept of it in JSON."""
    weights, biases, out, offset = kept
    return np.array(weights), np.array(biases), np.array(out), float(offset)


@cache
def load_quality_model() -> QualityModel:
    """Read the networks that come with the package; ``benchmarks/quality.py fit`` makes them."""
    kept = json.loads(files(__package__).joinpath("quality_model.json").read_text(encoding="utf-8"))
    if tuple(kept["signs"]) != SIGNS:
        raise ValueError(f"quality_model.json was fitted to {kept['signs']}, not to {list(SIGNS)}: fit it anew")
    networks = [network_of(network) for network in kept["networks"]]
    arrays = (np.array(kept[name]) for name in ("centre", "spread", "levels", "lows", "highs"))
    centre, spread, levels, lows, highs = arrays
    return QualityModel(centre, spread, networks, levels, lows, highs)


def expected_quality(rows: Sequence[ScoreRow], prompted: Collection[int], *, size: tuple[int, int]) -> ExpectedQuality:
    """Estimate how good the masks of one object are.

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
    ExpectedQuality
        A value for each row; what a person has accepted is right.
    """
    frames = np.array([row.frame for row in rows], np.intp)
    if not len(rows):
        return ExpectedQuality(frames, *(np.zeros(0) for _ in range(3)))
    model = load_quality_model()
    mean = model.mean(signs_of(rows, prompted, size=size))
    low, high = model.interval(mean)
    accepted = np.array([row.accepted for row in rows])
    return ExpectedQuality(frames, *(np.where(accepted, 1.0, values) for values in (mean, low, high)))
