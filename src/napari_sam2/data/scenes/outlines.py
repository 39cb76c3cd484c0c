"""Outlines of objects as level maps: positive inside, about the distance to the border, in units of the object's radius."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .textures import Field, Rng

OUTLINES = ("ellipse", "blob", "polygon", "star", "rod", "ring", "parts")


@dataclass(frozen=True)
class Outline:
    """A shape given by a few numbers, so that a slightly different one can be drawn from it.

    Attributes
    ----------
    kind : str
        One of `OUTLINES`.
    aspect : float
        Height over width of the whole, 0 to 1.
    first, second : ndarray
        Float arrays whose meaning depends on the kind: amplitudes and phases, radii and angles, lengths and angles of parts.
    """

    kind: str
    aspect: float
    first: Field
    second: Field

    def jittered(self, rng: Rng, amount: float) -> Outline:
        """Return a similar outline: `amount` is about the relative change."""
        return replace(
            self,
            aspect=float(np.clip(self.aspect * np.exp(rng.normal(0, amount)), 0.15, 1.0)),
            first=self.first * np.exp(rng.normal(0, amount, self.first.shape)).astype(np.float32),
            second=self.second + rng.normal(0, amount, self.second.shape).astype(np.float32),
        )

    def level(self, grid: tuple[Field, Field]) -> Field:
        """Evaluate the level map.

        Parameters
        ----------
        grid : tuple of ndarray
            Row and column coordinates in units of the radius.

        Returns
        -------
        ndarray
            float32, positive inside.
        """
        rows, columns = grid
        aspect = np.float32(self.aspect)
        return aspect * _LEVELS[self.kind](self, rows / aspect, columns)


def draw_outline(rng: Rng, kind: str | None = None, *, roughness: float = 1.0) -> Outline:
    """Draw an outline that fits into the unit circle.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    kind : str, optional
        One of `OUTLINES`; drawn if not given.
    roughness : float
        How far blobs stray from ellipses.

    Returns
    -------
    Outline
        The shape.
    """
    kind = kind or str(rng.choice(OUTLINES, p=(0.15, 0.27, 0.14, 0.08, 0.1, 0.06, 0.2)))
    aspect = float(rng.uniform(0.45, 1.0))
    if kind == "ellipse":
        return Outline(kind, aspect, np.ones(1, np.float32), np.zeros(1, np.float32))
    if kind == "blob":
        amplitudes = rng.normal(0, 0.22 * roughness, 6) / np.arange(2, 8) ** 0.7
        return Outline(kind, aspect, amplitudes.astype(np.float32), _angles(rng, 6))
    if kind == "polygon":
        corners = int(rng.integers(3, 8))
        turns = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.normal(0, 0.6 / corners, corners)
        return Outline(kind, aspect, rng.uniform(0.55, 0.85, corners).astype(np.float32), turns.astype(np.float32))
    if kind == "star":
        points = 2 * int(rng.integers(3, 8))
        radii = np.where(np.arange(points) % 2, rng.uniform(0.35, 0.7), 1.0) * rng.uniform(0.85, 1, points)
        turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
        return Outline(kind, aspect, radii.astype(np.float32), turns.astype(np.float32))
    if kind == "rod":
        return Outline(
            kind, 1.0, np.array([rng.uniform(0.08, 0.35)], np.float32), rng.normal(0, 0.3, 1).astype(np.float32)
        )
    if kind == "ring":
        return Outline(kind, aspect, np.array([rng.uniform(0.12, 0.35)], np.float32), np.zeros(1, np.float32))
    if kind == "parts":
        n_parts = int(rng.integers(2, 6))
        return Outline(
            kind, float(rng.uniform(0.7, 1)), rng.uniform(0.3, 0.8, n_parts).astype(np.float32), _angles(rng, n_parts)
        )
    raise ValueError(f"No outline is called {kind!r}; choose one of {', '.join(OUTLINES)}.")


def _angles(rng: Rng, count: int) -> Field:
    return rng.uniform(0, 2 * np.pi, count).astype(np.float32)


def _ellipse(outline: Outline, rows: Field, columns: Field) -> Field:
    return np.float32(1) - np.hypot(rows, columns)


def _blob(outline: Outline, rows: Field, columns: Field) -> Field:
    angle = np.linspace(-np.pi, np.pi, 181)
    orders = np.arange(2, 2 + len(outline.first))
    radius = 0.8 + (outline.first[:, None] * np.cos(orders[:, None] * angle + outline.second[:, None])).sum(axis=0)
    radius = np.maximum(radius, 0.25)
    return _polar(rows, columns, radius / max(1.0, radius.max()))


def _star(outline: Outline, rows: Field, columns: Field) -> Field:
    order = np.argsort(np.mod(outline.second, 2 * np.pi))
    angle = np.linspace(-np.pi, np.pi, 361)
    nodes = np.mod(outline.second, 2 * np.pi)[order]
    radius = np.interp(np.mod(angle, 2 * np.pi), nodes, outline.first[order], period=2 * np.pi)
    return np.float32(0.7) * _polar(rows, columns, radius)


def _polar(rows: Field, columns: Field, radius: Field) -> Field:
    """Level of a star-shaped region whose border radius is tabulated from -pi to pi."""
    turn = (np.arctan2(rows, columns) + np.float32(np.pi)) * np.float32((len(radius) - 1) / (2 * np.pi))
    table = radius.astype(np.float32)
    below = np.minimum(turn.astype(np.intp), len(radius) - 2)
    part = turn - below
    border = np.take(table, below) * (np.float32(1) - part) + np.take(table, below + 1) * part
    return border.astype(np.float32) - np.hypot(rows, columns)


def _polygon(outline: Outline, rows: Field, columns: Field) -> Field:
    level = np.full(np.broadcast_shapes(rows.shape, columns.shape), np.inf, dtype=np.float32)
    for offset, angle in zip(outline.first, outline.second, strict=True):
        np.minimum(level, offset - np.sin(angle) * rows - np.cos(angle) * columns, out=level)
    # Three or four half planes alone may leave a corner far out.
    return np.minimum(level, np.float32(1.0) - np.hypot(rows, columns))


def _rod(outline: Outline, rows: Field, columns: Field) -> Field:
    width, bend = outline.first[0], outline.second[0]
    rows = rows - bend * (columns * columns - np.float32(0.4))
    return width - np.hypot(rows, columns - np.clip(columns, width - 1, 1 - width))


def _ring(outline: Outline, rows: Field, columns: Field) -> Field:
    width = outline.first[0]
    return width / 2 - np.abs(np.hypot(rows, columns) - (np.float32(1) - width / 2))


def _parts(outline: Outline, rows: Field, columns: Field) -> Field:
    """Draw a trunk with limbs: capsules that start at the middle."""
    level = np.float32(0.36) - np.hypot(rows * np.float32(1.2), columns)
    for length, angle in zip(outline.first, outline.second, strict=True):
        length = min(float(length), 0.8)
        width = np.float32(0.1 + 0.12 * (0.5 + 0.5 * np.sin(3 * angle)))
        along = np.cos(angle) * columns + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * columns
        limb = width - np.hypot(across, along - np.clip(along, 0, np.float32(length)))
        np.maximum(level, limb, out=level)
    return level


_LEVELS = {
    "ellipse": _ellipse,
    "blob": _blob,
    "polygon": _polygon,
    "star": _star,
    "rod": _rod,
    "ring": _ring,
    "parts": _parts,
}
