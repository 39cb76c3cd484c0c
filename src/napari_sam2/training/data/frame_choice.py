"""Which frames of a stack make a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def choose_frames(rng: np.random.Generator, available: int, wanted: int) -> NDArray[np.int64]:
    """Choose evenly spaced frames, forward or backward; a short clip is played to and fro."""
    if wanted == 1:
        return rng.integers(0, available, 1)
    longest = max((available - 1) // (wanted - 1), 1)
    # Small steps are what most stacks have; large ones are a low frame rate.
    stride = int(rng.integers(1, longest + 1))
    if rng.random() < 0.5:
        stride = min(stride, int(rng.integers(1, longest + 1)))
    span = stride * (wanted - 1)
    start = int(rng.integers(0, max(available - span, 1)))
    order = start + stride * np.arange(wanted)
    # Beyond the ends the clip is reflected.
    period = max(2 * (available - 1), 1)
    order = np.abs((order + available - 1) % period - (available - 1)) if available > 1 else np.zeros(wanted, np.int64)
    return order[::-1].copy() if rng.random() < 0.5 else order
