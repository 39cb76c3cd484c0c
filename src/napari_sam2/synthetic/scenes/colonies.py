"""Kind "cells", rods: bacteria that lie side by side, grow, push one another and divide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_sam2.synthetic.imaging import draw_imaging
from napari_sam2.synthetic.random_outlines import RandomOutline
from napari_sam2.synthetic.scene_motion import Path, draw_camera, log_uniform
from napari_sam2.synthetic.scene_settings import DrawnScene, SceneSettings
from napari_sam2.synthetic.sprites import Scene, Sprite, background_size, compose
from napari_sam2.synthetic.textures import Rng

from .cell_looks import Culture, draw_body, medium

# Discs along the axis of a rod, which keep rods apart.
_DISCS = np.linspace(-1, 1, 5)
_ROUNDS = 4
# Between the middles of the ends, in widths: what a rod divides at.
_LONGEST = (1.6, 3.6)
# A colony of so many grows no further, as ids have to fit into a byte.
_MOST = 120


@dataclass(frozen=True)
class _Rods:
    """Rods of one moment, in widths of a rod. New ones come last: the id of a rod is its place, counted from 1."""

    # (K, 2) float64, (y, x).
    centres: NDArray[np.floating]
    # (K,) float64: radians, half the distance between the middles of the ends, that at division, and growth per step.
    angles: NDArray[np.floating]
    halves: NDArray[np.floating]
    limits: NDArray[np.floating]
    rates: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.angles)

    @property
    def axes(self) -> NDArray[np.floating]:
        return np.stack([np.sin(self.angles), np.cos(self.angles)], axis=1)


def draw_colony(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw up to 60 rods; a dividing rod hands its id on to one daughter, and the other gets a new one."""
    width = log_uniform(rng, 0.02, 0.06) * min(settings.size)
    culture = _draw_culture(rng, width=width)
    most = int(rng.integers(4, 61))
    rods = _founders(rng, extent=np.array(settings.size) / width)
    while len(rods) < most:
        rods = _step(rng, rods)
    steps = 1 + int(rng.integers(0, 3))
    moments = [rods]
    while len(moments) < settings.n_frames:
        for _ in range(steps):
            rods = _step(rng, rods) if len(rods) < _MOST else rods
        moments.append(rods)
    sprites = _sprites(rng, moments, culture=culture, width=width)
    camera = draw_camera(rng, settings.n_frames, size=settings.size, strength=0.2 * settings.motion)
    background = medium(rng, background_size(camera, settings.size), culture=culture)
    frames, labels = compose(Scene(background, camera, tuple(sprites)), settings.size)
    imaging = draw_imaging(rng, settings.n_frames, size=settings.size, noise=settings.noise)
    limit = 0.2 * culture.contrast
    blur = np.minimum(imaging.blur, 0.12 * width)
    imaging = replace(imaging, gaussian=min(imaging.gaussian, limit), poisson=min(imaging.poisson, limit), blur=blur)
    return DrawnScene(frames, labels, imaging)


def _draw_culture(rng: Rng, *, width: float) -> Culture:
    bright = rng.random() < 0.4
    return Culture(
        radius=width,
        speed=0.0,
        roughness=0.1,
        contrast=log_uniform(rng, 0.3, 1.0),
        outlines=(),
        floor=rng.uniform(0.0, 0.2) if bright else rng.uniform(0.4, 0.7),
        look="fluorescent" if bright else "phase",
        light_angle=0.0,
    )


def _founders(rng: Rng, *, extent: NDArray[np.floating]) -> _Rods:
    """Draw one to three rods to grow colonies from, near the middle of a field of `extent` (y, x)."""
    count = int(rng.integers(1, 4))
    longest = rng.uniform(*_LONGEST)
    return _Rods(
        rng.uniform(0.2, 0.8, (count, 2)) * extent,
        rng.uniform(0, 2 * np.pi, count),
        0.5 * longest * rng.uniform(0.5, 0.9, count),
        0.5 * longest * np.exp(rng.normal(0, 0.12, count)),
        rng.uniform(0.04, 0.08, count),
    )


def _step(rng: Rng, rods: _Rods) -> _Rods:
    """Let all grow, those that are long enough divide, and push apart what overlaps."""
    grown = replace(rods, halves=rods.halves + rods.rates * (rods.halves + 0.5))
    divided = _divide(rng, grown)
    for _ in range(_ROUNDS):
        divided = _push_apart(divided)
    return divided


def _divide(rng: Rng, rods: _Rods) -> _Rods:
    parents = np.flatnonzero(rods.halves > rods.limits)
    if not len(parents):
        return rods
    # The middle of a daughter lies half of its own length, with its ends, from where the mother parts.
    share = np.clip(rng.normal(0.5, 0.04, len(parents)), 0.38, 0.62)
    whole = 2 * rods.halves[parents] + 1
    halves = [np.maximum((part * whole - 1) / 2, 0.05) for part in (share, 1 - share)]
    axes = rods.axes[parents]
    shifts = [((1 - share) * whole / 2)[:, None] * axes, (-share * whole / 2)[:, None] * axes]
    centres, lengths, angles = rods.centres.copy(), rods.halves.copy(), rods.angles.copy()
    centres[parents] += shifts[0]
    lengths[parents] = halves[0]
    angles[parents] += rng.normal(0, 0.06, len(parents))
    longest = np.median(rods.limits) * np.exp(rng.normal(0, 0.12, len(parents)))
    return _Rods(
        np.concatenate([centres, rods.centres[parents] + shifts[1]]),
        np.concatenate([angles, rods.angles[parents] + rng.normal(0, 0.06, len(parents))]),
        np.concatenate([lengths, halves[1]]),
        np.concatenate([rods.limits, longest]),
        np.concatenate([rods.rates, rods.rates[parents] * np.exp(rng.normal(0, 0.1, len(parents)))]),
    )


def _push_apart(rods: _Rods) -> _Rods:
    arms = (_DISCS[None, :] * rods.halves[:, None])[..., None] * rods.axes[:, None]
    discs = (rods.centres[:, None] + arms).reshape(-1, 2)
    # Discs of two rods that are nearer than a width push each other along the line between them.
    gaps = discs[:, None] - discs[None]
    distances = np.hypot(gaps[..., 0], gaps[..., 1]) + 1e-6
    owners = np.repeat(np.arange(len(rods)), len(_DISCS))
    overlaps = np.clip(1 - distances, 0, None) * (owners[:, None] != owners[None])
    pushes = (0.5 * (overlaps / distances)[..., None] * gaps).sum(axis=1).reshape(len(rods), len(_DISCS), 2)
    # What pushes in the middle moves a rod, what pushes at its ends turns it.
    turns = (arms[..., 1] * pushes[..., 0] - arms[..., 0] * pushes[..., 1]).sum(axis=1)
    resistance = (arms**2).sum(axis=(1, 2)) + 1.0
    return replace(
        rods,
        centres=rods.centres + 0.4 * pushes.sum(axis=1),
        angles=rods.angles + np.clip(turns / resistance, -0.2, 0.2),
    )


def _sprites(rng: Rng, moments: list[_Rods], *, culture: Culture, width: float) -> list[Sprite]:
    """Draw every rod from one division to the next, as what is painted keeps its outline."""
    # Some cultures are of rods that look alike, with nothing but a thin line between them.
    seed, alike = int(rng.integers(2**31)), rng.random() < 0.5
    sprites: list[Sprite] = []
    for place in range(len(moments[-1])):
        for first, end in _lives(moments, place):
            look = np.random.default_rng(seed if alike else seed + place + 1)
            bend = rng.normal(0, 0.05)
            path, slimness = _path(moments, place, first=first, end=end, width=width)
            outline = RandomOutline(
                "rod", 1.0, np.full(1, slimness, dtype=np.float32), np.full(1, bend, dtype=np.float32)
            )
            own = replace(culture, outlines=(outline,))
            sprites.append(draw_body(look, own, path=path, label=place + 1, variation=0.0))
    return [sprites[index] for index in rng.permutation(len(sprites))]


def _lives(moments: list[_Rods], place: int) -> list[tuple[int, int]]:
    """Cut the frames of a rod where it has become shorter: (first, end) of each part."""
    first = next(i for i, rods in enumerate(moments) if place < len(rods))
    halves = [float(rods.halves[place]) for rods in moments[first:]]
    cuts = [first + i + 1 for i, (before, after) in enumerate(pairwise(halves)) if after < before]
    return list(pairwise([first, *cuts, len(moments)]))


def _path(moments: list[_Rods], place: int, *, first: int, end: int, width: float) -> tuple[Path, float]:
    """Return where a rod is, and its width over its length at the first of its frames.

    Frames outside of the part repeat the nearest one, unseen.
    """
    shown = [moments[frame] for frame in np.clip(np.arange(len(moments)), first, end - 1)]
    reach = np.array([rods.halves[place] + 0.5 for rods in shown])
    centres = np.array([rods.centres[place] for rods in shown])
    angles = np.array([rods.angles[place] for rods in shown])
    visible = np.zeros(len(moments), dtype=bool)
    visible[first:end] = True
    # It gets longer, not wider.
    path = Path(
        (width * centres).astype(np.float32),
        angles.astype(np.float32),
        (width * reach).astype(np.float32),
        np.zeros(len(moments), dtype=np.float32),
        visible,
        stretch=(reach[0] / reach).astype(np.float32),
    )
    return path, 0.5 / float(reach[0])
