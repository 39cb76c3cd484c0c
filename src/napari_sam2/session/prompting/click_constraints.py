"""What clicks say is not the object, and the model's mask holds nevertheless: the mask has to follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage.segmentation import watershed

Cell = tuple[int, int]
# A click as deep in a region as this, as a share of the greatest depth there is, is meant for all of it.
_MEANT_FOR_ALL = 0.5
# A region that nobody clicked on belongs to the object if it is as large as this share of one that was clicked on.
_PART_OF_IT = 0.25


def denied(mask: NDArray[np.bool_], said_yes: Sequence[Cell], said_no: Sequence[Cell]) -> NDArray[np.bool_]:
    """Find the part of a mask that clicks say is not the object.

    Where a region holds clicks of both kinds, or one near its rim, it is parted where it is narrow, and its deepest
    place stays unless a "no" lies about as deep. A region that was clicked on in the middle, and nowhere with "yes",
    goes as a whole.

    ``mask``: (h, w) bool.
    ``said_yes``, ``said_no``: (y, x) cells that were clicked on; those beyond the grid do not count.
    Result: (h, w) bool, within the mask; nothing where no click said "no" inside it.
    """
    regions, _ = label(mask)
    out = np.zeros_like(mask)
    yes, no = (_on(regions, cells) for cells in (said_yes, said_no))
    for number in {int(regions[cell]) for cell in no}:
        region = regions == number
        out |= _part_of(region, [c for c in yes if region[c]], [c for c in no if region[c]])
    return out


def stray(mask: NDArray[np.bool_], said_yes: Sequence[Cell]) -> NDArray[np.bool_]:
    """Find the small regions of a mask that lie apart from what was clicked on.

    ``mask``: (h, w) bool.
    ``said_yes``: (y, x) cells that were clicked on; those beyond the grid do not count.
    Result: (h, w) bool, within the mask; nothing where no click lies in it.
    """
    # Thin objects hang together by corners.
    regions, _ = label(mask, np.ones((3, 3)))
    meant = np.unique([regions[cell] for cell in _on(regions, said_yes)]).astype(int)
    if not len(meant):
        return np.zeros_like(mask)
    areas = np.bincount(regions.ravel())
    small = np.flatnonzero(areas < _PART_OF_IT * areas[meant].max())
    return np.isin(regions, np.setdiff1d(small, [0, *meant]))


def _part_of(region: NDArray[np.bool_], yes: list[Cell], no: list[Cell]) -> NDArray[np.bool_]:
    # The rim of the grid is no outline: an object may well go on there.
    depth = distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1]
    if max(depth[cell] for cell in no) < _MEANT_FOR_ALL * depth.max():
        # A "yes" far off, on a head, say, does not mean that a "no" beside the body is about the body.
        yes = [*yes, _deepest(depth)]
    if not yes:
        return region
    markers = np.zeros(region.shape, dtype=np.int32)
    for cells, mark in ((yes, 1), (no, 2)):
        for cell in cells:
            markers[cell] = mark
    return np.asarray(watershed(-depth, markers, mask=region) == 2)


def _deepest(depth: NDArray[np.float64]) -> Cell:
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y), int(x)


def _on(regions: NDArray[np.int32], cells: Sequence[Cell]) -> list[Cell]:
    height, width = regions.shape
    return [(y, x) for y, x in cells if 0 <= y < height and 0 <= x < width and regions[y, x]]
