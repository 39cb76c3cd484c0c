"""Motion in a clip: paths of objects and of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .textures import Field, Rng


@dataclass(frozen=True)
class Path:
    """Where an object is on each of T frames, in world pixels."""

    # (T, 2) rows (y, x).
    centres: Field
    # (T,) radians.
    angles: Field
    # (T,) pixels.
    radii: Field
    # (T,) 0..1: how far the outline has changed into the second one.
    blend: Field
    # (T,) bool.
    visible: NDArray[np.bool_]
    # (T,) factor on the object's own rows, at most 1, as if it turned away; None for none.
    stretch: Field | None = None


def still_path(n_frames: int, centre: Field, *, radius: float, angle: float = 0.0) -> Path:
    """Return the path of an object that stays at one place (y, x)."""
    return Path(
        np.repeat(np.asarray(centre, dtype=np.float32)[None], n_frames, axis=0),
        np.full(n_frames, angle, dtype=np.float32),
        np.full(n_frames, radius, dtype=np.float32),
        np.zeros(n_frames, dtype=np.float32),
        np.ones(n_frames, dtype=bool),
    )


@dataclass(frozen=True)
class Camera:
    """A view of the world on each of T frames; the frame's centre is the fixed point of zoom and turn."""

    # (T, 2) pixels by which the world moves in the frame, (y, x).
    offsets: Field
    # (T,) radians.
    angles: Field
    # (T,) frame pixels per world pixel.
    zooms: Field

    def project(self, points: Field, frame: int, *, size: tuple[int, int]) -> Field:
        """Map world points (..., 2) in (y, x) to the pixels of a frame."""
        middle = (np.array(size) - 1) / 2
        cos, sin = np.cos(self.angles[frame]), np.sin(self.angles[frame])
        turn = np.array([[cos, sin], [-sin, cos]])
        placed = (points - middle) @ turn.T * self.zooms[frame] + middle + self.offsets[frame]
        return np.asarray(placed, dtype=np.float32)


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_walk(rng: Rng, n_frames: int, *, dims: int = 1, inertia: float = 0.7) -> Field:
    """Draw a random walk with inertia whose typical step is 1; starts at 0."""
    velocity = rng.standard_normal(dims)
    position = np.zeros(dims)
    walked = np.empty((n_frames, dims), dtype=np.float32)
    for frame in range(n_frames):
        walked[frame] = position
        velocity = inertia * velocity + np.sqrt(1 - inertia**2) * rng.standard_normal(dims)
        position = position + velocity / np.sqrt(dims)
    return walked


def draw_camera(rng: Rng, n_frames: int, *, size: tuple[int, int], strength: float) -> Camera:
    """Draw a camera path: still, pan, shake, zoom or several of them.

    ``size``: frame size in pixels.
    """
    offsets = np.zeros((n_frames, 2))
    angles = np.zeros(n_frames)
    zooms = np.ones(n_frames)
    unit = strength * min(size)
    # Pan, shake, roll and zoom, each in some clips.
    if rng.random() < 0.5:
        offsets += smooth_walk(rng, n_frames, dims=2, inertia=0.95) * log_uniform(rng, 0.002, 0.035) * unit
    if rng.random() < 0.35:
        offsets += rng.normal(0, log_uniform(rng, 0.001, 0.015) * unit, size=(n_frames, 2))
    if rng.random() < 0.3:
        angles += smooth_walk(rng, n_frames, inertia=0.9)[:, 0] * 0.02 * strength
    if rng.random() < 0.35:
        zooms = np.exp(smooth_walk(rng, n_frames, inertia=0.95)[:, 0] * 0.02 * strength)
    limit = 0.3 * np.array(size)
    return Camera(
        np.clip(offsets, -limit, limit).astype(np.float32),
        np.clip(angles, -0.5, 0.5).astype(np.float32),
        np.clip(zooms, 0.8, 1.6).astype(np.float32),
    )


def draw_path(rng: Rng, n_frames: int, *, size: tuple[int, int], radius: float, speed: float) -> Path:
    """Draw the path of an object that crosses, wanders, swings, rests, or leaves the frame and comes back.

    ``size``: frame size in pixels.
    ``radius``: the object's radius in pixels.
    ``speed``: typical step per frame in pixels.
    """
    extent = np.array(size, dtype=np.float64)
    start = rng.uniform(0.08, 0.92, 2) * extent
    steps = np.arange(n_frames, dtype=np.float64)
    mode = rng.choice(("walk", "line", "swing", "rest", "return"), p=(0.3, 0.34, 0.14, 0.1, 0.12))
    heading = _heading(rng)
    if mode == "walk":
        centres = start + smooth_walk(rng, n_frames, dims=2, inertia=rng.uniform(0, 0.95)) * speed
    elif mode == "line":
        # Aim the middle of the line at the frame, so that fast objects cross it.
        crossing = rng.uniform(0.15, 0.85, 2) * extent
        centres = crossing + heading * (steps - rng.uniform(0, n_frames - 1))[:, None] * speed
    elif mode == "swing":
        phase = rng.uniform(0, 2 * np.pi) + steps * rng.uniform(0.3, 1.2)
        centres = start + heading * np.sin(phase)[:, None] * speed * 2
    elif mode == "return":
        centres = _there_and_back(rng, steps, extent=extent, radius=radius)
    else:
        centres = start + rng.normal(0, 0.4, size=(n_frames, 2))
    return Path(
        centres.astype(np.float32),
        _angles(rng, n_frames),
        (radius * _sizes(rng, n_frames)).astype(np.float32),
        _blend(rng, n_frames),
        _visible(rng, n_frames),
        _stretch(rng, n_frames),
    )


def draw_crossing_paths(rng: Rng, n_frames: int, *, size: tuple[int, int], radius: float) -> tuple[Path, Path]:
    """Draw the paths of two objects that swing across one another, and are each gone for 20 to 60 frames at a time.

    An object changes (its path's blend goes from 0 to 1) while it is gone.
    """
    extent = np.array(size, dtype=np.float64)
    steps, heading, other = np.arange(n_frames), _heading(rng), _heading(rng)
    middle, reach = rng.uniform(0.4, 0.6, 2) * extent, rng.uniform(0.2, 0.32) * extent.min()
    rate = 2 * np.pi / rng.uniform(36, 72)
    paths = []
    for way, along in ((1.0, heading), (-1.0, 0.8 * heading + 0.2 * other)):
        centres = middle + along * (way * reach * np.cos(rate * steps))[:, None]
        centres = centres + smooth_walk(rng, n_frames, dims=2, inertia=0.9) * 0.4
        visible = _absent_at_times(rng, n_frames)
        gone = np.flatnonzero(~visible)
        changed = np.zeros(n_frames) if not len(gone) else steps > gone[0]
        sizes = radius * np.ones(n_frames, dtype=np.float32)
        paths.append(
            Path(centres.astype(np.float32), _angles(rng, n_frames), sizes, changed.astype(np.float32), visible)
        )
    return paths[0], paths[1]


def _absent_at_times(rng: Rng, n_frames: int) -> NDArray[np.bool_]:
    visible, begin = np.ones(n_frames, dtype=bool), int(rng.integers(8, 20))
    # As many absences as fit with as long a time before and after each.
    while begin + 10 < n_frames:
        length = min(int(rng.integers(20, 61)), (n_frames - begin) * 2 // 3)
        visible[begin : begin + length] = False
        begin += length + int(rng.integers(12, 24))
    return visible


def _heading(rng: Rng) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _there_and_back(
    rng: Rng, steps: NDArray[np.float64], *, extent: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Leave through the nearest side for the middle part of the clip."""
    start = rng.uniform(0.15, 0.85, 2) * extent
    side = int(rng.integers(2))
    away = (extent[side] - start[side] + radius) if start[side] > extent[side] / 2 else -(start[side] + radius)
    course = np.sin(np.pi * np.clip(steps / max(len(steps) - 1, 1) * rng.uniform(0.9, 1.4), 0, 1))
    centres = np.repeat(start[None], len(steps), axis=0)
    centres[:, side] += course * away * rng.uniform(0.8, 1.8)
    centres[:, 1 - side] += steps * rng.normal(0, 0.01) * extent[1 - side]
    return centres


def _angles(rng: Rng, n_frames: int) -> Field:
    start = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.3:
        return np.full(n_frames, start, dtype=np.float32)
    rate = rng.normal(0, 0.12)
    wobble = 0.05 * smooth_walk(rng, n_frames)[:, 0]
    angles: Field = (start + rate * np.arange(n_frames) + wobble).astype(np.float32)
    return angles


def _sizes(rng: Rng, n_frames: int) -> Field:
    """Draw relative sizes: constant, wandering, or coming nearer (or going away) all the time."""
    draw = rng.random()
    if draw < 0.4:
        return np.ones(n_frames, dtype=np.float32)
    growth = smooth_walk(rng, n_frames, inertia=0.9)[:, 0] * rng.uniform(0.005, 0.06)
    if draw > 0.8:
        growth = growth + np.linspace(-0.5, 0.5, n_frames) * rng.normal(0, 0.6)
    sizes: Field = np.exp(np.clip(growth, -0.9, 0.7)).astype(np.float32)
    return sizes


def _stretch(rng: Rng, n_frames: int) -> Field | None:
    if rng.random() < 0.6:
        return None
    tilt = rng.uniform(-0.8, 0.8) + smooth_walk(rng, n_frames, inertia=0.9)[:, 0] * rng.uniform(0.02, 0.12)
    stretch: Field = np.cos(np.clip(tilt, -1.2, 1.2)).astype(np.float32)
    return stretch


def _blend(rng: Rng, n_frames: int) -> Field:
    phase = rng.uniform(0, 2 * np.pi) + np.arange(n_frames) * rng.uniform(0.1, 0.9)
    blend: Field = (0.5 + 0.5 * np.sin(phase)).astype(np.float32)
    return blend


def _visible(rng: Rng, n_frames: int) -> NDArray[np.bool_]:
    visible = np.ones(n_frames, dtype=bool)
    draw = rng.random()
    if draw < 0.05:
        visible[: rng.integers(1, max(n_frames // 2, 2))] = False
    elif draw < 0.1:
        visible[rng.integers(n_frames // 2, n_frames) :] = False
    return visible
