"""Kind "cells": near-similar cells in fluorescence, phase contrast or oblique light that wander, touch and divide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.synthetic.imaging import Imaging, draw_imaging
from napari_sam2.synthetic.random_outlines import draw_outline
from napari_sam2.synthetic.scene_motion import Path, draw_camera, log_uniform, smooth_walk, still_path
from napari_sam2.synthetic.scene_settings import DrawnScene, SceneSettings
from napari_sam2.synthetic.sprites import Labels, Scene, Sprite, background_size, compose
from napari_sam2.synthetic.textures import Field, Rng, colourise, palette

from .cell_looks import Culture, draw_body, medium


def draw_cells(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw 4 to 40 cells; a dividing cell keeps its id and its daughter gets a new one."""
    count = int(rng.integers(4, 41))
    culture = _draw_culture(rng, settings, count=count)
    frames, labels = grow(rng, settings, culture=culture, count=count)
    if rng.random() < 0.12:
        frames = _stained(rng, frames)
    return DrawnScene(frames, labels, _microscope(rng, settings, culture=culture))


def grow(rng: Rng, settings: SceneSettings, *, culture: Culture, count: int) -> tuple[Field, Labels]:
    """Paint a culture of up to `count` cells, their daughters and some dirt."""
    # A cell and its daughters take labels in a row.
    sprites: list[Sprite] = []
    for centre in _scattered(rng, count, size=settings.size, distance=1.7 * culture.radius):
        sprites += _cell(rng, settings, culture=culture, centre=centre, label=len(sprites) + 1)
    camera = draw_camera(rng, settings.n_frames, size=settings.size, strength=0.4 * settings.motion)
    background = medium(rng, background_size(camera, settings.size), culture=culture)
    sprites = [sprites[index] for index in rng.permutation(len(sprites))]
    debris = [_debris(rng, settings, culture=culture) for _ in range(int(rng.integers(0, 8)))]
    return compose(Scene(background, camera, (*debris, *sprites)), settings.size)


def _draw_culture(rng: Rng, settings: SceneSettings, *, count: int) -> Culture:
    unit = min(settings.size)
    look = str(rng.choice(("fluorescent", "phase", "oblique"), p=(0.55, 0.33, 0.12)))
    roughness = log_uniform(rng, 0.15, 1.2)
    largest = min(0.13, 0.5 / np.sqrt(count)) * unit
    kinds = ("blob", "ellipse") if rng.random() < 0.6 else ("blob", "rod", "spindle", "spindle", "parts")
    bright = look == "fluorescent"
    return Culture(
        radius=max(largest * log_uniform(rng, 0.2, 1.0), 0.014 * unit),
        speed=log_uniform(rng, 0.03, 0.6) * settings.motion,
        roughness=roughness,
        contrast=log_uniform(rng, 0.25, 1.0) if bright else log_uniform(rng, 0.12, 0.6),
        outlines=tuple(draw_outline(rng, str(rng.choice(kinds)), roughness=roughness) for _ in range(3)),
        floor=rng.uniform(0.0, 0.2) if bright else rng.uniform(0.3, 0.65),
        look=look,
        light_angle=rng.uniform(0, 2 * np.pi),
    )


def _microscope(rng: Rng, settings: SceneSettings, *, culture: Culture) -> Imaging:
    """Draw the instrument, with no more noise than leaves the cells to be found."""
    imaging = draw_imaging(rng, settings.n_frames, size=settings.size, noise=settings.noise)
    limit = 0.14 * culture.contrast * np.sqrt(culture.radius)
    imaging = replace(imaging, gaussian=min(imaging.gaussian, limit), poisson=min(imaging.poisson, limit))
    blur = np.minimum(imaging.blur, 0.35 * culture.radius)
    if culture.look == "fluorescent":
        shot = min(log_uniform(rng, 0.02, 0.16) * settings.noise, limit)
        return replace(imaging, gamma=1.0, poisson=shot, blur=blur)
    return replace(imaging, blur=blur)


def _scattered(rng: Rng, count: int, *, size: tuple[int, int], distance: float) -> Field:
    """Draw up to (count, 2) places, trying to keep a distance, so that most cells are apart and some touch."""
    tries = rng.uniform(-0.02, 1.02, (8 * count, 2)) * np.array(size)
    if rng.random() < 0.3:
        # Colonies: draw the places in towards a few middles.
        middles = tries[rng.integers(0, 3, len(tries))]
        tries = middles + (tries - middles) * rng.uniform(0.3, 0.8)
    chosen = [tries[0]]
    for point in tries[1:]:
        if len(chosen) == count:
            break
        gaps = np.hypot(*(np.array(chosen) - point).T)
        if gaps.min() > distance * rng.uniform(0.5, 1.2):
            chosen.append(point)
    return np.array(chosen, dtype=np.float32)


def _cell(rng: Rng, settings: SceneSettings, *, culture: Culture, centre: Field, label: int) -> list[Sprite]:
    """Draw a cell and, where it divides, its daughter (which takes the id after its own)."""
    n_frames = settings.n_frames
    radius = culture.radius * float(np.clip(np.exp(rng.normal(0, 0.2)), 0.6, 1.7))
    walk = smooth_walk(rng, n_frames, dims=2, inertia=rng.uniform(0, 0.9)) * culture.speed * culture.radius
    start = rng.uniform(0, 2 * np.pi)
    # Oblique light comes from one side whatever way a cell lies: keep it from turning.
    turn = 0.12 * settings.motion * (culture.look != "oblique")
    path = Path(
        (centre + walk).astype(np.float32),
        (start + turn * smooth_walk(rng, n_frames)[:, 0]).astype(np.float32),
        (radius * np.exp(0.02 * smooth_walk(rng, n_frames)[:, 0])).astype(np.float32),
        np.clip(0.5 + 0.25 * smooth_walk(rng, n_frames)[:, 0], 0, 1).astype(np.float32),
        _lifetime(rng, n_frames),
    )
    mother = draw_body(rng, culture, path=path, label=label)
    if n_frames < 3 or rng.random() > 0.08:
        return [mother]
    return _divided(rng, mother, culture=culture, label=label)


def _lifetime(rng: Rng, n_frames: int) -> NDArray[np.bool_]:
    visible = np.ones(n_frames, dtype=bool)
    draw = rng.random()
    if draw < 0.04:
        visible[: int(rng.integers(1, n_frames + 1))] = False
    elif draw < 0.08:
        visible[int(rng.integers(1, n_frames + 1)) :] = False
    return visible


def _divided(rng: Rng, mother: Sprite, *, culture: Culture, label: int) -> list[Sprite]:
    """Split a cell in two that move apart and are smaller."""
    path = mother.path
    radius = float(path.radii[0])
    frames = np.arange(len(path.radii))
    since = np.clip(frames - int(rng.integers(1, len(frames))) + 1, 0, None)
    angle = rng.uniform(0, 2 * np.pi)
    apart = np.minimum(radius * (0.45 + since * rng.uniform(0.1, 0.3)), 1.3 * radius) * (since > 0)
    shift = (apart[:, None] * np.array([np.sin(angle), np.cos(angle)])).astype(np.float32)
    radii = (path.radii * np.where(since > 0, 0.75, 1.0)).astype(np.float32)
    first = replace(path, centres=path.centres + shift, radii=radii)
    second = replace(first, centres=path.centres - shift, visible=path.visible & (since > 0))
    return [replace(mother, path=first), draw_body(rng, culture, path=second, label=label + 1)]


def _debris(rng: Rng, settings: SceneSettings, *, culture: Culture) -> Sprite:
    """Draw dirt: small or out of focus, unlabelled, lying still."""
    radius = culture.radius * log_uniform(rng, 0.2, 1.3)
    start = (rng.random(2) * settings.size).astype(np.float32)
    path = still_path(settings.n_frames, start, radius=radius, angle=rng.uniform(0, 6))
    faint = replace(culture, contrast=culture.contrast * rng.uniform(0.1, 0.6), radius=radius)
    return replace(
        draw_body(rng, faint, path=path, label=0), label=None, softness=max(2.0, rng.uniform(0.3, 1) * radius)
    )


def _stained(rng: Rng, frames: Field) -> Field:
    """Give grey frames false colours or those of a stain: (T, Y, X, 3)."""
    inks = palette(rng, 3, channels=3)
    inks[0] = 0.15 * inks[0] if rng.random() < 0.5 else 1 - 0.15 * inks[0]
    return np.stack([colourise(np.clip(frame[..., 0], 0, 1), inks) for frame in frames])
