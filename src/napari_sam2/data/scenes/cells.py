"""Kind "cells": near-similar cells in fluorescence or phase contrast that wander, touch and divide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .imaging import draw_imaging
from .motion import Path, draw_camera, log_uniform, smooth_walk
from .outlines import Outline, draw_outline
from .settings import Drawing, SceneSettings
from .sprites import Scene, Sprite, background_size, compose, grid, level_maps
from .textures import Field, Rng, fractal_field, noise_field


@dataclass(frozen=True)
class Culture:
    """What the cells of one clip have in common.

    Attributes
    ----------
    radius : float
        Typical radius in pixels.
    speed : float
        Typical step in pixels per frame.
    roundness : float
        Relative size of the dents: small for nuclei, large for spread cells.
    contrast : float
        Brightness of a cell over the background.
    outlines : tuple of Outline
        The few shapes that the cells are variants of.
    floor : float
        Brightness of the background.
    phase : bool
        Phase contrast instead of fluorescence.
    """

    radius: float
    speed: float
    roundness: float
    contrast: float
    outlines: tuple[Outline, ...]
    floor: float
    phase: bool


def draw_cells(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw 4 to 40 cells; a dividing cell keeps its id and its daughter gets a new one."""
    count = int(rng.integers(4, 41))
    culture = _draw_culture(rng, settings, count)
    sprites: list[Sprite] = []
    for centre in _scattered(rng, count, settings.size, distance=1.7 * culture.radius):
        sprites += _cell(rng, settings, culture, centre=centre, label=len(sprites) + 1)
    camera = draw_camera(rng, settings.n_frames, settings.size, strength=0.4 * settings.motion)
    background = _medium(rng, background_size(camera, settings.size), culture)
    order = rng.permutation(len(sprites))
    scene = Scene(background, camera, tuple(sprites[index] for index in order))
    frames, labels = compose(scene, settings.size)
    imaging = draw_imaging(rng, settings.n_frames, settings.size, noise=settings.noise)
    if not culture.phase:
        # Photon noise is what limits fluorescence; keep it below the contrast of dim cells.
        imaging = replace(imaging, gamma=1.0, poisson=log_uniform(rng, 0.02, 0.14) * settings.noise)
    return Drawing(frames, labels, imaging)


def _draw_culture(rng: Rng, settings: SceneSettings, count: int) -> Culture:
    unit = min(settings.size)
    phase = bool(rng.random() < 0.45)
    roughness = log_uniform(rng, 0.15, 1.2)
    largest = 0.5 * unit / np.sqrt(count)
    radius = log_uniform(rng, 0.012 * unit, min(0.13 * unit, largest))
    kinds = ["blob"] if rng.random() < 0.7 else ["blob", "rod", "ellipse", "parts"]
    return Culture(
        radius=radius,
        speed=log_uniform(rng, 0.02, 0.5) * radius * settings.motion,
        roundness=roughness,
        contrast=log_uniform(rng, 0.08, 0.7),
        outlines=tuple(draw_outline(rng, str(rng.choice(kinds)), roughness=roughness) for _ in range(3)),
        floor=rng.uniform(0.3, 0.65) if phase else rng.uniform(0.0, 0.15),
        phase=phase,
    )


def _scattered(rng: Rng, count: int, size: tuple[int, int], *, distance: float) -> Field:
    """Draw (count, 2) places, trying to keep a distance, so that most cells are apart and some touch."""
    tries = rng.uniform(-0.02, 1.02, (8 * count, 2)) * np.array(size)
    chosen = [tries[0]]
    for place in tries[1:]:
        if len(chosen) == count:
            break
        gaps = np.hypot(*(np.array(chosen) - place).T)
        if gaps.min() > distance * rng.uniform(0.5, 1.2):
            chosen.append(place)
    return np.array(chosen, dtype=np.float32)


def _medium(rng: Rng, size: tuple[int, int], culture: Culture) -> Field:
    """Draw what lies between the cells."""
    wave = noise_field(rng, size, cells=rng.uniform(1, 4))
    field = culture.floor * (1 + np.float32(rng.uniform(0, 0.3)) * wave)
    if culture.phase or rng.random() < 0.3:
        field = field + np.float32(rng.uniform(0, 0.05)) * fractal_field(rng, size, cells=max(size) / 8, octaves=3)
    return np.clip(field, 0, 1)[..., None].astype(np.float32)


def _cell(rng: Rng, settings: SceneSettings, culture: Culture, *, centre: Field, label: int) -> list[Sprite]:
    """Draw a cell and, where it divides, its daughter (which takes the id after its own)."""
    n_frames = settings.n_frames
    radius = culture.radius * float(np.clip(np.exp(rng.normal(0, 0.2)), 0.6, 1.7))
    walk = smooth_walk(rng, n_frames, dims=2, inertia=rng.uniform(0, 0.9)) * culture.speed
    turn = rng.uniform(0, 2 * np.pi) + 0.12 * settings.motion * smooth_walk(rng, n_frames)[:, 0]
    path = Path(
        (centre + walk).astype(np.float32),
        turn.astype(np.float32),
        (radius * np.exp(0.02 * smooth_walk(rng, n_frames)[:, 0])).astype(np.float32),
        np.clip(0.5 + 0.25 * smooth_walk(rng, n_frames)[:, 0], 0, 1).astype(np.float32),
        _lifetime(rng, n_frames),
    )
    body = _body(rng, culture, radius)
    mother = replace(body, path=path, label=label)
    if n_frames < 3 or rng.random() > 0.08:
        return [mother]
    return _divided(rng, mother, culture, radius=radius)


def _lifetime(rng: Rng, n_frames: int) -> np.ndarray:
    visible = np.ones(n_frames, dtype=bool)
    draw = rng.random()
    if draw < 0.04:
        visible[: int(rng.integers(1, n_frames + 1))] = False
    elif draw < 0.08:
        visible[int(rng.integers(1, n_frames + 1)) :] = False
    return visible


def _divided(rng: Rng, mother: Sprite, culture: Culture, *, radius: float) -> list[Sprite]:
    """Split a cell in two that move apart and are smaller."""
    n_frames = len(mother.path.radii)
    split = int(rng.integers(1, n_frames))
    since = np.clip(np.arange(n_frames) - split + 1, 0, None)
    angle = rng.uniform(0, 2 * np.pi)
    apart = np.minimum(radius * 0.45 + since * rng.uniform(0.1, 0.3) * radius, 1.3 * radius) * (since > 0)
    shift = apart[:, None] * np.array([np.sin(angle), np.cos(angle)])
    radii = mother.path.radii * np.where(since > 0, 0.75, 1.0)
    after = mother.path.visible & (since > 0)
    first = replace(
        mother.path, centres=(mother.path.centres + shift).astype(np.float32), radii=radii.astype(np.float32)
    )
    second = replace(first, centres=(mother.path.centres - shift).astype(np.float32), visible=after)
    assert mother.label is not None
    return [replace(mother, path=first), replace(_body(rng, culture, radius), path=second, label=mother.label + 1)]


def _body(rng: Rng, culture: Culture, radius: float) -> Sprite:
    """Draw the look of a cell, without a place."""
    reach = float(np.clip(3.0 / radius, 0.08, 0.5)) if culture.phase else float(np.clip(1.5 / radius, 0.0, 0.3))
    extent = 1.25 + reach
    n_pixels = int(np.clip(2.2 * extent * radius, 14, 96))
    outline = culture.outlines[int(rng.integers(len(culture.outlines)))].jittered(rng, 0.2)
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=extent, change=0.15 * culture.roundness)
    look = _phase_look if culture.phase else _fluorescent_look
    skin = look(rng, levels.mean(axis=-1), culture, radius=radius)
    nothing = np.zeros(0, dtype=np.float32)
    path = Path(nothing, nothing, nothing, nothing, np.zeros(0, dtype=bool))
    return Sprite(
        levels, skin[..., None].astype(np.float32), extent, path, 0, reach=reach, softness=max(1.2, reach * radius)
    )


def _fluorescent_look(rng: Rng, level: Field, culture: Culture, *, radius: float) -> Field:
    bright = culture.contrast * float(np.exp(rng.normal(0, 0.25)))
    dome = np.clip(level * np.float32(rng.uniform(1.5, 6)) + np.float32(0.45), 0, 1)
    grains = 1 + np.float32(rng.uniform(0.05, 0.35)) * fractal_field(
        rng, level.shape, cells=rng.uniform(3, 8), octaves=3
    )
    field = culture.floor + bright * dome * grains
    if rng.random() < 0.2:
        rim = np.exp(-(((level - np.float32(0.08)) / np.float32(max(0.1, 1.2 / radius))) ** 2))
        field = culture.floor + bright * (np.float32(0.35) * dome + rim)
    return np.clip(field, 0, 1)


def _phase_look(rng: Rng, level: Field, culture: Culture, *, radius: float) -> Field:
    """Draw a body that is darker or brighter than the medium, a bright halo and dark grains."""
    size = level.shape
    contrast = culture.contrast * 0.6
    body = culture.floor + contrast * rng.normal(-0.25, 0.35)
    body = body + contrast * np.float32(0.35) * fractal_field(rng, size, cells=rng.uniform(4, 9), octaves=3)
    width = np.float32(max(0.08, 1.5 / radius))
    halo = np.exp(-(((level + width) / width) ** 2)) * np.float32(contrast * rng.uniform(0.4, 1.2))
    rim = np.exp(-(((level - width) / width) ** 2)) * np.float32(-contrast * rng.uniform(0, 0.8))
    inside = np.clip(level * np.float32(radius) + np.float32(0.5), 0, 1)
    if rng.random() < 0.4:
        rows, columns = grid(size[0], 1.0)
        nucleus = np.hypot(rows - rng.normal(0, 0.12), columns - rng.normal(0, 0.12)) < rng.uniform(0.2, 0.4)
        body = body + np.float32(contrast * rng.normal(0, 0.4)) * nucleus
    return np.clip(culture.floor + inside * (body - culture.floor) + halo + rim, 0, 1)
