"""Parts of a mask that contradict the clicks: what they reject, specks without one, and changes away from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label, maximum
from skimage.segmentation import watershed

Cell = tuple[int, int]
# A click as deep in a region as this, as a share of the greatest depth there is, is meant for all of it.
_MEANT_FOR_ALL = 0.5
# A region that nobody clicked on belongs to the object if it is as large as this share of one that was clicked on.
_PART_OF_IT = 0.25
# A change that is nowhere deeper than this, in cells, is the same outline drawn anew.
_OUTLINE = 1.5


def rejected_part(mask: NDArray[np.bool_], positive: Sequence[Cell], negative: Sequence[Cell]) -> NDArray[np.bool_]:
    """Find the part of a mask that negative clicks reject.

    A region with clicks of both kinds, or with a negative one near its rim, is split where it is narrow; its deepest
    cell stays unless a negative click lies about as deep. A region with a negative click in its middle and no positive
    one goes as a whole. Clicks, (y, x), that lie beyond the grid do not count.
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


def changed_elsewhere(
    mask: NDArray[np.bool_], earlier: NDArray[np.bool_], clicks: Sequence[tuple[Cell, bool]]
) -> NDArray[np.bool_]:
    """Find the regions in which a corrected mask differs from the earlier one although no click asks for it.

    ``clicks``: cells, and whether they lie on the object. Those that the earlier mask does not follow ask for a change
    around them; where it follows all, the last one does.
    """
    known = [(cell, positive) for cell, positive in clicks if within(earlier, cell)]
    asking = [cell for cell, positive in known if earlier[cell] != positive] or [cell for cell, _ in known[-1:]]
    elsewhere = np.zeros_like(mask)
    for changed in (mask & ~earlier, earlier & ~mask):
        # Clicks beside a change are meant for it, too.
        regions, count = label(changed, np.ones((3, 3)))
        asked = [regions[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].ravel() for y, x in asking]
        depth = distance_transform_edt(np.pad(changed, 1))[1:-1, 1:-1]
        thin = 1 + np.flatnonzero(maximum(depth, regions, np.arange(1, count + 1)) <= _OUTLINE)
        elsewhere |= changed & ~np.isin(regions, np.concatenate([*asked, thin]))
    # A "no" near the rim is meant for what lies there, not for the body behind it.
    depth = distance_transform_edt(np.pad(earlier, 1, mode="edge"))[1:-1, 1:-1]
    meant = max((depth[cell] for cell in asking), default=0.0)
    if 0 < meant < _MEANT_FOR_ALL * depth.max():
        elsewhere |= earlier & ~mask & (depth > 2 * meant + 1)
    return elsewhere


def _part_of(region: NDArray[np.bool_], yes: list[Cell], no: list[Cell]) -> NDArray[np.bool_]:
    # The edge of the grid is no outline of the object, which may go on beyond it: it adds no depth limit.
    depth = distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1]
    if max(depth[cell] for cell in no) < _MEANT_FOR_ALL * depth.max():
        # A positive click far off, on a head for example, does not make a negative one beside the body reject the body.
        yes = [*yes, _deepest(depth)]
    if not yes:
        return region
    # Basins grow from the clicks through the depth and meet where the region is narrow.
    markers = np.zeros(region.shape, dtype=np.int32)
    for cells, mark in ((yes, 1), (no, 2)):
        for cell in cells:
            markers[cell] = mark
    return np.asarray(watershed(-depth, markers, mask=region) == 2)


def _deepest(depth: NDArray[np.float64]) -> Cell:
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y), int(x)


def _on(regions: NDArray[np.int32], cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if within(regions, cell) and regions[cell]]


def within(grid: NDArray[Any], cell: Cell) -> bool:
    """Whether a click lies on the grid."""
    return all(0 <= place < length for place, length in zip(cell, grid.shape, strict=True))
