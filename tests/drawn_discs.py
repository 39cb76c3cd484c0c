"""Drawn discs, and candidates that are discs."""

from __future__ import annotations

import numpy as np

from napari_sam2.session.population.proposals.candidates import Candidate

SIZE = (120, 160)


def disc(y: float, x: float, radius: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.hypot(rows - y, columns - x) <= radius


def candidate(y: float, x: float, radius: float, weight: float = 1.0) -> Candidate:
    mask = disc(y, x, radius)
    rows, columns = (slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(mask))
    return Candidate((rows, columns), mask[rows, columns], weight)


def picture(*discs: tuple[float, float, float, int], size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """(Y, X) uint8: discs of (y, x, radius, brightness) on a dark, noisy ground."""
    image = np.random.default_rng(seed).normal(20, 2, size)
    for y, x, radius, brightness in discs:
        image[disc(y, x, radius, size)] += brightness
    return np.clip(image, 0, 255).astype(np.uint8)
