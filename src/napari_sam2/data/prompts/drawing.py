"""How a person drew a prompt: points, shapes and paint, as they are shown again, and what they say about an object."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .drawn_shapes import box_around, fill_outline, points_along

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Size = tuple[int, int]
Box = tuple[float, float, float, float]

# Kinds of shapes, as napari calls them, and what a person calls a prompt that is drawn with them.
SHAPE_KINDS = {"rectangle": "box", "ellipse": "outline", "polygon": "outline", "line": "line", "path": "line"}
# Two places this near to each other are the same: layers may keep coordinates in another type, or be turned.
_CLOSE = 1e-3


class PromptKey(NamedTuple):
    """An object on a frame."""

    frame: int
    object_id: int


class DrawnPoint(NamedTuple):
    """A click, in data pixels."""

    y: float
    x: float
    # 1 on the object, 0 off it.
    label: int

    def is_like(self, other: DrawnPoint) -> bool:
        """Whether it is the same point as another."""
        return self.label == other.label and abs(self.y - other.y) < _CLOSE and abs(self.x - other.x) < _CLOSE


class DrawnShape(NamedTuple):
    """A shape, its corners (y, x) in data pixels; an ellipse has those of the box around it."""

    kind: str
    corners: tuple[tuple[float, float], ...]

    @property
    def prompt_kind(self) -> str:
        """What it is drawn for: ``"box"``, ``"outline"`` or ``"line"``."""
        return SHAPE_KINDS[self.kind]

    def is_like(self, other: DrawnShape) -> bool:
        """Whether it is the same shape as another."""
        same = self.kind == other.kind and len(self.corners) == len(other.corners)
        return same and bool(np.allclose(self.corners, other.corners, rtol=0, atol=_CLOSE))

    def box(self, size: Size) -> Box | None:
        """(y0, x0, y1, x1) around it within a frame of (Y, X) pixels, the ends excluded; None outside."""
        y0, x0, y1, x1 = box_around(np.array(self.corners))
        y0, x0, y1, x1 = max(y0, 0.0), max(x0, 0.0), min(y1, float(size[0])), min(x1, float(size[1]))
        return (y0, x0, y1, x1) if y1 > y0 and x1 > x0 else None

    def clicks(self, size: Size) -> list[DrawnPoint]:
        """Spread a few clicks evenly along it, its ends a little cut."""
        places = points_along(np.array(self.corners))
        return [DrawnPoint(float(y), float(x), 1) for y, x in places if is_inside(y, x, size)]

    def fill(self, mask: NDArray[np.bool_]) -> None:
        """Set the pixels of a (Y, X) mask that lie inside."""
        fill_outline(self.kind, np.array(self.corners), mask)

    def says_something(self, size: Size) -> bool:
        """Whether it can say anything about a frame of (Y, X) pixels; an outline may still lie between the pixels."""
        if self.prompt_kind == "outline":
            corners = np.array(self.corners)
            low, high = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
            return not ((high < np.maximum(low, 0)).any() or (low > np.array(size) - 1).any())
        return bool(self.box(size) if self.prompt_kind == "box" else self.clicks(size))


@dataclass(frozen=True)
class Drawing:
    """All that a person drew about one object on one frame.

    Attributes
    ----------
    points : tuple of DrawnPoint
        Clicks, in the order in which they were made.
    shapes : tuple of DrawnShape
        Boxes, outlines and lines.
    painted : bytes or None
        Painted pixels: bits of the mask, zlib-compressed.
    """

    points: tuple[DrawnPoint, ...] = ()
    shapes: tuple[DrawnShape, ...] = ()
    painted: bytes | None = field(default=None, repr=False)

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_]) -> Drawing:
        """Make a drawing of painted pixels, (Y, X)."""
        return cls(painted=zlib.compress(np.packbits(mask).tobytes(), 1))

    @property
    def kind(self) -> str:
        """What was drawn: ``"points"``, ``"box"``, ``"outline"``, ``"line"`` or ``"paint"``; the firmest counts."""
        kinds = {shape.prompt_kind for shape in self.shapes} | ({"paint"} if self.painted is not None else set())
        return next((kind for kind in ("paint", "outline", "box", "line") if kind in kinds), "points")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.points or self.shapes or self.painted)

    @property
    def has_mask(self) -> bool:
        """Whether it gives a mask, painted or drawn around."""
        return self.painted is not None or any(shape.prompt_kind == "outline" for shape in self.shapes)

    def part(self, name: str) -> Drawing:
        """Return the ``"points"`` or the ``"shapes"`` of it only."""
        return Drawing(points=self.points) if name == "points" else Drawing(shapes=self.shapes)

    def is_like(self, other: Drawing) -> bool:
        """Whether it shows the same points and shapes as another, but for rounding."""
        pairs = [(self.points, other.points), (self.shapes, other.shapes)]
        if any(len(some) != len(others) for some, others in pairs):
            return False
        return all(one.is_like(two) for some, others in pairs for one, two in zip(some, others, strict=True))  # type: ignore[attr-defined]

    def clicks(self, size: Size) -> tuple[DrawnPoint, ...]:
        """All clicks on a frame of (Y, X) pixels, those along lines included."""
        lines = (shape for shape in self.shapes if shape.prompt_kind == "line")
        return (*self.points, *(click for line in lines for click in line.clicks(size)))

    def box(self, size: Size) -> Box | None:
        """(y0, x0, y1, x1) in a frame of (Y, X) pixels; of two boxes the later one counts."""
        boxes = [shape.box(size) for shape in self.shapes if shape.prompt_kind == "box"]
        return boxes[-1] if boxes else None

    def mask(self, size: Size) -> NDArray[np.bool_] | None:
        """(Y, X) bool of the size, made anew each time, as that takes long on large frames; None where it has none."""
        if not self.has_mask:
            return None
        mask = np.zeros(size, bool)
        if self.painted is not None:
            bits = np.frombuffer(zlib.decompress(self.painted), np.uint8)
            mask = np.unpackbits(bits, count=size[0] * size[1]).reshape(size).astype(bool)
        for shape in self.shapes:
            if shape.prompt_kind == "outline":
                shape.fill(mask)
        return mask

    def extends(self, earlier: Drawing, size: Size) -> bool:
        """Whether this only adds clicks to an earlier drawing, so that its mask can be refined and not made anew."""
        firm = [[shape for shape in one.shapes if shape.prompt_kind != "line"] for one in (self, earlier)]
        clicks, before = self.clicks(size), earlier.clicks(size)
        return firm[0] == firm[1] and self.painted == earlier.painted and clicks[: len(before)] == before

    def joined(self, other: Drawing) -> Drawing:
        """Return this with what another adds; painted pixels are those of the other, if it has any."""
        points = [point for point in other.points if not any(point.is_like(known) for known in self.points)]
        shapes = [shape for shape in other.shapes if not any(shape.is_like(known) for known in self.shapes)]
        return Drawing((*self.points, *points), (*self.shapes, *shapes), other.painted or self.painted)

    def changed(self, before: Drawing, after: Drawing) -> Drawing:
        """Return this with what a layer held of it before exchanged for what it holds after."""
        # Most often the layer held all of it; else what another layer holds stays.
        points, shapes = self.points, self.shapes
        if before.points != after.points:
            points = after.points if points == before.points else _exchanged(points, before.points, after.points)
        if before.shapes != after.shapes:
            shapes = after.shapes if shapes == before.shapes else _exchanged(shapes, before.shapes, after.shapes)
        return Drawing(points, shapes, self.painted)


def _exchanged(rows: tuple[Any, ...], before: Iterable[Any], after: Iterable[Any]) -> tuple[Any, ...]:
    gone, new = list(before), list(after)
    # What is in both stays where it is.
    for row in [row for row in gone if row in new]:
        gone.remove(row)
        new.remove(row)
    kept = []
    for row in rows:
        twins = [one for one in gone if row.is_like(one)]
        if twins:
            gone.remove(twins[0])
        else:
            kept.append(row)
    return (*kept, *new)


def is_inside(y: float, x: float, size: Size) -> bool:
    """Whether a place lies on the image; its border pixels reach half a pixel beyond their centres."""
    return bool(-0.5 <= y <= size[0] - 0.5 and -0.5 <= x <= size[1] - 0.5)
