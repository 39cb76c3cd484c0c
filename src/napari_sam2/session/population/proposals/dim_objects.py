"""Contrast that shows dim objects beside bright ones, as finding them needs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq

from napari_sam2.data.images.pixels.contrast import Window

from .ground import ground_of, spread_of

# Nuclei of one culture differ in brightness by a factor of thirty and more. Values are compressed until the ground is
# shown at a third of full brightness, where the model sees steps in brightness as well as anywhere.
_GROUND = 1 / 3
# Compressing beyond this shows noise rather than objects.
_STRONGEST = 30.0
# Where everything that stands out is bright, brightness is shown in units of so many deviations of the noise: in
# proportion near the ground, which is shown this bright, and compressed above it.
_UNIT, _DARKEST = 3.0, 0.25
# What stands out of the noise by so many deviations, once smoothed by so many pixels, says how bright objects are; they
# are bright if there are fewer dark pixels than this share of the bright ones. Full brightness is this percentile.
_DEVIATIONS, _FIRST_LOOK, _DARK, _BRIGHTEST = 5.0, 2.0, 0.1, 99.9
# A ground that varies by so many times what noise of single pixels leaves has haze, which must not be lifted.
_HAZY = 1.45
# Objects as bright as the noise are smoothed by so many pixels, brighter ones by less; none is by more than so many.
_SMOOTHING, _MOST_SMOOTHING = 6.0, 3.0


def show_dim(frame: NDArray[Any], window: Window | None) -> NDArray[np.uint8]:
    """Turn a frame into (Y, X, 3) uint8 for the model, with dim objects lifted where the ground is dark."""
    values = _relative(frame, window)
    strength = _strength(float(np.median(values)))
    if strength > 0:
        above = _above_noise(frame.astype(np.float32)) if frame.ndim == 2 else None
        values = np.log1p(strength * values) / math.log1p(strength) if above is None else above
    image = np.rint(255 * values).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image


def _above_noise(frame: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Show a (Y, X) frame in units of its noise, smoothed as far as its objects need it.

    A dim nucleus with bright spots is one object then. ``None`` if some objects are dark, the ground is hazy, or there
    are none.
    """
    noise = _pixel_noise(frame)
    first = _smoothed(frame, _FIRST_LOOK)
    left = _left(noise, _FIRST_LOOK)
    standing, dark = first[first > _DEVIATIONS * left], first < -_DEVIATIONS * left
    if not noise or np.count_nonzero(dark) >= _DARK * standing.size or spread_of(first) > _HAZY * left:
        return None
    width = min(_SMOOTHING * noise / float(np.median(standing)), _MOST_SMOOTHING)
    smooth = _smoothed(frame, width)
    brightest = float(np.percentile(smooth, _BRIGHTEST))
    # Noise of neighbouring pixels that is alike is smoothed less than that of single ones.
    unit = _UNIT * max(_left(noise, width), spread_of(smooth))
    shown = np.arcsinh(smooth / unit) / math.asinh(max(brightest / unit, 1))
    return np.asarray(np.clip(_DARKEST + (1 - _DARKEST) * shown, 0, 1), np.float32)


def _smoothed(frame: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    smooth = gaussian_filter(frame, width)
    return np.asarray(smooth - ground_of(smooth))


def _pixel_noise(frame: NDArray[np.float32]) -> float:
    """Robust deviation of what single pixels have and their neighbours do not."""
    height, width = (length // 2 * 2 for length in frame.shape)
    a, b, c, d = (frame[y:height:2, x:width:2] for y in (0, 1) for x in (0, 1))
    return spread_of(a - b - c + d) / 2


def _left(noise: float, width: float) -> float:
    """Noise of single pixels that is left once it is smoothed."""
    return noise / max(2 * math.sqrt(math.pi) * width, 1)


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
