"""Textures cut out of photographs, with the grain, blur and disorder that no drawn texture has."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image
from skimage import data

from .scene_motion import log_uniform
from .textures import Field, Rng

# Those that scikit-image carries with it and calls free of rights: CC0, or in the public domain.
NAMES = (
    *("astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins"),
    *("grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket"),
)
_LARGEST = 640


def photograph(rng: Rng, size: tuple[int, int], *, channels: int) -> Field:
    """Cut a window out of a photograph, mirror it at random, and change its light and colours.

    Result: `size` + (channels,) float32 in 0..1.
    """
    picture = _open(str(rng.choice(NAMES)), channels)
    # A window of the aspect asked for, from a seventh of the picture to all of it.
    share = log_uniform(rng, 0.15, 1.0) * min(picture.height / size[0], picture.width / size[1])
    high, wide = size[0] * share, size[1] * share
    top, left = rng.uniform(0, picture.height - high), rng.uniform(0, picture.width - wide)
    box = (left, top, left + wide, top + high)
    cut = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC, box)
    pixels = np.asarray(cut, dtype=np.float32).reshape(*size, channels) * np.float32(1 / 255)
    pixels = pixels[:: int(rng.choice((-1, 1))), :: int(rng.choice((-1, 1)))]
    return _relight(rng, pixels)


def _relight(rng: Rng, pixels: Field) -> Field:
    """Change gamma, contrast and tint, and at times the order of the colours or dark and bright."""
    if rng.random() < 0.25:
        pixels = 1 - pixels
    if pixels.shape[2] == 3 and rng.random() < 0.3:
        pixels = pixels[..., rng.permutation(3)]
    pixels = np.clip(pixels, 0, 1) ** np.float32(log_uniform(rng, 0.6, 1.7))
    gain = rng.uniform(0.5, 1.1) * np.exp(rng.normal(0, 0.12, pixels.shape[2]))
    lift = rng.uniform(0, 0.25)
    lit: Field = np.clip(pixels * gain.astype(np.float32) + np.float32(lift), 0, 1)
    return lit


@cache
def _open(name: str, channels: int) -> Image.Image:
    picture = Image.fromarray(np.asarray(getattr(data, name)())).convert("RGB" if channels == 3 else "L")
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    return picture
