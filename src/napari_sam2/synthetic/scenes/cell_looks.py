"""How cells and their medium look under different microscopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sam2.synthetic.random_outlines import RandomOutline
from napari_sam2.synthetic.scene_motion import Path
from napari_sam2.synthetic.sprites import Sprite, grid, level_maps
from napari_sam2.synthetic.textures import Field, Rng, fractal_field, noise_field


@dataclass(frozen=True)
class Culture:
    """What the cells of one clip have in common."""

    # Typical radius in pixels.
    radius: float
    # Typical step per frame in radii.
    speed: float
    # Size of the dents: small for nuclei, large for spread cells.
    roughness: float
    # Brightness of a cell over the background.
    contrast: float
    # The few shapes that the cells are variants of.
    outlines: tuple[RandomOutline, ...]
    # Brightness of the background.
    floor: float
    # "fluorescent", "phase" or "oblique".
    look: str
    # Where oblique light comes from, in radians.
    light_angle: float


def medium(rng: Rng, size: tuple[int, int], *, culture: Culture) -> Field:
    """Draw what lies between the cells: `size` + (1,) float32."""
    wave = noise_field(rng, size, cells=rng.uniform(0.5, 2))
    field = culture.floor * (1 + np.float32(rng.uniform(0, 0.12)) * wave)
    if culture.look != "fluorescent" or rng.random() < 0.3:
        grain = fractal_field(rng, size, cells=max(size) / rng.uniform(4, 16), octaves=3)
        field = field + np.float32(rng.uniform(0, 0.12) * culture.contrast) * grain
    return np.asarray(np.clip(field, 0, 1)[..., None], dtype=np.float32)


def draw_body(rng: Rng, culture: Culture, *, path: Path, label: int, variation: float = 0.2) -> Sprite:
    """Draw a cell of the culture, with an outline that differs from one of the culture's by about `variation`."""
    radius = float(path.radii[0])
    # A halo goes beyond the outline.
    reach = float(np.clip((3.0 if culture.look == "phase" else 1.5) / radius, 0.05, 0.5))
    extent = 1.1 + reach
    n_pixels = int(np.clip(2.2 * extent * radius, 14, 96))
    outline = culture.outlines[int(rng.integers(len(culture.outlines)))].jittered(rng, variation)
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=extent, change=0.15 * culture.roughness)
    level = levels.mean(axis=-1)
    if culture.look == "fluorescent":
        skin = _fluorescent(rng, level, culture=culture, radius=radius)
    elif culture.look == "phase":
        skin = _phase(rng, level, culture=culture, radius=radius)
    else:
        skin = _oblique(rng, level, culture=culture, angle=culture.light_angle - float(path.angles[0]))
    texture = np.asarray(np.clip(skin, 0, 1)[..., None], dtype=np.float32)
    return Sprite(levels, texture, extent, path, label, reach=reach, softness=max(1.2, reach * radius))


def _fluorescent(rng: Rng, level: Field, *, culture: Culture, radius: float) -> Field:
    """Draw a bright body with grains, or a bright shell, or one with dark holes."""
    size = (level.shape[0], level.shape[1])
    bright = culture.contrast * float(np.exp(rng.normal(0, 0.25)))
    # Spread cells are brightest at their rim, others in the middle; some have vacuoles.
    dome = np.clip(level * np.float32(rng.uniform(1.5, 6)) + np.float32(0.45), 0, 1)
    grains = np.float32(rng.uniform(0.05, 0.35)) * fractal_field(rng, size, cells=rng.uniform(3, 8), octaves=3)
    if culture.roughness > 0.7:
        rim = np.exp(-(((level - np.float32(0.08)) / np.float32(max(0.1, 1.2 / radius))) ** 2))
        dome = np.float32(0.35) * dome + rim
    if rng.random() < 0.3:
        holes = np.clip((noise_field(rng, size, cells=5) - np.float32(0.9)) * np.float32(3), 0, 1)
        dome = dome * (1 - np.float32(0.5) * holes)
    return np.asarray(culture.floor + bright * dome * (1 + grains), dtype=np.float32)


def _phase(rng: Rng, level: Field, *, culture: Culture, radius: float) -> Field:
    """Draw a body that is darker or brighter than the medium, a bright halo and dark grains."""
    size = (level.shape[0], level.shape[1])
    contrast = np.float32(culture.contrast * 0.7)
    width = np.float32(max(0.08, 1.5 / radius))
    body = culture.floor + contrast * np.float32(rng.normal(-0.25, 0.35))
    grains = np.float32(0.3) * contrast * fractal_field(rng, size, cells=rng.uniform(4, 9), octaves=3)
    halo = np.exp(-(((level + width) / width) ** 2)) * contrast * np.float32(rng.uniform(0.4, 1.3))
    rim = np.exp(-(((level - width) / width) ** 2)) * contrast * np.float32(rng.uniform(-0.8, 0))
    inside = np.clip(level * np.float32(radius) + np.float32(0.5), 0, 1)
    field = body + grains
    if rng.random() < 0.4:
        rows, columns = grid(size[0], 1.0)
        nucleus = np.hypot(rows - rng.normal(0, 0.12), columns - rng.normal(0, 0.12)) < rng.uniform(0.2, 0.4)
        field = field + contrast * np.float32(rng.normal(0, 0.4)) * nucleus
    return np.asarray(culture.floor + inside * (field - culture.floor) + halo + rim, dtype=np.float32)


def _oblique(rng: Rng, level: Field, *, culture: Culture, angle: float) -> Field:
    """Draw a body as a relief lit from one side: bright flank, dark flank."""
    size = (level.shape[0], level.shape[1])
    # The slope of a dome towards the light.
    height = np.sqrt(np.clip(level + np.float32(0.05), 0, 1)) + np.float32(0.06) * noise_field(rng, size, cells=7)
    slope_y, slope_x = np.gradient(height, 2.4 / size[0])
    relief = np.clip(np.sin(angle) * slope_y + np.cos(angle) * slope_x, -1.6, 1.6)
    return np.asarray(culture.floor + 0.35 * culture.contrast * relief, dtype=np.float32)
