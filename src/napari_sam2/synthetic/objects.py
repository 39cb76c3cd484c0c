"""Kinds "shapes" and "natural": textured things over textured backgrounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_sam2.synthetic.scenes.leaves import heap

from .imaging import draw_imaging
from .photographs import photograph
from .random_outlines import RandomOutline, draw_outline
from .scene_motion import draw_camera, draw_crossing_paths, draw_path, log_uniform, still_path
from .scene_settings import DrawnScene, SceneSettings
from .sprites import Scene, Sprite, background_size, compose, grid, level_maps
from .textures import Field, Rng, noise_field, palette, texture


@dataclass(frozen=True)
class Style:
    """What the things of one clip have in common."""

    # 1 or 3.
    channels: int
    # (n, channels) palette of the background.
    colours: Field
    # 0..1: chance that a thing takes its colours from the background's.
    likeness: float
    # Typical step in pixels per frame.
    speed: float
    # Typical relative change of an outline.
    change: float
    # Things have parts of unlike colour and texture.
    regions: bool
    # How many still things the background is heaped from; 0 for a plain texture.
    clutter: int
    # Share of the surfaces that come from photographs.
    photographs: float


def draw_shapes(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw 1 to 12 shapes that cross each other, with occluders and unlabelled look-alikes."""
    unit = min(settings.size)
    style = _draw_style(rng, settings, cluttered=0.2)
    count = int(rng.integers(1, 13))
    largest = 0.3 if count < 5 else 0.16
    sprites: list[Sprite] = []
    for label in range(1, count + 1):
        if sprites and rng.random() < 0.2:
            sprites.append(_twin(rng, _any(rng, sprites), settings=settings, style=style, label=label))
        else:
            radius = log_uniform(rng, 0.02, largest) * unit
            sprites.append(_thing(rng, settings, style=style, radius=radius, label=label))
    # Unlabelled look-alikes: similar is not the same.
    for _ in range(int(rng.integers(0, 4))):
        sprites.append(_twin(rng, _any(rng, sprites), settings=settings, style=style, label=0))
    sprites = [sprites[index] for index in rng.permutation(len(sprites))]
    if rng.random() < 0.3:
        sprites += [_occluder(rng, settings, style=style) for _ in range(int(rng.integers(1, 4)))]
    return _finish(rng, settings, style=style, sprites=sprites)


def draw_natural(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw one to four large things, each of several colour regions, before a background of the same kind."""
    unit = min(settings.size)
    style = replace(_draw_style(rng, settings, cluttered=0.7), regions=True)
    sprites: list[Sprite] = []
    for _ in range(int(rng.integers(0, 4))):
        sprites.append(_thing(rng, settings, style=style, radius=log_uniform(rng, 0.05, 0.25) * unit, label=0))
    count = int(rng.integers(1, 5))
    for label in range(1, count + 1):
        if label > 1 and rng.random() < 0.25:
            sprites += _with_shadow(rng, _twin(rng, sprites[-1], settings=settings, style=style, label=label))
            continue
        radius = log_uniform(rng, 0.1, 0.65 if count < 3 else 0.32) * unit
        sprites += _with_shadow(rng, _thing(rng, settings, style=style, radius=radius, label=label))
    if rng.random() < 0.3:
        sprites += [_occluder(rng, settings, style=style) for _ in range(int(rng.integers(1, 3)))]
    return _finish(rng, settings, style=style, sprites=sprites)


def draw_absences(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw two look-alikes that cross again and again, are gone for 20 to 60 frames, and come back with other looks.

    A third one that has no label stays. In short clips absences are shorter.
    """
    style = _draw_style(rng, settings, cluttered=0.3)
    first = _thing(rng, settings, style=style, radius=rng.uniform(0.06, 0.11) * min(settings.size), label=1)
    late = _skin(rng, style, near=style.colours, n_pixels=first.texture.shape[0])
    first = replace(first, late_texture=first.texture + np.float32(0.5) * (late - first.texture))
    second = replace(first, label=2)
    paths = draw_crossing_paths(rng, settings.n_frames, size=settings.size, radius=float(first.path.radii[0]))
    still = _twin(rng, first, settings=settings, style=replace(style, speed=0.3), label=0)
    pair = [replace(one, path=path) for one, path in zip((first, second), paths, strict=True)]
    return _finish(rng, settings, style=style, sprites=[still, *pair])


def _any(rng: Rng, sprites: list[Sprite]) -> Sprite:
    return sprites[int(rng.integers(len(sprites)))]


def _draw_style(rng: Rng, settings: SceneSettings, *, cluttered: float) -> Style:
    channels = 1 if rng.random() < 0.3 else 3
    step = log_uniform(rng, 0.002, 0.1 if rng.random() < 0.3 else 0.03)
    return Style(
        channels=channels,
        colours=palette(rng, int(rng.integers(2, 6)), channels=channels),
        likeness=float(rng.choice((0.0, 0.3, 0.6, 1.0))),
        speed=step * min(settings.size) * settings.motion,
        change=log_uniform(rng, 0.02, 0.35),
        regions=bool(rng.random() < 0.3),
        clutter=int(log_uniform(rng, 8, 160)) if rng.random() < cluttered else 0,
        photographs=settings.photographs,
    )


def _from_photograph(rng: Rng, style: Style) -> bool:
    # Without photographs no number is drawn: such clips stay what they were.
    return style.photographs > 0 and rng.random() < style.photographs


def _finish(rng: Rng, settings: SceneSettings, *, style: Style, sprites: list[Sprite]) -> DrawnScene:
    camera = draw_camera(rng, settings.n_frames, size=settings.size, strength=settings.motion)
    size = background_size(camera, settings.size)
    if _from_photograph(rng, style):
        background = photograph(rng, size, channels=style.channels)
    elif style.clutter:
        background = heap(rng, size, colours=style.colours, count=style.clutter)
    else:
        background = texture(rng, size, colours=style.colours, detail=_detail(rng))
    frames, labels = compose(Scene(background, camera, tuple(sprites)), settings.size)
    # Cameras for daylight are quieter than scientific ones.
    quiet = 0.5 if style.regions else 1.0
    return DrawnScene(
        frames, labels, draw_imaging(rng, settings.n_frames, size=settings.size, noise=quiet * settings.noise)
    )


def _thing(rng: Rng, settings: SceneSettings, *, style: Style, radius: float, label: int) -> Sprite:
    """Draw a thing with an outline, a texture and a path."""
    extent = 1.1
    # Large frames ask for finer maps.
    n_pixels = int(np.clip(2.2 * extent * radius, 16, max(220, round(0.86 * min(settings.size)))))
    change = style.change if rng.random() < 0.7 else 0.0
    levels = level_maps(rng, draw_outline(rng), n_pixels=n_pixels, extent=extent, change=change)
    near = style.colours if rng.random() < style.likeness else None
    skin = _skin(rng, style, near=near, n_pixels=n_pixels)
    late = None
    if style.regions and rng.random() < 0.2:
        late = skin + np.float32(0.6) * (_skin(rng, style, near=near, n_pixels=n_pixels) - skin)
    # Light is of the thing, not of the frame: it turns with it.
    shade = _shading(rng, levels[..., 0], radius=radius)
    speed = style.speed * log_uniform(rng, 0.5, 2)
    return Sprite(
        levels,
        skin * shade,
        extent,
        draw_path(rng, settings.n_frames, size=settings.size, radius=radius, speed=speed),
        label,
        softness=float(rng.uniform(0.8, 2.0)),
        ripple=(rng.uniform(0.02, 0.12), rng.uniform(1.5, 5)) if rng.random() < 0.3 else (0.0, 0.0),
        late_texture=None if late is None else late * shade,
    )


def _skin(rng: Rng, style: Style, *, near: Field | None, n_pixels: int) -> Field:
    """Draw the texture of a thing, of one piece or with regions: coats, faces, panels."""
    size = (n_pixels, n_pixels)
    if style.regions and rng.random() < 0.2:
        inks = palette(rng, 4, channels=style.channels, near=near)
        return heap(rng, size, colours=inks, count=int(rng.integers(3, 20)))
    if _from_photograph(rng, style):
        skin = photograph(rng, size, channels=style.channels)
    else:
        inks = palette(rng, int(rng.integers(1, 6)), channels=style.channels, near=near)
        skin = texture(rng, size, colours=inks, detail=_detail(rng))
    for _ in range(int(rng.integers(1, 4)) if style.regions else 0):
        colours = palette(rng, int(rng.integers(1, 4)), channels=style.channels, near=near, spread=2.0)
        skin = np.where(_region(rng, n_pixels)[..., None], texture(rng, size, colours=colours), skin)
    return skin


def _detail(rng: Rng) -> float:
    """Draw how strong the fine grain of a surface is: mostly weak."""
    return float(0.09 * rng.random() ** 2)


def _region(rng: Rng, n_pixels: int) -> np.ndarray:
    """Draw a part of a thing: what lies beyond a wavy line, or patches."""
    size = (n_pixels, n_pixels)
    if rng.random() < 0.5:
        return np.asarray(noise_field(rng, size, cells=rng.uniform(2, 5)) > rng.normal(0.3, 0.4))
    rows, columns = grid(n_pixels, 1.0)
    angle = rng.uniform(0, 2 * np.pi)
    line = np.sin(angle) * rows + np.cos(angle) * columns + 0.15 * noise_field(rng, size, cells=4)
    return np.asarray(line > rng.normal(0, 0.4))


def _shading(rng: Rng, level: Field, *, radius: float) -> Field:
    """Draw light from one side, a dark or bright rim or both, where chance wants them: a factor (S, S, 1)."""
    shade = np.ones_like(level)
    if rng.random() < 0.5:
        rows, columns = grid(level.shape[0], 1.2)
        angle = rng.uniform(0, 2 * np.pi)
        slope = np.float32(np.sin(angle)) * rows + np.float32(np.cos(angle)) * columns
        shade += np.float32(rng.uniform(0.05, 0.35)) * slope
    if rng.random() < 0.35:
        width = np.float32(max(rng.uniform(0.02, 0.12), 1.2 / radius))
        shade += np.exp(-((level / width) ** 2)) * np.float32(rng.uniform(-0.8, 0.5))
    return shade[..., None]


def _with_shadow(rng: Rng, sprite: Sprite) -> list[Sprite]:
    """Put the soft shadow that a thing casts, in some cases, behind it."""
    if rng.random() > 0.25:
        return [sprite]
    radius = float(sprite.path.radii[0])
    offset = (rng.normal(0, 0.25, 2) * radius).astype(np.float32)
    shadow = replace(
        sprite,
        texture=np.zeros((*sprite.texture.shape[:2], sprite.texture.shape[2]), dtype=np.float32),
        late_texture=None,
        path=replace(sprite.path, centres=sprite.path.centres + offset),
        label=None,
        opacity=float(rng.uniform(0.2, 0.6)),
        softness=max(2.0, 0.2 * radius),
    )
    return [shadow, sprite]


def _twin(rng: Rng, model: Sprite, *, settings: SceneSettings, style: Style, label: int) -> Sprite:
    """Draw another thing of the same make."""
    radius = float(model.path.radii[0]) * log_uniform(rng, 0.8, 1.25)
    path = draw_path(rng, settings.n_frames, size=settings.size, radius=radius, speed=style.speed)
    tint = np.float32(1 + rng.normal(0, 0.06))
    return replace(model, texture=model.texture * tint, late_texture=None, path=path, label=label)


def _occluder(rng: Rng, settings: SceneSettings, *, style: Style) -> Sprite:
    """Draw a bar or a bush that stands still in the world and hides what passes behind it."""
    unit = min(settings.size)
    if rng.random() < 0.6:
        width, bend = rng.uniform(0.02, 0.06), rng.normal(0, 0.1)
        outline = RandomOutline("rod", 1.0, np.array([width], np.float32), np.array([bend], np.float32))
        radius = 1.2 * unit
    else:
        outline, radius = draw_outline(rng), rng.uniform(0.08, 0.2) * unit
    n_pixels = int(np.clip(2.2 * radius, 24, 256))
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=1.1, change=0.0)
    colours = palette(rng, 3, channels=style.channels, near=style.colours if rng.random() < 0.6 else None)
    start = (rng.random(2) * settings.size).astype(np.float32)
    path = still_path(settings.n_frames, start, radius=radius, angle=rng.uniform(0, np.pi))
    return Sprite(levels, texture(rng, (n_pixels, n_pixels), colours=colours), 1.1, path, 0)
