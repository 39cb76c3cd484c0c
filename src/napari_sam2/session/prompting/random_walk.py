"""Clicks spread over a mask along the edges of the picture: a random walk with the model's answer as its prior.

A cell becomes as likely to be of the object as a walker from there is to end on it. Walkers seldom cross edges of the
picture, end where they meet a click, and may end anywhere else as the model has it, the sooner the surer it is
(L. Grady, Multilabel random walker image segmentation using prior models, CVPR 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import cg
from scipy.special import expit, logit

from .click_constraints import Cell, within

# How much less likely a step is across an edge as strong as the mean of the picture, as a power of e.
_CONTRAST = 1.0
# How readily a walker ends where the model is sure, and on a click; a step over even ground counts 1.
_TRUST, _CLICKED = 0.2, 1e3
# No step, and no end, is impossible.
_LEAST_STEP, _LEAST_TRUST = 1e-4, 1e-6
# Where likelihoods end.
_EPSILON = 1e-4


def spread_clicks(
    logits: NDArray[np.float32], picture: NDArray[np.uint8], clicks: Sequence[tuple[Cell, bool]], *, around: int = 1
) -> NDArray[np.float32]:
    """Draw a mask anew between clicks, along the picture.

    ``logits``: (h, w) of the mask.
    ``picture``: (h, w, 3), what its cells show.
    ``clicks``: cells, and whether they lie on the object; those beyond the grid do not count.
    ``around``: each counts for cells so far around it, too.
    Returns (h, w) logits that follow every click.
    """
    likely = expit(logits.astype(np.float64))
    # Where walkers end, and as what: as the model has it, or as clicked. Clicked cells come after those around others.
    ends, as_what = _TRUST * np.abs(2 * likely - 1) + _LEAST_TRUST, likely.copy()
    known = [(cell, positive) for cell, positive in clicks if within(logits, cell)]
    for reach in (around, 0):
        for (y, x), positive in known:
            near = np.s_[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            ends[near], as_what[near] = _CLICKED, float(positive)
    # The likelihoods that agree with those of the neighbours solve a linear system.
    steps = _steps(picture)
    total = np.asarray(steps.sum(axis=1)) + ends.ravel()
    found, _ = cg(
        diags_array(total) - steps, (ends * as_what).ravel(), x0=likely.ravel(), rtol=1e-6, M=diags_array(1 / total)
    )
    return np.asarray(logit(found.clip(_EPSILON, 1 - _EPSILON)), np.float32).reshape(logits.shape)


def _steps(picture: NDArray[np.uint8]) -> csr_array:
    """(cells, cells), how readily a walker goes from one to the other."""
    first, second, distances = _neighbours(*picture.shape[:2])
    colours = picture.reshape(-1, 3).astype(np.float64)
    edges = ((colours[first] - colours[second]) ** 2).sum(axis=1)
    readily = (np.exp(-_CONTRAST * edges / max(edges.mean(), _EPSILON)) + _LEAST_STEP) / distances
    ways = np.concatenate([first, second]), np.concatenate([second, first])
    return coo_array((np.tile(readily, 2), ways), shape=(len(colours),) * 2).tocsr()


@lru_cache(maxsize=4)
def _neighbours(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Every pair of cells that touch, corners included, by number, and how far apart they are."""
    cells = np.arange(height * width).reshape(height, width)
    pairs = [
        (cells[:, :-1], cells[:, 1:]),
        (cells[:-1], cells[1:]),
        (cells[:-1, :-1], cells[1:, 1:]),
        (cells[1:, :-1], cells[:-1, 1:]),
    ]
    first, second = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    straight = height * (width - 1) + (height - 1) * width
    return first, second, np.where(np.arange(first.size) < straight, 1.0, 2**0.5)
