"""Kind "slices": organs and dense tissue cut into slices, as in MRI, CT and confocal stacks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .imaging import Imaging, draw_imaging
from .motion import Path, draw_camera, log_uniform, smooth_walk
from .outlines import draw_outline
from .settings import Drawing, SceneSettings
from .sprites import Labels, Scene, Sprite, background_size, compose, level_maps
from .textures import Field, Rng, fractal_field, noise_field


def draw_slices(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw a stack of slices through organs or through dense tissue."""
    return _draw_tissue(rng, settings) if rng.random() < 0.35 else _draw_organs(rng, settings)


@dataclass(frozen=True)
class Lump:
    """A soft body along z.

    Attributes
    ----------
    middle, half : float
        Slice of its middle, and half its thickness in slices.
    centre : ndarray
        (2,) place in the middle slice.
    radius : float
        Radius in the middle slice, in pixels.
    value : float
        Brightness.
    label : int
        The id it writes, 0 for an unlabelled one.
    """

    middle: float
    half: float
    centre: Field
    radius: float
    value: float
    label: int


def _draw_organs(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw bodies that grow and vanish, some nested, inside a body outline."""
    n_frames, unit = settings.n_frames, min(settings.size)
    middle = np.array(settings.size) / 2
    body_radius = rng.uniform(0.38, 0.62) * unit
    values = [rng.uniform(0, 0.12), rng.uniform(0.2, 0.75)]
    contrast = log_uniform(rng, 0.04, 0.4)
    sprites = [
        _lump_sprite(rng, settings, Lump(n_frames / 2, 3.0 * n_frames, middle, body_radius, values[1], 0), rim=True)
    ]
    count, clutter = int(rng.integers(1, 7)), int(rng.integers(2, 14))
    labelled = rng.permutation(np.array([0] * clutter + [1] * count))
    label = 0
    for is_object in labelled:
        label += int(is_object)
        angle, out = rng.uniform(0, 2 * np.pi), body_radius * np.sqrt(rng.uniform(0, 0.5))
        lump = Lump(
            middle=rng.uniform(-0.2, 1.2) * n_frames if not is_object else rng.uniform(0.1, 0.9) * n_frames,
            half=log_uniform(rng, 0.3, 2.5) * n_frames / max(settings.motion, 0.1),
            centre=(middle + out * np.array([np.sin(angle), np.cos(angle)])).astype(np.float32),
            radius=log_uniform(rng, 0.03, 0.25) * unit,
            value=values[1] + contrast * (float(rng.choice((-1, 1))) * rng.uniform(0.5, 1.5)),
            label=label if is_object else 0,
        )
        sprites.append(_lump_sprite(rng, settings, lump))
        if is_object and rng.random() < 0.3:
            label += 1
            inner = replace(
                lump,
                half=0.8 * lump.half,
                radius=0.5 * lump.radius,
                value=lump.value + rng.normal(0, contrast),
                label=label,
            )
            sprites.append(_lump_sprite(rng, settings, inner))
    camera = draw_camera(rng, n_frames, settings.size, strength=0.15 * settings.motion)
    size = background_size(camera, settings.size)
    air = (
        np.full((*size, 1), values[0], dtype=np.float32)
        + np.float32(0.01) * noise_field(rng, size, cells=20)[..., None]
    )
    frames, labels = compose(Scene(air, camera, tuple(sprites)), settings.size)
    frames *= _bias(rng, settings.size)
    return Drawing(frames, labels, _scanner(rng, settings))


def _lump_sprite(rng: Rng, settings: SceneSettings, lump: Lump, *, rim: bool = False) -> Sprite:
    """Turn a lump into a sprite whose radius follows its thickness through the slices."""
    n_frames = settings.n_frames
    depth = (np.arange(n_frames) - lump.middle) / lump.half
    thickness = np.sqrt(np.clip(1 - depth**2, 0, 1))
    drift = smooth_walk(rng, n_frames, dims=2, inertia=0.9) * 0.008 * settings.motion * min(settings.size)
    path = Path(
        (lump.centre + drift).astype(np.float32),
        np.full(n_frames, rng.uniform(0, 2 * np.pi), dtype=np.float32) if not rim else np.zeros(n_frames, np.float32),
        (lump.radius * thickness).astype(np.float32),
        np.clip(0.5 + 0.5 * depth, 0, 1).astype(np.float32),
        thickness > 0.05,
    )
    n_pixels = int(np.clip(2.5 * lump.radius, 24, 200))
    outline = draw_outline(
        rng, str(rng.choice(("blob", "blob", "ellipse", "parts" if not rim else "ellipse"))), roughness=0.7
    )
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=1.2, change=rng.uniform(0.05, 0.35))
    grain = np.float32(rng.uniform(0, 0.06)) * fractal_field(rng, levels.shape[:2], cells=rng.uniform(3, 12), octaves=4)
    skin = np.float32(lump.value) + grain
    if rim:
        shell, width = levels.mean(axis=-1), np.float32(rng.uniform(0.02, 0.08))
        skin = skin + np.exp(-(((shell - width) / width) ** 2)) * np.float32(rng.uniform(-0.4, 0.4))
    elif rng.random() < 0.25:
        width = np.float32(max(0.06, 1.5 / lump.radius))
        skin = skin + np.exp(-((levels[..., 0] / width) ** 2)) * np.float32(rng.normal(0, 0.12))
    return Sprite(levels, np.clip(skin, 0.01, 1)[..., None], 1.2, path, lump.label, softness=rng.uniform(0.8, 3.0))


def _bias(rng: Rng, size: tuple[int, int]) -> Field:
    """Draw the uneven sensitivity of a coil: (Y, X, 1)."""
    field = np.exp(np.float32(rng.uniform(0, 0.35)) * noise_field(rng, size, cells=rng.uniform(1, 2.5)))
    return field[..., None].astype(np.float32)


def _scanner(rng: Rng, settings: SceneSettings) -> Imaging:
    imaging = draw_imaging(rng, settings.n_frames, settings.size, noise=settings.noise)
    return replace(imaging, light=None, jpeg_quality=None, gaussian=log_uniform(rng, 0.005, 0.06) * settings.noise)


def _draw_tissue(rng: Rng, settings: SceneSettings) -> Drawing:
    """Draw cells that fill space, between bright walls or as bright nuclei."""
    n_frames, size = settings.n_frames, settings.size
    spacing = log_uniform(rng, 0.06, 0.22) * min(size)
    step = spacing * log_uniform(rng, 0.06, 0.35) * settings.motion
    seeds = _seeds(rng, size, spacing=spacing, depth=step * n_frames)
    warp = [np.float32(0.12 * spacing) * noise_field(rng, size, cells=2.2 * max(size) / spacing) for _ in range(2)]
    tissue = _tissue_mask(rng, size)
    nuclei = bool(rng.random() < 0.3)
    shades = np.concatenate([[0], np.exp(rng.normal(0, 0.25, len(seeds)))]).astype(np.float32)
    wall = rng.uniform(0.6, 1.6) + 0.02 * spacing
    floor, bright, inner = rng.uniform(0.02, 0.15), rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.15)
    frames = np.empty((n_frames, *size, 1), dtype=np.float32)
    labels = np.empty((n_frames, *size), dtype=np.uint8)
    for frame in range(n_frames):
        owner, gap = _cut(seeds, frame * step, size, warp=warp, spacing=spacing)
        if nuclei:
            owner = np.where(gap > 0.16 * spacing, owner, 0).astype(np.uint8)
            field = floor + bright * shades[owner] * np.clip((gap - 0.16 * spacing) * 0.5, 0, 1)
        else:
            field = floor + bright * np.exp(-((gap / wall) ** 2)) + inner * shades[owner]
        owner = np.where(tissue, owner, 0).astype(np.uint8)
        frames[frame, ..., 0] = np.where(tissue, field, floor)
        labels[frame] = owner
    grain = 1 + np.float32(rng.uniform(0, 0.25)) * fractal_field(rng, size, cells=max(size) / 6, octaves=2)
    frames *= grain[..., None] * _bias(rng, size)
    return Drawing(frames, labels, _scanner(rng, settings))


def _seeds(rng: Rng, size: tuple[int, int], *, spacing: float, depth: float) -> Field:
    """Draw cell centres (n, 3) in (z, y, x), at most 255 of them, on a shaken grid."""
    margin = 0.5 * spacing
    axes = [np.arange(-margin, length + margin, spacing) for length in (depth, *size)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    seeds = lattice + rng.uniform(-0.45, 0.45, lattice.shape) * spacing
    if len(seeds) > 255:
        # Labels are bytes: keep the cells nearest to the first slices.
        seeds = seeds[np.argsort(np.abs(seeds[:, 0] - depth / 2))[:255]]
    return rng.permutation(seeds).astype(np.float32)


def _tissue_mask(rng: Rng, size: tuple[int, int]) -> NDArray[np.bool_]:
    if rng.random() < 0.4:
        return np.ones(size, dtype=bool)
    rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    edge = rng.uniform(0.6, 1.1) + 0.08 * noise_field(rng, size, cells=4)
    return np.asarray(np.hypot(rows - rng.normal(0, 0.1), columns - rng.normal(0, 0.1)) < edge)


def _cut(seeds: Field, z: float, size: tuple[int, int], *, warp: list[Field], spacing: float) -> tuple[Labels, Field]:
    """Cut the tissue at one height.

    Returns
    -------
    owner : ndarray
        (Y, X) uint8: one more than the index of the nearest seed.
    gap : ndarray
        (Y, X) float32: about the distance to the nearest wall, in pixels.
    """
    nearest = np.full(size, 1e6, dtype=np.float32)
    second = np.full(size, 1e6, dtype=np.float32)
    owner = np.zeros(size, dtype=np.uint8)
    reach = 1.75 * spacing
    for index in np.flatnonzero(np.abs(seeds[:, 0] - z) < reach):
        depth, y, x = seeds[index] - np.array([z, 0, 0], dtype=np.float32)
        half = np.sqrt(reach**2 - depth**2)
        low = np.maximum([int(y - half), int(x - half)], 0)
        high = np.minimum([int(y + half) + 1, int(x + half) + 1], size)
        if (low >= high).any():
            continue
        box = slice(low[0], high[0]), slice(low[1], high[1])
        rows = np.arange(low[0], high[0], dtype=np.float32)[:, None] - y + warp[0][box]
        columns = np.arange(low[1], high[1], dtype=np.float32)[None, :] - x + warp[1][box]
        distance = np.sqrt(rows * rows + columns * columns + np.float32(depth**2))
        near, owners = nearest[box], owner[box]
        nearer = distance < near
        second[box] = np.minimum(second[box], np.maximum(distance, near))
        owners[nearer] = index + 1
        np.minimum(near, distance, out=near)
    return owner, (second - nearest) * np.float32(0.5)
