"""The curves of quality fitted to what a person has said of a session's own masks.

A frame that was accepted as it was tracked has J = 1; one that was corrected, then accepted or painted, has the
overlap of what was tracked with what is there now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from napari_sam2.data.labels.provenance import UNSEEN, Maker
from napari_sam2.data.labels.scores import ScoreRow

from .quality_curves import QualityCurves, load_curves

# As many judged frames say as much as the curves that come with the package. Sequences lie off those by about 0.1 and
# their masks scatter by about 0.2 around that, so that four frames that have nothing to do with each other would do;
# neighbours are much alike, and five of them count as one.
_PRIOR = 20.0
# One end of the interval leaves out one of ten masks. With fewer than nine judged ones there is no value of which that
# is known: (n + 1) * 0.9 is at most n. Up to then the interval only becomes wider, where the mean moves.
_OUTSIDE = 0.1
_ENOUGH = 9
# Parts that are left out in turn to see how far off the curves are.
_FOLDS = 5


@dataclass(frozen=True)
class JudgedMask:
    """A mask of a model of which a person has said what is right."""

    maker: Maker | None
    sharpness: float
    overlap: float


def judged_masks(rows: Iterable[ScoreRow]) -> Iterator[JudgedMask]:
    """Find what a person has said of the masks that a model had tracked."""
    for row in rows:
        if row.made is None:
            continue
        if row.replaced is not None and (row.accepted or row.made.source == "painted"):
            if row.replaced.sharpness is not None:
                yield JudgedMask(row.replaced.maker, row.replaced.sharpness, row.replaced.overlap)
        elif row.accepted and row.made.source in UNSEEN and row.sharpness is not None:
            yield JudgedMask(row.made.maker, row.sharpness, 1.0)


@dataclass(frozen=True)
class QualityCalibration:
    """The curves of each model: those that come with the package, fitted to what a person has said of its masks."""

    judged: tuple[JudgedMask, ...] = ()

    def curves(self, maker: Maker | None) -> QualityCurves:
        """Return those of a model."""
        return self._fitted.get(maker, load_curves())

    @cached_property
    def _fitted(self) -> dict[Maker | None, QualityCurves]:
        makers = dict.fromkeys(one.maker for one in self.judged)
        return {maker: refitted(load_curves(), [one for one in self.judged if one.maker == maker]) for maker in makers}


def refitted(curves: QualityCurves, judged: list[JudgedMask]) -> QualityCurves:
    """Fit curves to judged masks; the fewer there are, the more the curves stay as they are."""
    sharpness = np.array([one.sharpness for one in judged])
    overlap = np.array([one.overlap for one in judged])
    fitted = _moved(curves, sharpness, overlap)
    if len(judged) < _ENOUGH:
        return replace(fitted, low=np.minimum(fitted.low, curves.low), high=np.maximum(fitted.high, curves.high))
    # How far masks lie below and above the interval of curves that were fitted without them.
    below, above = np.empty(len(judged)), np.empty(len(judged))
    for part in np.array_split(np.arange(len(judged)), _FOLDS):
        rest = np.delete(np.arange(len(judged)), part)
        _, low, high = _moved(curves, sharpness[rest], overlap[rest]).expect(sharpness[part])
        below[part], above[part] = low - overlap[part], overlap[part] - high
    down, up = _conformal(below), _conformal(above)
    return replace(
        fitted,
        low=np.clip(np.minimum(fitted.low - down, fitted.mean), 0, 1),
        high=np.clip(np.maximum(fitted.high + up, fitted.mean), 0, 1),
    )


def _moved(curves: QualityCurves, sharpness: NDArray[np.float64], overlap: NDArray[np.float64]) -> QualityCurves:
    """Move curves as a whole, then bend them where masks lie, without ever falling."""
    mean = curves.expect(sharpness)[0]
    shift = float(np.sum(overlap - mean)) / (len(overlap) + _PRIOR)
    # The moved curve counts as so many masks at its levels, beside those that were judged.
    at = np.concatenate((curves.sharpness, sharpness))
    values = np.concatenate((np.clip(curves.mean + shift, 0, 1), overlap))
    weights = np.concatenate((np.full(len(curves.sharpness), _PRIOR / len(curves.sharpness)), np.ones(len(overlap))))
    order = np.argsort(at, kind="stable")
    bent = np.interp(curves.sharpness, at[order], isotonic_regression(values[order], weights=weights[order]).x)
    moved = bent - curves.mean
    unknown = np.clip(np.array(curves.unknown) + shift, 0, 1).tolist()
    return QualityCurves(
        curves.sharpness,
        bent,
        low=np.maximum.accumulate(np.clip(curves.low + moved, 0, 1)),
        high=np.maximum.accumulate(np.clip(curves.high + moved, 0, 1)),
        unknown=(unknown[0], unknown[1], unknown[2]),
    )


def _conformal(excess: NDArray[np.float64]) -> float:
    """By how much to move an end of the interval, outwards above 0, so that it leaves out one mask of ten."""
    n = len(excess)
    rank = min(ceil((n + 1) * (1 - _OUTSIDE)), n)
    found = float(np.sort(excess)[rank - 1])
    # Wider at once, narrower only as far as the masks outweigh the curves.
    return found if found > 0 else found * n / (n + _PRIOR)
