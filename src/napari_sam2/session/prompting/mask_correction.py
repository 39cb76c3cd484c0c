"""What clicks on a mask that was there before ask for: the regions that they hit, as far as the clicks are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label, maximum, zoom

from .click_constraints import MEANT_FOR_ALL, Cell, depth_in, within

# Outlines are looked at so much finer than the cells of a mask.
_FINER = 2
# A change that is nowhere deeper than this, in cells, is the same outline drawn anew.
_OUTLINE = 1.5
# A click as near to the outline as this, in cells, is aimed at it; a positive one a little farther out, too, tells how
# far the object goes.
_AIMED, _BESIDE = 1.5, 2.0
# In cells, how much farther than twice as far as the click what it is meant for goes.
_SLACK = 0.5


@dataclass(frozen=True)
class MaskCorrection:
    """Clicks that correct a mask."""

    # (h, w) logits of the mask.
    earlier: NDArray[np.float32]
    # Cells of its grid, some beyond it, and whether they lie on the object.
    clicks: Sequence[tuple[Cell, bool]]

    @cached_property
    def asking(self) -> list[tuple[Cell, bool]]:
        """Clicks that ask for a change: those that the mask does not follow; the last one where it follows all."""
        known = [(cell, positive) for cell, positive in self.clicks if within(self.earlier, cell)]
        return [(cell, positive) for cell, positive in known if (self.earlier[cell] > 0) != positive] or known[-1:]

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """(h, w) distance to the outline, in cells; negative outside the mask."""
        inside = zoom(self.earlier, _FINER, order=1, grid_mode=True, mode="nearest") > 0
        if inside.all() or not inside.any():
            return np.full(self.earlier.shape, np.inf if inside.any() else -np.inf)
        # Those that take something away may be about the edge of the grid, too.
        negative = [cell for cell, positive in self.asking if not positive]
        to_rim, to_mask = depth_in(inside, negative, finer=_FINER), depth_in(~inside, [])
        # Pixels beside the outline are half of one away from it.
        fine = np.where(inside, to_rim - 0.5, 0.5 - to_mask) / _FINER
        height, width = self.earlier.shape
        return np.asarray(fine.reshape(height, _FINER, width, _FINER).mean(axis=(1, 3)))

    @property
    def is_aimed(self) -> bool:
        """Whether a click is so near to the outline that it says where exactly it should be."""
        return any(abs(self.depth[cell]) < _AIMED for cell, _ in self.asking)

    def changed_elsewhere(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find the part of a corrected mask that differs from the earlier one although no click asks for it."""
        before = self.earlier > 0
        gone, come = before & ~mask, mask & ~before
        elsewhere = self._not_asked(gone) | self._not_asked(come)
        # A click near the rim is meant for what lies there, not for the body behind it, nor for all of the ground.
        off = {False: 0.0, True: 0.0}
        for cell, positive in self.asking:
            off[positive] = max(off[positive], self.depth[cell] * (-1 if positive else 1))
        if 0 < off[False] < MEANT_FOR_ALL * self.depth.max():
            elsewhere |= gone & (self.depth > 2 * off[False] + _SLACK)
        if 0 < off[True] < _BESIDE and before.any():
            elsewhere |= come & (-self.depth > 2 * off[True] + _SLACK)
        return elsewhere

    def _not_asked(self, changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find the regions of a change that no click lies in or beside and that are more than an outline."""
        regions, count = label(changed, np.ones((3, 3)))
        asked = [regions[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].ravel() for (y, x), _ in self.asking]
        depth = distance_transform_edt(np.pad(changed, 1))[1:-1, 1:-1]
        thin = 1 + np.flatnonzero(maximum(depth, regions, np.arange(1, count + 1)) <= _OUTLINE)
        return changed & ~np.isin(regions, np.concatenate([*asked, thin]))
