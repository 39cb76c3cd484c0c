"""Steel tools that reach into an endoscope's view."""

from __future__ import annotations

import numpy as np

from napari_sam2.synthetic.scene_motion import Path
from napari_sam2.synthetic.sprites import Sprite, grid
from napari_sam2.synthetic.textures import Field, Rng, noise_field

_N_PIXELS = 200
_EXTENT = 1.1


def draw_tool(rng: Rng, path: Path, *, width: float, label: int) -> Sprite:
    """Draw a shaft with two jaws that open and close along the path."""
    levels = _levels(rng, width)
    return Sprite(levels, _steel(rng, width), _EXTENT, path, label, softness=float(rng.uniform(1, 2)))


def _levels(rng: Rng, width: float) -> Field:
    """Draw a shaft along the columns with two jaws that open and close between the two maps."""
    rows, columns = grid(_N_PIXELS, _EXTENT)
    shaft_end = np.float32(rng.uniform(0.6, 0.9))
    shaft = np.minimum(np.float32(width) - np.abs(rows), shaft_end - columns) + 0 * columns
    opened = []
    for opening in sorted(rng.uniform(0, 0.5, 2)):
        level = shaft
        for side in (-1.0, 1.0):
            along = np.cos(opening) * (columns - shaft_end) + side * np.sin(opening) * rows
            across = np.cos(opening) * rows - side * np.sin(opening) * (columns - shaft_end)
            jaw_length = np.float32(0.97 - shaft_end)
            taper = np.float32(width) * (np.float32(0.75) - np.float32(0.4) * np.clip(along / jaw_length, 0, 1))
            jaw = taper - np.hypot(across, along - np.clip(along, 0, jaw_length))
            level = np.maximum(level, jaw)
        opened.append(level)
    return np.stack(opened, axis=-1).astype(np.float32)


def _steel(rng: Rng, width: float) -> Field:
    """Draw the gloss of a cylinder, bands along it, and a tint: (S, S, 3)."""
    rows, columns = grid(_N_PIXELS, _EXTENT)
    across = np.clip(rows / np.float32(width), -1.5, 1.5)
    shine = np.exp(-((across - rng.normal(0, 0.4)) ** 2) * rng.uniform(2, 8))
    gloss = rng.uniform(0.05, 0.5) + rng.uniform(0.1, 0.7) * shine
    bands = np.where(columns > rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.8), 1.0)
    for _ in range(int(rng.integers(0, 3))):
        stripe = np.abs(columns - rng.uniform(0, 0.8)) < rng.uniform(0.01, 0.06)
        bands = bands * np.where(stripe, rng.uniform(0.4, 2), 1.0)
    spread = 0.5 if rng.random() < 0.15 else 0.06
    tint = np.clip(1 + rng.normal(0, spread, 3), 0.1, 1.4)
    scratches = 1 + 0.06 * noise_field(rng, (_N_PIXELS, _N_PIXELS), cells=40)
    return np.asarray(np.clip((gloss * bands * scratches)[..., None] * tint, 0, 1.2), dtype=np.float32)
