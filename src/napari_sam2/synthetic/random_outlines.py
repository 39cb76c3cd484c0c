"""Random outlines of objects as level maps.

A level is positive inside, and about the distance to the border in units of the object's radius.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .textures import Field, Rng

OUTLINES = ("ellipse", "blob", "polygon", "star", "rod", "spindle", "ring", "parts")


@dataclass(frozen=True)
class RandomOutline:
    """A shape given by a few numbers, so that a slightly different one can be drawn from it."""

    # One of `OUTLINES`.
    kind: str
    # Height over width of the whole, 0 to 1.
    aspect: float
    # Float arrays whose meaning depends on the kind: amplitudes and phases, radii and angles, parts and their angles.
    first: Field
    second: Field

    def jittered(self, rng: Rng, amount: float) -> RandomOutline:
        """Return a similar outline: `amount` is about the relative change."""
        return replace(
            self,
            aspect=float(np.clip(self.aspect * np.exp(rng.normal(0, amount)), 0.15, 1.0)),
            first=self.first * np.exp(rng.normal(0, amount, self.first.shape)).astype(np.float32),
            second=self.second + rng.normal(0, amount, self.second.shape).astype(np.float32),
        )

    def level(self, grid: tuple[Field, Field]) -> Field:
        """Evaluate the level map."""
        rows, columns = grid
        aspect = np.float32(self.aspect)
        return aspect * _LEVELS[self.kind](self, rows / aspect, columns)


def draw_outline(rng: Rng, kind: str | None = None, *, roughness: float = 1.0) -> RandomOutline:
    """Draw an outline that fits into the unit circle."""
    kind = kind or str(rng.choice(OUTLINES, p=(0.13, 0.25, 0.13, 0.06, 0.07, 0.04, 0.05, 0.27)))
    if kind not in OUTLINES:
        raise ValueError(f"No outline is called {kind!r}; choose one of {', '.join(OUTLINES)}.")
    aspect = float(rng.uniform(0.45, 1.0))
    first: NDArray[np.floating] = np.ones(1)
    second: NDArray[np.floating] = np.zeros(1)
    if kind == "blob":
        first, second = rng.normal(0, 0.22 * roughness, 6) / np.arange(2, 8) ** 0.7, _angles(rng, 6)
    elif kind == "polygon":
        corners = int(rng.integers(3, 8))
        first = rng.uniform(0.55, 0.85, corners)
        second = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.normal(0, 0.6 / corners, corners)
    elif kind == "star":
        points = 2 * int(rng.integers(3, 8))
        first = np.where(np.arange(points) % 2, rng.uniform(0.35, 0.7), 1.0) * rng.uniform(0.85, 1, points)
        second = np.linspace(0, 2 * np.pi, points, endpoint=False)
    elif kind in ("rod", "spindle"):
        aspect, first, second = 1.0, rng.uniform(0.08, 0.35, 1), rng.normal(0, 0.3, 1)
    elif kind == "ring":
        first = rng.uniform(0.12, 0.35, 1)
    elif kind == "parts":
        aspect = float(rng.uniform(0.7, 1))
        n_parts = int(rng.integers(2, 7))
        columns = (rng.uniform(-0.45, 0.45, n_parts), rng.uniform(0.3, 0.9, n_parts), rng.uniform(0.04, 0.2, n_parts))
        first, second = np.stack(columns, axis=1), _limb_angles(rng, n_parts)
    return RandomOutline(kind, aspect, np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32))


def _angles(rng: Rng, count: int) -> Field:
    return rng.uniform(0, 2 * np.pi, count).astype(np.float32)


def _limb_angles(rng: Rng, count: int) -> Field:
    """Draw the directions of limbs: any, or legs that hang down and a neck that rises."""
    if rng.random() < 0.5:
        return _angles(rng, count)
    legs = np.pi / 2 + rng.normal(0, 0.2, count)
    legs[0] = -rng.uniform(0.2, np.pi - 0.2)
    return legs.astype(np.float32)


def _ellipse(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    return np.float32(1) - np.hypot(rows, columns)


def _blob(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    # A circle whose radius is a sum of waves, scaled to fit.
    angle = np.linspace(-np.pi, np.pi, 181)
    orders = np.arange(2, 2 + len(outline.first))
    radius = 0.8 + (outline.first[:, None] * np.cos(orders[:, None] * angle + outline.second[:, None])).sum(axis=0)
    radius = np.maximum(radius, 0.25)
    return _polar(rows, columns, radius=radius / max(1.0, float(radius.max())))


def _star(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    # Straight lines between tips and notches, in polar coordinates.
    order = np.argsort(np.mod(outline.second, 2 * np.pi))
    angle = np.linspace(-np.pi, np.pi, 361)
    nodes = np.mod(outline.second, 2 * np.pi)[order]
    radius = np.interp(np.mod(angle, 2 * np.pi), nodes, outline.first[order], period=2 * np.pi)
    return np.float32(0.7) * _polar(rows, columns, radius=radius)


def _polar(rows: Field, columns: Field, *, radius: NDArray[np.floating]) -> Field:
    """Level of a star-shaped region whose border radius is tabulated from -pi to pi."""
    # The radius at each pixel's angle, interpolated in the table.
    turn = (np.arctan2(rows, columns) + np.float32(np.pi)) * np.float32((len(radius) - 1) / (2 * np.pi))
    table = radius.astype(np.float32)
    below = np.minimum(turn.astype(np.intp), len(radius) - 2)
    part = turn - below
    border = np.take(table, below) * (np.float32(1) - part) + np.take(table, below + 1) * part
    level: Field = border.astype(np.float32) - np.hypot(rows, columns)
    return level


def _polygon(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    # Inside all of several half planes.
    level = np.full(np.broadcast_shapes(rows.shape, columns.shape), np.inf, dtype=np.float32)
    for offset, angle in zip(outline.first, outline.second, strict=True):
        np.minimum(level, offset - np.sin(angle) * rows - np.cos(angle) * columns, out=level)
    # Three or four half planes alone may leave a corner far out.
    return np.minimum(level, np.float32(1.0) - np.hypot(rows, columns), out=level)


def _rod(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    width, bend = outline.first[0], outline.second[0]
    rows = rows - bend * (columns * columns - np.float32(0.4))
    level: Field = width - np.hypot(rows, columns - np.clip(columns, width - 1, 1 - width))
    return level


def _ring(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    width = outline.first[0]
    level: Field = width / 2 - np.abs(np.hypot(rows, columns) - (np.float32(1) - width / 2))
    return level


def _spindle(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    width, bend = outline.first[0], outline.second[0]
    rows = rows - bend * (columns * columns - np.float32(0.3))
    level: Field = width * (np.float32(1) - columns * columns) - np.abs(rows)
    return level


def _parts(outline: RandomOutline, rows: Field, columns: Field) -> Field:
    """Draw a trunk with limbs: capsules that start on the trunk's axis."""
    level: Field = np.float32(0.28) - np.hypot(rows, columns * np.float32(0.55))
    for (start, length, width), angle in zip(outline.first, outline.second, strict=True):
        reach = np.float32(min(length, 0.97 - abs(start) - width))
        shifted = columns - start
        along = np.cos(angle) * shifted + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * shifted
        limb = width - np.hypot(across, along - np.clip(along, 0, reach))
        np.maximum(level, limb, out=level)
    return level


_LEVELS = {
    "ellipse": _ellipse,
    "blob": _blob,
    "polygon": _polygon,
    "star": _star,
    "rod": _rod,
    "spindle": _spindle,
    "ring": _ring,
    "parts": _parts,
}
