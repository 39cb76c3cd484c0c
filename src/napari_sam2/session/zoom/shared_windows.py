"""Windows that objects near each other share: one encoder pass shows all that are in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .crop import Crop, ObjectLocation
from .crop_size import LEAST_ROOM, window_around

# What a shared window shows around each object at least, on every side and in extents of the object: as much as the
# narrowest window of its own.
MARGIN = (LEAST_ROOM - 1) / 2

# (y0, x0, y1, x1) in frame pixels.
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class OwnWindow:
    """The window that an object would have alone."""

    view: Crop
    # Where the object is expected.
    place: ObjectLocation
    # Its window on the frame before.
    last: Crop | None = None


def share_windows(own: Sequence[OwnWindow], frame_size: tuple[int, int], *, there: Collection[Crop] = ()) -> list[Crop]:
    """Let objects whose windows have one size share as few as will do; one window for each object.

    Nothing but what is given decides, so a run that is taken up again chooses the same ones. No object is seen smaller
    than it would be alone.

    ``frame_size``: (Y, X) in pixels.
    ``there``: windows of other objects on the frame, which cost nothing more.
    """
    views = [window.view for window in own]
    bounds = [_needed(window.place, frame_size) for window in own]
    lone = []
    for i, view in enumerate(views):
        fitting = (other for other in there if other.size == view.size and other.holds(*bounds[i]))
        views[i] = next(fitting, view)
        lone += [i] if views[i] is view else []
    for size in dict.fromkeys(views[i].size for i in lone):
        alike = [i for i in lone if views[i].size == size]
        for group in _joined(_as_before(alike, own, bounds=bounds, size=size), bounds, size):
            if len(group) > 1:
                y0, x0, y1, x1 = _around([bounds[i] for i in group])
                shared = window_around(ObjectLocation((y0 + y1) / 2, (x0 + x1) / 2, 1), max(size), frame_size)
                views = [shared if i in group else view for i, view in enumerate(views)]
    return views


def _needed(place: ObjectLocation, frame_size: tuple[int, int]) -> Bounds:
    """What a window has to show for an object."""
    y0, x0, y1, x1 = place.box
    room = MARGIN * place.extent
    return (
        max(y0 - room, 0.0),
        max(x0 - room, 0.0),
        min(y1 + room, float(frame_size[0])),
        min(x1 + room, float(frame_size[1])),
    )


def _as_before(
    alike: Sequence[int], own: Sequence[OwnWindow], *, bounds: Sequence[Bounds], size: tuple[int, int]
) -> list[list[int]]:
    """Those that shared a window on the frame before, and still fit into one; each alone where they do not."""
    # Who stays together sees the same surroundings as in its memories.
    shared: dict[Crop | int, list[int]] = {}
    for i in alike:
        last = own[i].last
        shared.setdefault(i if last is None else last, []).append(i)
    groups = []
    for group in shared.values():
        groups += [group] if _fits(_around([bounds[i] for i in group]), size) else [[i] for i in group]
    return groups


def _joined(groups: list[list[int]], bounds: Sequence[Bounds], size: tuple[int, int]) -> list[list[int]]:
    """Join groups greedily: from the topmost one, with the nearest others that still fit into one window."""
    boxes = [_around([bounds[i] for i in group]) for group in groups]
    order = sorted(range(len(groups)), key=lambda g: (boxes[g][:2], groups[g]))
    joined = []
    while order:
        seed, *order = order
        group, box = list(groups[seed]), boxes[seed]
        for other in sorted(order, key=lambda g: (_distance(boxes[g], boxes[seed]), groups[g])):
            together = _around([box, boxes[other]])
            if _fits(together, size):
                group, box = group + groups[other], together
                order.remove(other)
        joined.append(group)
    return joined


def _around(boxes: Sequence[Bounds]) -> Bounds:
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def _fits(box: Bounds, size: tuple[int, int]) -> bool:
    return box[2] - box[0] <= size[0] and box[3] - box[1] <= size[1]


def _distance(one: Bounds, other: Bounds) -> float:
    return abs(one[0] + one[2] - other[0] - other[2]) + abs(one[1] + one[3] - other[1] - other[3])
