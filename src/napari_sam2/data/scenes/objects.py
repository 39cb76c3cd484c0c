"""Kinds "shapes" and "natural": textured things over textured backgrounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .imaging import draw_imaging
from .motion import Path, draw_camera, draw_path, log_uniform
from .outlines import Outline, draw_outline
from .settings import Drawing, SceneSettings
from .sprites import Scene, Sprite, background_size, compose, grid, level_maps
from .textures import Field, Rng, noise_field, palette, texture


@dataclass(frozen=True)
class Style:
    """What the things of one clip have in common.

    Attributes
    ----------
    channels : int
        1 or 3.
    colours : ndarray
        (n, channels) palette of the background.
    likeness : float
        0..1: chance that a thing takes its colours from the background's.
    speed : float
        Typical step in pixels per frame.
    change : float
        Typical relative change of an outline.
    """

    channels: int
    colours: Field
    likeness: float
    speed: float
    change: float


def draw_shapes(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw 1 to 12 shapes that cross each other, with occluders and unlabelled look-alikes."""
    unit = min(settings.size)
    style = _draw_style(rng, settings)
    count = int(rng.integers(1, 13))
    largest = 0.3 if count < 5 else 0.16
    sprites: list[Sprite] = []
    for label in range(1, count + 1):
        radius = log_uniform(rng, 0.018, largest) * unit
        if sprites and rng.random() < 0.2:
            sprites.append(_twin(rng, sprites[int(rng.integers(len(sprites)))], settings, style=style, label=label))
        else:
            sprites.append(_thing(rng, settings, style, radius=radius, label=label))
    for _ in range(int(rng.integers(0, 4))):
        sprites.append(_twin(rng, sprites[int(rng.integers(len(sprites)))], settings, style=style, label=0))
    order = rng.permutation(len(sprites))
    sprites = [sprites[index] for index in order]
    if rng.random() < 0.3:
        sprites += [_occluder(rng, settings, style) for _ in range(int(rng.integers(1, 4)))]
    return _finish(rng, settings, style=style, sprites=sprites)


def draw_natural(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw one to four large things, each of several colour regions, before a background of the same kind."""
    unit = min(settings.size)
    style = _draw_style(rng, settings)
    sprites = [
        _thing(rng, settings, style, radius=log_uniform(rng, 0.05, 0.2) * unit, label=0)
        for _ in range(int(rng.integers(0, 4)))
    ]
    count = int(rng.integers(1, 5))
    for label in range(1, count + 1):
        radius = log_uniform(rng, 0.12, 0.5 if count < 3 else 0.3) * unit
        sprites.append(_thing(rng, settings, style, radius=radius, label=label, rich=True))
    if rng.random() < 0.3:
        sprites += [_occluder(rng, settings, style) for _ in range(int(rng.integers(1, 3)))]
    return _finish(rng, settings, style=style, sprites=sprites)


def _draw_style(rng: Rng, settings: SceneSettings) -> Style:
    channels = 1 if rng.random() < 0.3 else 3
    step = log_uniform(rng, 0.004, 0.1 if rng.random() < 0.3 else 0.04)
    return Style(
        channels=channels,
        colours=palette(rng, int(rng.integers(2, 6)), channels=channels),
        likeness=float(rng.choice((0.0, 0.3, 0.6, 1.0))),
        speed=step * min(settings.size) * settings.motion,
        change=log_uniform(rng, 0.02, 0.35),
    )


def _finish(rng: Rng, settings: SceneSettings, *, style: Style, sprites: list[Sprite]) -> Drawing:
    camera = draw_camera(rng, settings.n_frames, settings.size, strength=settings.motion)
    size = background_size(camera, settings.size)
    background = texture(rng, size, style.colours, detail=rng.uniform(0, 0.1))
    frames, labels = compose(Scene(background, camera, tuple(sprites)), settings.size)
    return Drawing(frames, labels, draw_imaging(rng, settings.n_frames, settings.size, noise=settings.noise))


def _thing(rng: Rng, settings: SceneSettings, style: Style, *, radius: float, label: int, rich: bool = False) -> Sprite:
    """Draw a thing with an outline, a texture and a path."""
    extent = 1.2
    n_pixels = int(np.clip(2.2 * extent * radius, 16, 220))
    outline = draw_outline(rng)
    levels = level_maps(
        rng, outline, n_pixels=n_pixels, extent=extent, change=style.change if rng.random() < 0.7 else 0.0
    )
    near = style.colours if rng.random() < style.likeness else None
    colours = palette(
        rng, int(rng.integers(3, 7)) if rich else int(rng.integers(1, 5)), channels=style.channels, near=near
    )
    skin = texture(rng, (n_pixels, n_pixels), colours, detail=rng.uniform(0, 0.1))
    if rich:
        skin = _with_regions(rng, skin, style, near=near)
    skin = _shaded(rng, skin, levels[..., 0], radius=radius)
    path = draw_path(rng, settings.n_frames, settings.size, radius=radius, speed=style.speed * log_uniform(rng, 0.5, 2))
    rippled = rng.random() < 0.3
    return Sprite(
        levels,
        skin,
        extent,
        path,
        label,
        softness=float(rng.uniform(0.8, 2.0)),
        ripple=(rng.uniform(0.02, 0.12), rng.uniform(1.5, 5)) if rippled else (0.0, 0.0),
    )


def _with_regions(rng: Rng, skin: Field, style: Style, *, near: Field | None) -> Field:
    """Replace parts of a texture by textures of other colours: coats, faces, panels."""
    size = skin.shape[0], skin.shape[1]
    rows, columns = grid(skin.shape[0], 1.0)
    for _ in range(int(rng.integers(1, 4))):
        colours = palette(rng, int(rng.integers(1, 4)), channels=style.channels, near=near, spread=2.0)
        other = texture(rng, size, colours)
        if rng.random() < 0.5:
            angle = rng.uniform(0, 2 * np.pi)
            mask = (
                np.sin(angle) * rows
                + np.cos(angle) * columns
                + 0.15 * noise_field(rng, size, cells=4)
                - rng.normal(0, 0.4)
            )
        else:
            mask = noise_field(rng, size, cells=rng.uniform(2, 5)) - rng.normal(0.3, 0.4)
        skin = np.where((mask > 0)[..., None], other, skin)
    return skin.astype(np.float32)


def _shaded(rng: Rng, skin: Field, level: Field, *, radius: float) -> Field:
    """Add light from one side, a dark rim or both, where chance wants them."""
    if rng.random() < 0.5:
        rows, columns = grid(skin.shape[0], 1.2)
        angle = rng.uniform(0, 2 * np.pi)
        slope = np.float32(np.sin(angle)) * rows + np.float32(np.cos(angle)) * columns
        skin = skin * (1 + np.float32(rng.uniform(0.05, 0.35)) * slope[..., None])
    if rng.random() < 0.35:
        width = np.float32(max(rng.uniform(0.02, 0.12), 1.2 / radius))
        rim = np.exp(-((level / width) ** 2)) * np.float32(rng.uniform(-0.6, 0.3))
        skin = skin + rim[..., None]
    return skin.astype(np.float32)


def _twin(rng: Rng, model: Sprite, settings: SceneSettings, *, style: Style, label: int) -> Sprite:
    """Draw another thing of the same make."""
    radius = float(model.path.radii[0]) * log_uniform(rng, 0.8, 1.25)
    path = draw_path(rng, settings.n_frames, settings.size, radius=radius, speed=style.speed)
    tint = np.float32(1 + rng.normal(0, 0.06))
    return Sprite(
        model.levels, model.texture * tint, model.extent, path, label, softness=model.softness, ripple=model.ripple
    )


def _occluder(rng: Rng, settings: SceneSettings, style: Style) -> Sprite:
    """Draw a bar or a bush that stands still in the world and hides what passes behind it."""
    unit = min(settings.size)
    if rng.random() < 0.6:
        outline = Outline(
            "rod", 1.0, np.array([rng.uniform(0.02, 0.06)], np.float32), rng.normal(0, 0.1, 1).astype(np.float32)
        )
        radius = 1.2 * unit
    else:
        outline = draw_outline(rng)
        radius = rng.uniform(0.08, 0.2) * unit
    n_pixels = int(np.clip(2.2 * radius, 24, 256))
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=1.1, change=0.0)
    colours = palette(rng, 3, channels=style.channels, near=style.colours if rng.random() < 0.6 else None)
    still = np.repeat(rng.uniform(0, 1, (1, 2)) * np.array(settings.size), settings.n_frames, axis=0)
    path = Path(
        still.astype(np.float32),
        np.full(settings.n_frames, rng.uniform(0, np.pi), dtype=np.float32),
        np.full(settings.n_frames, radius, dtype=np.float32),
        np.zeros(settings.n_frames, dtype=np.float32),
        np.ones(settings.n_frames, dtype=bool),
    )
    return Sprite(levels, texture(rng, (n_pixels, n_pixels), colours), 1.1, path, 0)
