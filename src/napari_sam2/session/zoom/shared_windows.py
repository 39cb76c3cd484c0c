"""Windows that objects near each other share: encoded once, of which each object sees the part around it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.model.sam2 import NO_OBJECT_LOGIT

from .crop import BEYOND_LOGIT, Crop, ObjectLocation
from .crop_size import LEAST_ROOM, MOST_ROOM

# From so many objects with windows on, they share them; from so many on, also windows larger than their own by a
# factor, which costs a little of what is seen of the smallest.
CROWD, LARGE_CROWD = 8, 24
STEP = 2**0.5
# An object sees no less than this share of a side of its window.
LEAST_SHARE = 0.5
# Two windows whose cells differ by less than this factor show an object at one size.
ALIKE = 1.1


@dataclass(frozen=True)
class WindowPart:
    """A square part of a window's grid of features, in cells."""

    row: int
    column: int
    # Along a side.
    cells: int
    # Cells along a side of the window.
    whole: int

    def _slices(self, side: int) -> tuple[slice, slice]:
        # Maps of finer grids have several cells for each.
        finer = side // self.whole
        rows, columns = (slice(finer * n, finer * (n + self.cells)) for n in (self.row, self.column))
        return rows, columns

    def of(self, map_bchw: Tensor) -> Tensor:
        """Cut the part out of a map of the window, of this grid or a finer one."""
        rows, columns = self._slices(map_bchw.shape[-1])
        return map_bchw[..., rows, columns]

    def of_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Cut the part out of an (h, w) mask."""
        return mask[self._slices(mask.shape[-1])]

    def crop(self, window: Crop) -> Crop:
        """What the part covers of the frame."""
        cell = window.height // self.whole
        return Crop(window.top + cell * self.row, window.left + cell * self.column, *2 * (cell * self.cells,))

    def widen_logits(self, logits_khw: Tensor, *, visible: bool) -> Tensor:
        """Put (masks, h, w) logits of the part into the window, which is background elsewhere."""
        side = logits_khw.shape[-1] // self.cells * self.whole
        wide = logits_khw.new_full((len(logits_khw), side, side), BEYOND_LOGIT if visible else NO_OBJECT_LOGIT)
        rows, columns = self._slices(side)
        wide[:, rows, columns] = logits_khw
        return wide

    def widen_map(self, map_bchw: Tensor) -> Tensor:
        """Put a (1, channels, h, w) map of the part into the window; its border values are repeated around it."""
        after = self.whole - self.cells
        margins = (self.column, after - self.column, self.row, after - self.row)
        return F.pad(map_bchw, margins, mode="replicate")


@dataclass(frozen=True)
class SharedWindow:
    """The window in which an object is seen together with others, and the part of it that it sees."""

    window: Crop
    part: WindowPart


def share_windows(
    wanted: Mapping[int, tuple[Crop, ObjectLocation]], *, frame_size: tuple[int, int], grid: int
) -> dict[int, SharedWindow]:
    """Find few windows in which all of some objects are seen.

    ``wanted``: by object, the square window that it would have by itself, and where it is expected.
    ``grid``: cells along a side of a window's features.
    """
    most, steps = min(frame_size) // grid, (1.0, STEP) if len(wanted) >= LARGE_CROWD else (1.0,)
    by_cell: dict[int, dict[int, ObjectLocation]] = {}
    for i, (view, place) in wanted.items():
        # Cells of whole pixels, so that parts of windows lie on their grids: sides change by little.
        sides = {view.height * step for step in steps if step == 1 or view.height * step <= MOST_ROOM * place.extent}
        for cell in {min(max(round(side / grid), 1), most) for side in sides} - {0}:
            by_cell.setdefault(cell, {})[i] = place
    offers = [_Offer.of(cell, by_cell[cell], frame_size=frame_size, grid=grid) for cell in sorted(by_cell)]
    # Always the window next that shows most of the objects left, the smallest of several.
    left, found = {i for places in by_cell.values() for i in places}, dict[int, SharedWindow]()
    while left:
        best = max((offer.best(left) for offer in offers), key=len)
        found |= best
        left -= best.keys()
    return found


@dataclass(frozen=True)
class _Offer:
    """Windows of one size and the objects that may be seen in them."""

    ids: tuple[int, ...]
    # Pixels on a side of a cell, and cells on a side of a window.
    cell: int
    grid: int
    # For each object, the cells on a side of the part around it, and its corner.
    cells: NDArray[np.int_]
    corners: NDArray[np.int_]
    # Between these lie the corners of the windows that hold the part.
    lowest: NDArray[np.int_]
    highest: NDArray[np.int_]

    @classmethod
    def of(cls, cell: int, places: Mapping[int, ObjectLocation], *, frame_size: tuple[int, int], grid: int) -> _Offer:
        cells = np.array([_cells(place, cell, grid) for place in places.values()])
        sides = zip(places.values(), (cell * cells).tolist(), strict=True)
        corners = np.array([_corner(place, side, frame_size) for place, side in sides])
        lowest = np.maximum(corners + cell * (cells[:, None] - grid), 0)
        highest = np.minimum(corners, np.array(frame_size) - cell * grid)
        return cls((*places,), cell, grid, cells, corners, lowest, highest)

    def best(self, left: Set[int]) -> dict[int, SharedWindow]:
        """The window that shows most of the objects left, by object."""
        rows = [k for k, i in enumerate(self.ids) if i in left]
        if not rows:
            return {}
        lowest, highest = self.lowest[rows], self.highest[rows]
        # A corner can be moved up and to the left until it meets the lower end of an object's range on each axis.
        fits = [(low <= low[:, None]) & (low[:, None] <= high) for low, high in zip(lowest.T, highest.T, strict=True)]
        hits = fits[0].astype(np.float32) @ fits[1].T.astype(np.float32)
        row, column = np.unravel_index(int(np.argmax(hits)), hits.shape)
        inside = np.flatnonzero(fits[0][row] & fits[1][column])
        # In the middle of what they have in common, all lie as far inside as can be.
        corner = (lowest[inside].max(axis=0) + highest[inside].min(axis=0)) // 2
        return {self.ids[rows[k]]: self._seen(corner, rows[k]) for k in inside}

    def _seen(self, corner: NDArray[np.int_], k: int) -> SharedWindow:
        cells, side = int(self.cells[k]), self.cell * self.grid
        row, column = np.clip(np.rint((self.corners[k] - corner) / self.cell), 0, self.grid - cells).tolist()
        top, left = corner.tolist()
        return SharedWindow(Crop(top, left, side, side), WindowPart(int(row), int(column), cells, self.grid))


def _cells(place: ObjectLocation, cell: int, grid: int) -> int:
    """Side of the part that an object sees, in cells: an even number, so that it has a middle as the window has."""
    step = 2 * max(grid // 24, 1)
    wanted = max(LEAST_ROOM * place.extent / cell, LEAST_SHARE * grid)
    return min(step * -int(-wanted // step), grid)


def _corner(place: ObjectLocation, side: int, frame_size: tuple[int, int]) -> tuple[int, int]:
    top, left = (
        min(max(round(middle - side / 2), 0), length - side)
        for middle, length in zip(place.middle, frame_size, strict=True)
    )
    return top, left


def part_of_memory(view: Crop, place: ObjectLocation, *, seen: SharedWindow, now: ObjectLocation) -> WindowPart | None:
    """The part of an earlier window in which an object lies as it does in the part that is seen now.

    ``view``, ``place``: the earlier window and where the object was. ``seen``, ``now``: likewise. ``None`` where
    the earlier window shows it at another size.
    """
    whole, cells = seen.part.whole, seen.part.cells
    cell = seen.window.height / whole
    if view.height != view.width or not 1 / ALIKE < view.height / seen.window.height < ALIKE:
        return None
    shown = seen.part.crop(seen.window)
    row, column = (
        min(max(round(whole * (then - first) / view.height - (here - corner) / cell), 0), whole - cells)
        for then, first, here, corner in zip(
            place.middle, (view.top, view.left), now.middle, (shown.top, shown.left), strict=True
        )
    )
    return WindowPart(row, column, cells, whole)
