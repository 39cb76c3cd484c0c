"""Choice of the size and position of crops: small objects are tracked in a crop that moves along with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .crop import Crop, ObjectLocation, whole

# Side of a crop in extents of the object: the least of a new one, and the limits within which a size is kept.
ROOM = 3.0
LEAST_ROOM, MOST_ROOM = 2.0, 6.0
# No crop is magnified more than this: there is nothing more to see.
MOST_MAGNIFIED = 8.0
# Automatic zoom leaves objects alone whose crop would not be smaller than the frame by at least this.
WORTHWHILE = 0.75
# Most crops that are tried around a click.
_CLOSE_UPS = 3
# Sides are multiples of this many pixels.
_GRAIN = 4
# Factor per frame by which the area grows in which a hidden object is looked for.
SEARCH_GROWTH = 1.2
# Greatest change of an object's extent per frame, as a factor: a leaking mask must not enlarge the crop at once.
BELIEVED_CHANGE = 1.25


@dataclass(frozen=True)
class Zoom:
    """How crops are chosen; a value, without memory of any object."""

    # The crops' side is the frame's longer side divided by this, and more where the object needs it; ``None`` chooses
    # by the object's size.
    factor: float | None
    # Side of the model's input in pixels.
    input_size: int

    def side(self, extent: float, frame_size: tuple[int, int]) -> int | None:
        """Side of a fresh crop for an object of that extent in pixels; ``None`` for the whole frame."""
        # A factor given by the user is a wish: large objects get a larger crop.
        longer = max(frame_size)
        if self.factor is not None:
            side = _GRAIN * math.ceil(max(longer / self.factor, LEAST_ROOM * extent) / _GRAIN)
            return side if side < longer else None
        # Rounded up to the next rung; the tiny difference keeps exact powers on their own rung.
        wanted = max(ROOM * extent, self.input_size / MOST_MAGNIFIED)
        side = self._rung(math.ceil(2 * math.log2(wanted / self.input_size) - 1e-9))
        return side if side <= WORTHWHILE * longer else None

    def _rung(self, power: int) -> int:
        # Sides are the input size times powers of the root of two, so that most growth changes nothing.
        return _GRAIN * round(self.input_size * 2 ** (power / 2) / _GRAIN)

    def fresh(self, place: ObjectLocation, frame_size: tuple[int, int]) -> Crop | None:
        """Choose a new crop around a location; ``None`` for the whole frame.

        ``frame_size``: (Y, X) in pixels.
        """
        side = self.side(place.extent, frame_size)
        return None if side is None else _window(place, side, frame_size)

    def close_ups(self, y: float, x: float, frame_size: tuple[int, int]) -> list[Crop]:
        """Choose crops around a click on an object whose size is not known, the largest first.

        ``y``, ``x``: the click in pixels.
        ``frame_size``: (Y, X) in pixels.
        """
        click = ObjectLocation(y, x, 1)
        if self.factor is not None:
            side = self.side(0, frame_size)
            return [] if side is None else [_window(click, side, frame_size)]
        # The first is one rung below the largest crop, since two crops of nearly one size would see the same; each
        # further one is half as large.
        largest = math.floor(2 * math.log2(WORTHWHILE * max(frame_size) / self.input_size))
        sides = [self._rung(largest - 1 - 2 * halved) for halved in range(_CLOSE_UPS)]
        return [_window(click, side, frame_size) for side in sides if side >= self.input_size / MOST_MAGNIFIED]

    def follow(self, view: Crop | None, place: ObjectLocation, frame_size: tuple[int, int]) -> Crop | None:
        """Choose the crop for the next frame.

        ``frame_size``: (Y, X) in pixels.
        """
        side = max(frame_size if view is None else view.size)
        # The size changes only where it must, from and to the whole frame, too: resampling blurs the memories.
        most = max(MOST_ROOM * place.extent, self.input_size / MOST_MAGNIFIED)
        if view is None and side <= most:
            return None
        # Keep the size as long as the object fits; only the position changes.
        if view is not None and LEAST_ROOM * place.extent <= side and (self.factor is not None or side <= most):
            return _window(place, side, frame_size)
        return self.fresh(place, frame_size)


def hidden_place(place: ObjectLocation, frame_size: tuple[int, int]) -> ObjectLocation:
    """Location to search on the next frame for an object that was not seen: the same spot, a little wider."""
    return ObjectLocation(place.y, place.x, min(place.extent * SEARCH_GROWTH, float(max(frame_size))))


def steady_place(place: ObjectLocation, last: ObjectLocation) -> ObjectLocation:
    """Limit a new location by the last one: no jumps, no sudden growth."""
    extent = min(max(place.extent, last.extent / BELIEVED_CHANGE), last.extent * BELIEVED_CHANGE)
    y = min(max(place.y, last.y - last.extent), last.y + last.extent)
    x = min(max(place.x, last.x - last.extent), last.x + last.extent)
    return ObjectLocation(y, x, extent)


def whole_if_none(view: Crop | None, frame_size: tuple[int, int]) -> Crop:
    """Replace ``None`` by the crop that is the whole frame."""
    return whole(frame_size) if view is None else view


def make_zoom(zoom: str | float, input_size: int) -> Zoom | None:
    """Make the zoom rule from a user's argument; ``ValueError`` if it is none.

    ``zoom``: ``"off"``, ``"auto"``, or a factor of at least 1.
    ``input_size``: side of the model's input in pixels.
    Returns ``None`` where the model always sees whole frames.
    """
    if zoom == "off":
        return None
    if zoom == "auto":
        return Zoom(None, input_size)
    if isinstance(zoom, int | float) and not isinstance(zoom, bool) and math.isfinite(zoom) and zoom >= 1:
        return Zoom(float(zoom), input_size)
    raise ValueError(f"zoom is 'auto', 'off' or a factor of at least 1, got {zoom!r}")


def _window(place: ObjectLocation, side: int, frame_size: tuple[int, int]) -> Crop:
    # Inside the frame: moved in at the edges, and as long as the frame on an axis that is shorter than the side.
    (top, height), (left, width) = (
        (0, length) if side >= length else (min(max(round(centre - side / 2), 0), length - side), side)
        for centre, length in ((place.y, frame_size[0]), (place.x, frame_size[1]))
    )
    return Crop(top, left, height, width)
