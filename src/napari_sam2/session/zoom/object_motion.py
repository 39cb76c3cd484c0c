"""An object's motion between two frames, estimated by matching its surroundings, so that the crop moves along."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.feature import match_template

from .crop import Crop, ObjectLocation

# Half a side of the patch that is matched, and the farthest it can have moved, in extents of the object.
PATCH, REACH = 0.75, 0.75
# Patches are thinned out to about this many pixels an extent.
DETAIL = 24
# What the farthest shift costs, in correlation: look-alikes nearby must match clearly better to be believed.
FAR_COST = 0.15

Look = Callable[[int, Crop], NDArray[np.uint8]]


def moved_place(
    look: Look, place: ObjectLocation, frames: tuple[int, int], *, frame_size: tuple[int, int]
) -> ObjectLocation:
    """Locate an object of one frame on another, by normalised cross-correlation of its surroundings.

    ``look``: returns the (Y, X, 3) uint8 pixels of a frame within a crop.
    ``frames``: the first and the second frame.
    ``frame_size``: (Y, X) in pixels.
    """
    step = max(int(place.extent // DETAIL), 1)
    # The patch is cut from the first frame and looked for in a larger area of the second; large ones are thinned out
    # for speed.
    patch = _around(place, PATCH * place.extent, frame_size)
    reach = step * max(round(REACH * place.extent / step), 1)
    # Margins are whole steps, so that both pictures are thinned out on the same grid.
    above, before = (step * (min(reach, start) // step) for start in (patch.top, patch.left))
    bottom = min(patch.top + patch.height + reach, frame_size[0])
    right = min(patch.left + patch.width + reach, frame_size[1])
    area = Crop(patch.top - above, patch.left - before, bottom - patch.top + above, right - patch.left + before)
    wanted, seen = (
        look(frame, view).mean(axis=2, dtype=np.float32)[::step, ::step]
        for frame, view in zip(frames, (patch, area), strict=True)
    )
    # Too small or too uniform to be recognised: assume that it stayed.
    if min(wanted.shape) < 3 or wanted.std() < 1:
        return place
    # Shifts in pixels for each position of the patch, and the cost of long ones.
    rows, columns = (step * np.arange(n - m + 1) for n, m in zip(seen.shape, wanted.shape, strict=True))
    dy, dx = (rows - above)[:, None], (columns - before)[None, :]
    match = match_template(seen, wanted) - FAR_COST * (dy**2 + dx**2) / reach**2
    row, column = np.unravel_index(int(np.argmax(match)), match.shape)
    return ObjectLocation(place.y + float(dy[row, 0]), place.x + float(dx[0, column]), place.extent)


def _around(place: ObjectLocation, half: float, frame_size: tuple[int, int]) -> Crop:
    top, left = max(round(place.y - half), 0), max(round(place.x - half), 0)
    bottom, right = min(round(place.y + half) + 1, frame_size[0]), min(round(place.x + half) + 1, frame_size[1])
    return Crop(top, left, max(bottom - top, 1), max(right - left, 1))
