"""Random scalar fields, palettes and textures.

Everything smooth is made as a small random lattice and enlarged: that is what keeps a clip cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field: TypeAlias = NDArray[np.float32]
Rng: TypeAlias = np.random.Generator


def enlarge(field: Field, size: tuple[int, int]) -> Field:
    """Resample a field to another size with bicubic interpolation."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC), dtype=np.float32)


def noise_field(rng: Rng, size: tuple[int, int], *, cells: float) -> Field:
    """Draw smooth noise with about `cells` bumps along the longer side."""
    pitch = max(size) / max(cells, 1.0)
    lattice = (max(3, round(size[0] / pitch) + 2), max(3, round(size[1] / pitch) + 2))
    small = rng.standard_normal((min(lattice[0], size[0]), min(lattice[1], size[1])), dtype=np.float32)
    return standardise(small if small.shape == size else enlarge(small, size))


def fractal_field(rng: Rng, size: tuple[int, int], *, cells: float, octaves: int = 4, gain: float = 0.55) -> Field:
    """Sum noise of doubling fineness."""
    total = np.zeros(size, dtype=np.float32)
    weight = 1.0
    for _ in range(octaves):
        if cells > max(size):
            break
        total += np.float32(weight) * noise_field(rng, size, cells=cells)
        cells *= 2.0
        weight *= gain
    return standardise(total)


def standardise(field: Field) -> Field:
    """Shift and scale a field to mean 0 and variance 1 (a constant field becomes 0)."""
    centred = field - field.mean()
    result: Field = centred / np.float32(max(float(centred.std()), 1e-6))
    return result


def squash(field: Field) -> Field:
    """Map a standardised field to 0..1 so that most of the range is used."""
    result: Field = np.clip(field * np.float32(0.25) + np.float32(0.5), 0.0, 1.0)
    return result


def palette(rng: Rng, n_colours: int, *, channels: int, near: Field | None = None, spread: float = 1.0) -> Field:
    """Draw colours.

    ``near``: (m, channels) colours to stay close to.
    """
    if near is not None:
        chosen = near[rng.integers(len(near), size=n_colours)]
        common = rng.normal(0, 0.12 * spread, size=(1, channels))
        own = rng.normal(0, 0.07 * spread, size=(n_colours, 1)) + rng.normal(0, 0.04 * spread, (n_colours, channels))
        return np.clip(chosen + common + own, 0.02, 0.98).astype(np.float32)
    value = rng.uniform(0.08, 0.97, size=(n_colours, 1))
    if channels == 1:
        return value.astype(np.float32)
    # From gaudy to the muted colours of most places.
    saturation = rng.uniform(0, 1, size=(n_colours, 1)) ** rng.uniform(0.7, 2.5) * rng.uniform(0.25, 1.0)
    hue = rng.uniform(0, 2 * np.pi, size=(n_colours, 1))
    if rng.random() < 0.5:
        hue = hue[:1] + rng.normal(0, 0.5, size=(n_colours, 1))
    waves = np.cos(hue + np.array([0.0, 2.0, 4.0]) * np.pi / 3)
    return np.clip(value * (1 - saturation * (0.5 - 0.5 * waves)), 0, 1).astype(np.float32)


def colourise(field: Field, colours: Field, *, hard: bool = False) -> Field:
    """Look a 0..1 field up in a palette.

    ``field`` is (h, w), ``colours`` (n, channels).
    """
    # A table of 256 colours, in steps or interpolated.
    positions = np.linspace(0, len(colours) - 1, 256)
    if hard:
        table = colours[np.minimum((positions + 0.5).astype(np.intp), len(colours) - 1)]
    else:
        nodes = np.arange(len(colours))
        table = np.stack([np.interp(positions, nodes, channel) for channel in colours.T], axis=1).astype(np.float32)
    return np.take(table, (field * np.float32(255)).astype(np.intp), axis=0)


def _axes(size: tuple[int, int]) -> tuple[Field, Field]:
    """Row and column coordinates in units of the longer side, ready to broadcast."""
    longer = max(size)
    rows = np.arange(size[0], dtype=np.float32)[:, None] / np.float32(longer)
    columns = np.arange(size[1], dtype=np.float32)[None, :] / np.float32(longer)
    return rows, columns


def _gradient(rng: Rng, size: tuple[int, int]) -> Field:
    rows, columns = _axes(size)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.float32(np.cos(angle)) * rows + np.float32(np.sin(angle)) * columns
    return squash(standardise(ramp + np.float32(0.1) * noise_field(rng, size, cells=3)))


def _clouds(rng: Rng, size: tuple[int, int]) -> Field:
    return squash(fractal_field(rng, size, cells=rng.uniform(2, 10), octaves=5, gain=rng.uniform(0.4, 0.8)))


def _grain(rng: Rng, size: tuple[int, int]) -> Field:
    return squash(fractal_field(rng, size, cells=rng.uniform(20, max(size) / 2 + 21), octaves=2))


def _stripes(rng: Rng, size: tuple[int, int]) -> Field:
    rows, columns = _axes(size)
    angle, count = rng.uniform(0, np.pi), rng.uniform(3, 20)
    ramp = np.float32(np.cos(angle)) * rows + np.float32(np.sin(angle)) * columns
    bend = np.float32(rng.uniform(0, 1.5)) * noise_field(rng, size, cells=rng.uniform(2, 5))
    wave = np.sin(np.float32(2 * np.pi * count) * ramp + bend) * np.float32(rng.uniform(0.8, 4))
    field: Field = np.clip(np.float32(0.5) + np.float32(0.5) * wave, 0, 1)
    return field


def _rings(rng: Rng, size: tuple[int, int]) -> Field:
    rows, columns = _axes(size)
    distance = np.hypot(rows - np.float32(rng.random()), columns - np.float32(rng.random()))
    phase = np.float32(2 * np.pi * rng.uniform(3, 14)) * distance
    field: Field = np.float32(0.5) + np.float32(0.5) * np.sin(phase + noise_field(rng, size, cells=4))
    return field


def _spots(rng: Rng, size: tuple[int, int]) -> Field:
    field = noise_field(rng, size, cells=rng.uniform(6, 24)) - np.float32(rng.uniform(0.3, 1.2))
    spots: Field = np.clip(field * np.float32(rng.uniform(1, 6)) + np.float32(0.5), 0, 1)
    return spots


def _veins(rng: Rng, size: tuple[int, int]) -> Field:
    field = np.abs(fractal_field(rng, size, cells=rng.uniform(3, 9), octaves=3, gain=0.4))
    veins: Field = np.exp(-field * np.float32(rng.uniform(4, 14)))
    return veins


def _checks(rng: Rng, size: tuple[int, int]) -> Field:
    rows, columns = _axes(size)
    angle, count = rng.uniform(0, np.pi), rng.uniform(3, 10)
    turned = [np.cos(angle) * rows + np.sin(angle) * columns, np.cos(angle) * columns - np.sin(angle) * rows]
    waves = [np.sin(np.float32(2 * np.pi * count) * axis.astype(np.float32)) for axis in turned]
    field: Field = np.clip(np.float32(0.5) + np.float32(3) * waves[0] * waves[1], 0, 1)
    return field


def _patches(rng: Rng, size: tuple[int, int]) -> Field:
    rows, columns = _axes(size)
    warp = np.float32(rng.uniform(0, 0.06)) * noise_field(rng, size, cells=6)
    # Voronoi cells with bent walls.
    best = np.full(size, np.inf, dtype=np.float32)
    field = np.zeros(size, dtype=np.float32)
    for _ in range(int(rng.integers(5, 14))):
        y, x, value = rng.random(3, dtype=np.float32)
        distance = (rows + warp - y) ** 2 + (columns + warp - x) ** 2
        nearer = distance < best
        best = np.where(nearer, distance, best)
        field[nearer] = value
    return field


def _flat(rng: Rng, size: tuple[int, int]) -> Field:
    return np.full(size, rng.random(), dtype=np.float32)


PATTERNS: dict[str, tuple[Callable[[Rng, tuple[int, int]], Field], float]] = {
    "flat": (_flat, 1.0),
    "gradient": (_gradient, 1.0),
    "clouds": (_clouds, 3.5),
    "grain": (_grain, 1.0),
    "stripes": (_stripes, 1.0),
    "rings": (_rings, 0.5),
    "spots": (_spots, 1.0),
    "veins": (_veins, 1.0),
    "checks": (_checks, 0.6),
    "patches": (_patches, 1.5),
}
_WEIGHTS = np.array([weight for _, weight in PATTERNS.values()])
_WEIGHTS /= _WEIGHTS.sum()


def texture(rng: Rng, size: tuple[int, int], *, colours: Field, detail: float = 0.02) -> Field:
    """Draw a texture in the given colours, about 0..1 (not clipped)."""
    name = list(PATTERNS)[rng.choice(len(PATTERNS), p=_WEIGHTS)]
    pattern = PATTERNS[name][0](rng, size)
    result = colourise(pattern, colours, hard=bool(rng.random() < 0.35))
    if rng.random() < 0.35:
        # A second pattern through a soft mask: regions of unlike texture within one surface.
        other = colourise(PATTERNS["clouds"][0](rng, size), colours[::-1])
        mask = np.clip(noise_field(rng, size, cells=rng.uniform(2, 6)) * np.float32(3), 0, 1)[..., None]
        result = result + mask * (other - result)
    if detail > 0:
        cells = max(size) * rng.uniform(0.15, 0.6)
        result = result + np.float32(detail) * noise_field(rng, size, cells=cells)[..., None]
    return result
