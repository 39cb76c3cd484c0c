"""Kind "endoscope": moist tissue with polyps and steel tools, seen through a lens at the tip of a tube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .imaging import draw_imaging
from .motion import Path, draw_camera, draw_path, log_uniform, smooth_walk
from .outlines import draw_outline
from .settings import Drawing, SceneSettings
from .sprites import Scene, Sprite, background_size, compose, grid, level_maps
from .textures import Field, Rng, colourise, fractal_field, noise_field, squash


def draw_endoscope(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw one to four polyps and tools over tissue, with highlights, smoke and a vignette."""
    camera = draw_camera(rng, settings.n_frames, settings.size, strength=log_uniform(rng, 0.5, 3) * settings.motion)
    size = background_size(camera, settings.size)
    colours = _tissue_colours(rng)
    polyps, tools = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    if polyps + tools == 0:
        polyps = 1
    sprites = [_polyp(rng, settings, colours, label=index + 1) for index in range(polyps)]
    sprites += [_highlight(rng, settings) for _ in range(int(rng.integers(0, 14)))]
    sprites += [_tool(rng, settings, label=polyps + index + 1) for index in range(tools)]
    frames, labels = compose(Scene(_tissue(rng, size, colours), camera, tuple(sprites)), settings.size)
    _fog(rng, frames)
    view = _lens(rng, settings.size)
    frames *= view[..., None]
    labels[:, view <= 0.02] = 0
    imaging = draw_imaging(rng, settings.n_frames, settings.size, noise=settings.noise)
    return Drawing(frames, labels, replace(imaging, light=None))


def _tissue_colours(rng: Rng) -> Field:
    """Draw dark to bright pinks, reds and ochres: (4, 3)."""
    red = np.linspace(rng.uniform(0.25, 0.5), rng.uniform(0.75, 1.0), 4)
    green = red * rng.uniform(0.25, 0.72) * np.linspace(0.7, 1.15, 4)
    blue = green * rng.uniform(0.5, 1.15)
    return np.clip(np.stack([red, green, blue], axis=1), 0, 1).astype(np.float32)


def _tissue(rng: Rng, size: tuple[int, int], colours: Field) -> Field:
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


def _polyp(rng: Rng, settings: SceneSettings, colours: Field, *, label: int) -> Sprite:
    """Draw a bump of about the tissue's colours, lit from one side."""
    unit = min(settings.size)
    radius = log_uniform(rng, 0.07, 0.42) * unit
    extent = 1.15
    n_pixels = int(np.clip(2.4 * radius, 24, 200))
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
    path = draw_path(rng, settings.n_frames, settings.size, radius=radius, speed=0.006 * unit * settings.motion)
    # Polyps sit on the wall: most only move as the camera does.
    start = path.centres[:1] if rng.random() < 0.6 else path.centres
    path = replace(path, centres=np.broadcast_to(start, path.centres.shape), visible=np.ones_like(path.visible))
    return Sprite(levels, skin.astype(np.float32), extent, path, label, softness=float(rng.uniform(1, 6)))


def _highlight(rng: Rng, settings: SceneSettings) -> Sprite:
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


def _tool(rng: Rng, settings: SceneSettings, *, label: int) -> Sprite:
    """Draw a shaft with a tip that reaches in from outside the frame and moves along and across."""
    n_frames, unit = settings.n_frames, min(settings.size)
    length = rng.uniform(0.75, 1.0) * unit
    width = log_uniform(rng, 0.03, 0.11)
    n_pixels, extent = 200, 1.1
    levels = _tool_levels(rng, width, n_pixels=n_pixels, extent=extent)
    angle = rng.uniform(0, 2 * np.pi) + 0.03 * settings.motion * smooth_walk(rng, n_frames)[:, 0]
    inward = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    target = np.array(settings.size) * rng.uniform(0.25, 0.75, 2)
    thrust = smooth_walk(rng, n_frames, inertia=0.8) * 0.04 * settings.motion * unit
    if rng.random() < 0.25:
        thrust = thrust - (np.arange(n_frames)[:, None] - rng.integers(0, n_frames)) * rng.normal(0, 0.08) * unit
    sway = smooth_walk(rng, n_frames, dims=2, inertia=0.8) * 0.02 * settings.motion * unit
    path = Path(
        (target + sway - inward * (length - thrust)).astype(np.float32),
        angle.astype(np.float32),
        np.full(n_frames, length, dtype=np.float32),
        (0.5 + 0.5 * np.sin(rng.uniform(0, 6) + np.arange(n_frames) * rng.uniform(0.1, 0.8))).astype(np.float32),
        np.ones(n_frames, dtype=bool),
    )
    skin = _steel(rng, width, n_pixels=n_pixels, extent=extent)
    return Sprite(levels, skin, extent, path, label, softness=float(rng.uniform(1, 2)))


def _tool_levels(rng: Rng, width: float, *, n_pixels: int, extent: float) -> Field:
    """Draw a shaft along the columns with two jaws that open and close between the two maps."""
    rows, columns = grid(n_pixels, extent)
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


def _steel(rng: Rng, width: float, *, n_pixels: int, extent: float) -> Field:
    """Draw the gloss of a cylinder, bands along it, and a tint: (S, S, 3)."""
    rows, columns = grid(n_pixels, extent)
    across = np.clip(rows / np.float32(width), -1.5, 1.5)
    shine = np.exp(-((across - rng.normal(0, 0.4)) ** 2) * rng.uniform(2, 8))
    gloss = rng.uniform(0.05, 0.5) + rng.uniform(0.1, 0.7) * shine
    bands = np.where(columns > rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.8), 1.0)
    for _ in range(int(rng.integers(0, 3))):
        bands = bands * np.where(
            np.abs(columns - rng.uniform(0, 0.8)) < rng.uniform(0.01, 0.06), rng.uniform(0.4, 2), 1.0
        )
    spread = 0.5 if rng.random() < 0.15 else 0.06
    tint = np.clip(1 + rng.normal(0, spread, 3), 0.1, 1.4)
    scratches = 1 + 0.06 * noise_field(rng, (n_pixels, n_pixels), cells=40)
    return np.asarray(np.clip((gloss * bands * scratches)[..., None] * tint, 0, 1.2), dtype=np.float32)


def _fog(rng: Rng, frames: Field) -> None:
    """Lay smoke over some frames, in place."""
    if rng.random() > 0.25:
        return
    size = frames.shape[1], frames.shape[2]
    cloud = squash(fractal_field(rng, size, cells=3, octaves=3)) * np.float32(rng.uniform(0.2, 0.7))
    strength = np.clip(smooth_walk(rng, len(frames))[:, 0] * 0.4 + rng.uniform(0, 0.6), 0, 1)
    for frame, amount in zip(frames, strength, strict=True):
        frame += (np.float32(0.75) - frame) * (cloud * np.float32(amount))[..., None]


def _lens(rng: Rng, size: tuple[int, int]) -> Field:
    """Draw the vignette and, in some clips, the dark round a circular view: (Y, X)."""
    rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    distance = np.hypot(rows - rng.normal(0, 0.15), columns - rng.normal(0, 0.15))
    view = 1.15 - rng.uniform(0.1, 0.45) * distance**2
    if rng.random() < 0.4:
        rim = np.hypot(rows, columns)
        view = view * np.clip((rng.uniform(0.95, 1.3) - rim) * 40, 0, 1)
    return np.asarray(np.clip(view, 0, 1.2), dtype=np.float32)
