"""Kind "slices", second half: dense tissue with bright walls between its cells, or bright nuclei in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam2.synthetic.scene_motion import log_uniform
from napari_sam2.synthetic.scene_settings import DrawnScene, SceneSettings
from napari_sam2.synthetic.sprites import Labels
from napari_sam2.synthetic.textures import Field, Rng, fractal_field, noise_field

from .slices import coil_bias, scanner

_MOST_CELLS = 255


@dataclass(frozen=True)
class Tissue:
    """Cells that fill space."""

    # (n, 3) places (z, y, x) in pixels, n at most 255.
    seeds: Field
    # (n,) relative sizes.
    sizes: Field
    # Typical distance between neighbours in pixels.
    spacing: float
    # Two (Y, X) fields in pixels that bend the walls, for rows and columns.
    warp: tuple[Field, Field]


@dataclass(frozen=True)
class Dye:
    """What is bright in the tissue."""

    # Nuclei are, instead of walls.
    nuclei: bool
    # Brightness of the background, of what is dyed and of what lies between the walls.
    floor: float
    bright: float
    inner: float
    # Thickness of the walls in pixels.
    wall: float
    # (n + 1,) relative brightness per label.
    shades: Field
    # (Y, X) factor.
    grain: Field


def draw_tissue(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw cells that fill space, between bright walls or as bright nuclei."""
    n_frames, size = settings.n_frames, settings.size
    spacing = log_uniform(rng, 0.07, 0.28) * min(size)
    step = spacing * log_uniform(rng, 0.04, 0.3) * settings.motion
    tissue = _draw_tissue(rng, size, spacing=spacing, depth=step * n_frames)
    dye = _draw_dye(rng, size, tissue=tissue)
    mask = _mask(rng, size)
    frames = np.empty((n_frames, *size, 1), dtype=np.float32)
    labels = np.empty((n_frames, *size), dtype=np.uint8)
    for frame in range(n_frames):
        field, owner = _stain(tissue, dye, z=frame * step)
        frames[frame, ..., 0] = np.where(mask, field, dye.floor)
        labels[frame] = np.where(mask, owner, 0)
    frames *= coil_bias(rng, size)
    return DrawnScene(frames, labels, scanner(rng, settings, contrast=dye.bright))


def _draw_tissue(rng: Rng, size: tuple[int, int], *, spacing: float, depth: float) -> Tissue:
    axes = [np.arange(-0.5 * spacing, length + 0.5 * spacing, spacing) for length in (depth, *size)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # Every other row is shifted, so that walls meet in threes rather than in fours.
    lattice[:, 2] += 0.5 * spacing * (np.round(lattice[:, 1] / spacing + 0.5) % 2)
    seeds = lattice + rng.uniform(-0.4, 0.4, lattice.shape) * spacing * rng.uniform(0.4, 1.1)
    # Labels are bytes: of too many cells, keep those nearest to the middle of the stack.
    nearest = np.argsort(np.abs(seeds[:, 0] - depth / 2))[:_MOST_CELLS]
    waves = rng.uniform(0.4, 1.6) * max(size) / spacing
    bend = np.float32(rng.uniform(0.01, 0.12) * spacing)
    return Tissue(
        seeds=rng.permutation(seeds[nearest]).astype(np.float32),
        sizes=np.exp(rng.normal(0, rng.uniform(0.02, 0.12), len(nearest))).astype(np.float32),
        spacing=spacing,
        warp=(bend * noise_field(rng, size, cells=waves), bend * noise_field(rng, size, cells=waves)),
    )


def _draw_dye(rng: Rng, size: tuple[int, int], *, tissue: Tissue) -> Dye:
    uneven = fractal_field(rng, size, cells=rng.uniform(2, 8), octaves=4)
    shades = np.exp(rng.normal(0, 0.25, len(tissue.seeds) + 1))
    return Dye(
        nuclei=bool(rng.random() < 0.35),
        floor=rng.uniform(0.02, 0.2),
        bright=rng.uniform(0.2, 0.9),
        inner=rng.uniform(0.0, 0.15),
        wall=float(rng.uniform(0.8, 2.0) + rng.uniform(0.01, 0.09) * tissue.spacing),
        shades=shades.astype(np.float32),
        grain=np.clip(1 + np.float32(rng.uniform(0, 0.25)) * uneven, 0.2, 2).astype(np.float32),
    )


def _stain(tissue: Tissue, dye: Dye, *, z: float) -> tuple[Field, Labels]:
    """Cut the tissue at one height and show what is dyed: brightness and labels, both (Y, X)."""
    owner, nearest, second = _cut(tissue, z)
    # Half the difference is the distance to the wall between two seeds.
    gap = (second - nearest) * np.float32(0.5)
    if not dye.nuclei:
        walls = np.exp(-((gap / np.float32(dye.wall)) ** 2)) * dye.grain
        return np.asarray(dye.floor + dye.bright * walls + dye.inner * dye.shades[owner], dtype=np.float32), owner
    inside = np.minimum(np.float32(0.4 * tissue.spacing) - nearest, gap - np.float32(0.7))
    owner = np.where(inside > 0, owner, 0).astype(np.uint8)
    glow = np.clip(inside * np.float32(4 / tissue.spacing) + np.float32(0.4), 0, 1) * (inside > -1)
    return np.asarray(dye.floor + dye.bright * glow * dye.shades[owner] * dye.grain, dtype=np.float32), owner


def _mask(rng: Rng, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw where there is tissue: everywhere, or a patch with a wavy border."""
    if rng.random() < 0.4:
        return np.ones(size, dtype=bool)
    rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    edge = rng.uniform(0.6, 1.1) + 0.08 * noise_field(rng, size, cells=4)
    return np.asarray(np.hypot(rows - rng.normal(0, 0.1), columns - rng.normal(0, 0.1)) < edge)


def _cut(tissue: Tissue, z: float) -> tuple[Labels, Field, Field]:
    """At one height, the nearest seed of every pixel (its index plus one), and distances to it and to the second."""
    size = tissue.warp[0].shape
    reach = 1.75 * tissue.spacing
    nearest = np.full(size, reach, dtype=np.float32)
    second = np.full(size, reach, dtype=np.float32)
    owner = np.zeros(size, dtype=np.uint8)
    for index in np.flatnonzero(np.abs(tissue.seeds[:, 0] - z) < reach):
        depth, y, x = tissue.seeds[index] - np.array([z, 0, 0], dtype=np.float32)
        half = np.sqrt(reach**2 - depth**2)
        low = np.maximum([int(y - half), int(x - half)], 0)
        high = np.minimum([int(y + half) + 1, int(x + half) + 1], size)
        if (low >= high).any():
            continue
        box = slice(low[0], high[0]), slice(low[1], high[1])
        rows = np.arange(low[0], high[0], dtype=np.float32)[:, None] - y + tissue.warp[0][box]
        columns = np.arange(low[1], high[1], dtype=np.float32)[None, :] - x + tissue.warp[1][box]
        distance = np.sqrt(rows * rows + columns * columns + np.float32(depth**2)) / tissue.sizes[index]
        near, owners = nearest[box], owner[box]
        owners[distance < near] = index + 1
        second[box] = np.minimum(second[box], np.maximum(distance, near))
        np.minimum(near, distance, out=near)
    return owner, nearest, second
