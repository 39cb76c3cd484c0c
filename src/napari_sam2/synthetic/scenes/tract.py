"""The inside of the body as an endoscope sees it: folded tissue, vessels, polyps and glints."""

from __future__ import annotations

import numpy as np

from napari_sam2.synthetic.random_outlines import draw_outline
from napari_sam2.synthetic.scene_motion import Path, log_uniform, smooth_walk
from napari_sam2.synthetic.scene_settings import SceneSettings
from napari_sam2.synthetic.sprites import Sprite, level_maps
from napari_sam2.synthetic.textures import Field, Rng, colourise, fractal_field, noise_field, squash


def tissue_colours(rng: Rng) -> Field:
    """Draw dark to bright pinks, reds and ochres: (4, 3)."""
    red = np.linspace(rng.uniform(0.25, 0.5), rng.uniform(0.75, 1.0), 4)
    green = red * rng.uniform(0.25, 0.72) * np.linspace(0.7, 1.15, 4)
    blue = green * rng.uniform(0.5, 1.15)
    return np.clip(np.stack([red, green, blue], axis=1), 0, 1).astype(np.float32)


def draw_tract(rng: Rng, size: tuple[int, int], *, colours: Field) -> Field:
    """Draw folds lit from one side, mottles, vessels and, in some, the dark of the tube's far end."""
    folds = noise_field(rng, size, cells=rng.uniform(2, 6))
    if rng.random() < 0.5:
        # Sharp creases between rounded ridges.
        folds = np.float32(1.6) * np.sqrt(np.abs(folds) + np.float32(0.02)) - np.float32(1.2)
    mottle = fractal_field(rng, size, cells=rng.uniform(4, 16), octaves=4)
    light, glints = _lit(rng, folds + np.float32(rng.uniform(0, 0.15)) * mottle, pitch=8 / max(size))
    mix = np.float32(rng.uniform(0.2, 0.8)) * folds + np.float32(rng.uniform(0.1, 0.6)) * mottle + light
    field = colourise(squash(mix), colours)
    if rng.random() < 0.7:
        lines = np.abs(fractal_field(rng, size, cells=rng.uniform(2, 6), octaves=3, gain=0.35))
        vessels = np.exp(-lines * np.float32(rng.uniform(12, 40))) * np.float32(rng.uniform(0.1, 0.5))
        field *= 1 - vessels[..., None] * np.array([0.5, 1.0, 0.9], dtype=np.float32)
    if rng.random() < 0.4:
        rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
        distance = np.hypot(rows - rng.normal(0, 0.4), columns - rng.normal(0, 0.4)) + 0.05 * folds
        field *= 1 - rng.uniform(0.4, 0.95) * np.exp(-((distance / rng.uniform(0.15, 0.5)) ** 4))[..., None]
    return np.asarray(field + glints[..., None], dtype=np.float32)


def _lit(rng: Rng, height: Field, *, pitch: float) -> tuple[Field, Field]:
    """Light a relief from one side: brightness around 0 and the glints where it mirrors the lamp, both (h, w)."""
    slope_y, slope_x = np.gradient(height, pitch)
    angle = rng.uniform(0, 2 * np.pi)
    sin, cos = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    toward = sin * slope_y + cos * slope_x
    light = np.asarray(np.float32(rng.uniform(0.1, 0.9)) * np.clip(toward, -2, 2), dtype=np.float32)
    if rng.random() < 0.5:
        return light, np.zeros_like(light)
    # Only slopes that face halfway to the lamp mirror it; moisture breaks the glints up.
    across = cos * slope_y - sin * slope_x
    moisture = np.float32(0.4) * noise_field(rng, (height.shape[0], height.shape[1]), cells=25)
    off = (toward - np.float32(rng.uniform(0.2, 0.8)) + moisture) ** 2 + (across + moisture) ** 2
    glints = np.exp(-off * np.float32(1 / rng.uniform(0.004, 0.03))) * np.float32(rng.uniform(0.4, 1.0))
    return light, np.asarray(glints, dtype=np.float32)


def draw_polyp(rng: Rng, colours: Field, *, path: Path, label: int) -> Sprite:
    """Draw a bump of about the tissue's colours, lit from one side."""
    extent = 1.15
    n_pixels = int(np.clip(2.4 * path.radii.max(), 24, 200))
    size = (n_pixels, n_pixels)
    outline = draw_outline(rng, "blob", roughness=rng.uniform(0.1, 0.5))
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=extent, change=rng.uniform(0, 0.2))
    dome = np.sqrt(np.clip(levels.mean(axis=-1) + np.float32(0.02), 0, 1))
    bumps = fractal_field(rng, size, cells=rng.uniform(4, 14), octaves=3)
    light, glints = _lit(rng, dome + np.float32(rng.uniform(0.01, 0.08)) * bumps, pitch=2 * extent / n_pixels)
    tinted = colours * (1 + rng.normal(0, 0.09, 3)) + rng.normal(0, 0.05)
    shade = light + np.float32(rng.uniform(0, 1.2)) * (dome - np.float32(0.5)) + np.float32(0.3) * bumps
    skin = colourise(squash(shade), np.clip(tinted, 0, 1).astype(np.float32))
    crease = np.exp(-((levels[..., :1] / np.float32(0.08)) ** 2))
    skin = skin * (1 - np.float32(rng.uniform(0, 0.4)) * crease) + glints[..., None]
    return Sprite(levels, skin.astype(np.float32), extent, path, label, softness=float(rng.uniform(1, 6)))


def draw_glint(rng: Rng, settings: SceneSettings) -> Sprite:
    """Draw a glint, which leaves the label below it."""
    n_frames = settings.n_frames
    radius = log_uniform(rng, 0.006, 0.03) * min(settings.size)
    levels = level_maps(rng, draw_outline(rng, "blob"), n_pixels=16, extent=1.2, change=0.5)
    centres = rng.random((1, 2)) * np.array(settings.size) + smooth_walk(rng, n_frames, dims=2) * 2 * settings.motion
    path = Path(
        centres.astype(np.float32),
        np.full(n_frames, rng.uniform(0, 6), dtype=np.float32),
        (radius * np.exp(rng.normal(0, 0.2, n_frames))).astype(np.float32),
        rng.random(n_frames, dtype=np.float32),
        rng.random(n_frames) < 0.75,
    )
    white = np.full((16, 16, 3), rng.uniform(0.9, 1.3), dtype=np.float32)
    return Sprite(levels, white, 1.2, path, None, softness=2.0, opacity=rng.uniform(0.5, 1.0))
