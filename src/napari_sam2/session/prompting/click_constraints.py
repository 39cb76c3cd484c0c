"""Where a mask was clicked on, and its parts that contradict the clicks: what they reject, and specks without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage.segmentation import watershed

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.zoom.crop import Crop

Cell = tuple[int, int]
# A click as deep in a region as this, as a share of the greatest depth there is, is meant for all of it.
MEANT_FOR_ALL = 0.5
# A region that nobody clicked on belongs to the object if it is as large as this share of one that was clicked on.
_PART_OF_IT = 0.25
# A click as near to the edge of the grid as this, in cells, is aimed at what lies along it.
_AT_EDGE = 2
# Where a region is less deep than this share of the depth of a click, a part beyond is another lobe.
_NECK = 0.7


def clicked_cells(grid: Sequence[int], prompt: Prompt, view: Crop) -> list[tuple[Cell, bool]]:
    """Cells of a grid over a crop that were clicked on, some beyond it, and whether the clicks are positive.

    ``grid``: its (h, w).
    """
    if prompt.points is None or prompt.labels is None:
        return []
    scale = np.divide(grid, view.size)
    cells = np.floor((prompt.points + 0.5 - (view.top, view.left)) * scale).astype(int)
    return [((int(y), int(x)), bool(label)) for (y, x), label in zip(cells, prompt.labels, strict=True)]


def rejected_part(mask: NDArray[np.bool_], positive: Sequence[Cell], negative: Sequence[Cell]) -> NDArray[np.bool_]:
    """Find the part of a mask that negative clicks reject.

    A region with clicks of both kinds, or with a negative one near its rim, is split where it is narrow; its deepest
    cell stays unless a negative click lies about as deep. A region with a negative click in its middle and no positive
    one goes as a whole but for lobes about as deep, that a neck parts from it. Clicks, (y, x), that lie beyond the grid
    do not count.
    """
    regions, _ = label(mask)
    out = np.zeros_like(mask)
    # Clicks beside the mask reject nothing of it.
    yes, no = (_on(regions, cells) for cells in (positive, negative))
    for number in {int(regions[cell]) for cell in no}:
        region = regions == number
        out |= _part_of(region, [c for c in yes if region[c]], [c for c in no if region[c]])
    return out


def stray_regions(mask: NDArray[np.bool_], positive: Sequence[Cell]) -> NDArray[np.bool_]:
    """Find the small regions of a mask apart from those with a positive click; none where no click lies in it."""
    # Thin objects hang together by corners.
    regions, _ = label(mask, np.ones((3, 3)))
    meant = np.unique([regions[cell] for cell in _on(regions, positive)]).astype(int)
    if not len(meant):
        return np.zeros_like(mask)
    # A large one may be the object behind something that covers its middle.
    areas = np.bincount(regions.ravel())
    small = np.flatnonzero(areas < _PART_OF_IT * areas[meant].max())
    return np.isin(regions, np.setdiff1d(small, [0, *meant]))


def depth_in(region: NDArray[np.bool_], clicks: Sequence[Cell], *, finer: int = 1) -> NDArray[np.float64]:
    """Distance of each cell in a region to its outline, in cells of a grid that is so much ``finer``.

    The edge of the grid is no outline of the object, which may go on beyond it, but on sides where a click lies.
    """
    height, width = (length // finer for length in region.shape)
    padded = np.pad(region, 1, mode="edge")
    for y, x in clicks:
        sides = (y, np.s_[0]), (height - 1 - y, np.s_[-1]), (x, np.s_[:, 0]), (width - 1 - x, np.s_[:, -1])
        for distance, side in sides:
            if distance < _AT_EDGE:
                padded[side] = False
    return np.asarray(distance_transform_edt(padded)[1:-1, 1:-1])


def _part_of(region: NDArray[np.bool_], yes: list[Cell], no: list[Cell]) -> NDArray[np.bool_]:
    depth = depth_in(region, no)
    if max(depth[cell] for cell in no) < MEANT_FOR_ALL * depth.max():
        # A positive click far off, on a head for example, does not make a negative one beside the body reject the body.
        yes = [*yes, _deepest(depth)]
    # Two objects were taken for one, and one of them is meant.
    yes = yes or _other_lobes(depth, no)
    if not yes:
        return region
    # Basins grow from the clicks through the depth and meet where the region is narrow.
    markers = np.zeros(region.shape, dtype=np.int32)
    for cells, mark in ((yes, 1), (no, 2)):
        for cell in cells:
            markers[cell] = mark
    return np.asarray(watershed(-depth, markers, mask=region) == 2)


def _other_lobes(depth: NDArray[np.float64], no: Sequence[Cell]) -> list[Cell]:
    """Find the deepest cells of parts of a region that a neck parts from the clicks and that are about as deep."""
    lobes, count = label(depth > _NECK * max(depth[cell] for cell in no))
    others = {*range(1, count + 1)} - {int(lobes[cell]) for cell in no}
    deepest = [_deepest(np.where(lobes == number, depth, 0)) for number in others]
    return [cell for cell in deepest if depth[cell] >= MEANT_FOR_ALL * depth.max()]


def _deepest(depth: NDArray[np.float64]) -> Cell:
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y), int(x)


def _on(regions: NDArray[np.int32], cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if within(regions, cell) and regions[cell]]


def within(grid: NDArray[Any], cell: Cell) -> bool:
    """Whether a click lies on the grid."""
    return all(0 <= place < length for place, length in zip(cell, grid.shape, strict=True))
