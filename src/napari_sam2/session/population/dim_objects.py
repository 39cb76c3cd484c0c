"""Contrast that shows dim objects beside bright ones, as finding them needs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from napari_sam2.data.images.pixels.contrast import Window

# Nuclei of one culture differ in brightness by a factor of thirty and more. Values are compressed until the ground is
# shown at a third of full brightness, where the model sees steps in brightness as well as anywhere.
_GROUND = 1 / 3
# Compressing beyond this shows noise rather than objects.
_STRONGEST = 30.0


def show_dim(frame: NDArray[Any], window: Window | None) -> NDArray[np.uint8]:
    """Turn a frame into (Y, X, 3) uint8 for the model, with dim objects lifted where the ground is dark."""
    values = _relative(frame, window)
    strength = _strength(float(np.median(values)))
    if strength > 0:
        values = np.log1p(strength * values) / math.log1p(strength)
    image = np.rint(255 * values).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image


def _relative(frame: NDArray[Any], window: Window | None) -> NDArray[np.float32]:
    low, high = (0.0, 255.0) if window is None else (window.low, window.high)
    values = (frame.astype(np.float64) - low) / (high - low)
    return np.clip(values, 0, 1).astype(np.float32)


def _strength(ground: float) -> float:
    """Factor k of ``log(1 + k x)`` that shows a ground of this brightness as wanted; 0 changes nothing."""

    def missing(strength: float) -> float:
        return math.log1p(strength * ground) / math.log1p(strength) - _GROUND

    if ground >= _GROUND:
        return 0.0
    return _STRONGEST if missing(_STRONGEST) < 0 else float(brentq(missing, 1e-6, _STRONGEST))
