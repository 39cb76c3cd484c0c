"""A stack of moving discs, of any length: frames are made when they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Frames that the discs take to come back to where they were.
PERIOD = 60


class MovingDiscs:
    """Discs that go in circles over a noisy ground, indexed like a (T, Y, X) array."""

    def __init__(self, num_frames: int, side: int, num_discs: int) -> None:
        self.shape = (num_frames, side, side)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3
        angles = 2 * np.pi * np.arange(num_discs) / num_discs
        self._home = side * (0.5 + 0.36 * np.stack([np.sin(angles), np.cos(angles)], axis=1))
        self._radius = side / 20

    def centres(self, frame: int) -> NDArray[np.float64]:
        """Where the discs are on a frame: (N, 2), rows (y, x) in pixels."""
        turn = 2 * np.pi * frame / PERIOD
        drawn: NDArray[np.float64] = self._home + self._radius * np.array([np.sin(turn), np.cos(turn)])
        return drawn

    def masks(self, frame: int) -> list[NDArray[np.bool_]]:
        """One (Y, X) bool mask for each disc."""
        y, x = np.ogrid[: self.shape[1], : self.shape[2]]
        return [(y - row) ** 2 + (x - column) ** 2 < self._radius**2 for row, column in self.centres(frame)]

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        frame, *area = index if isinstance(index, tuple) else (index,)
        image = np.random.default_rng(frame).integers(20, 60, self.shape[1:], dtype=np.uint8)
        for mask in self.masks(frame):
            image[mask] += 120
        seen: NDArray[np.uint8] = image[tuple(area)]
        return seen
