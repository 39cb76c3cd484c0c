"""Masks proposed without a model: what is brighter or darker than a level, where the level hardly matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_fill_holes,
    distance_transform_edt,
    find_objects,
    gaussian_filter,
    label,
)

from napari_sam2.data.labels.scores import disc_diameter

from .blobs import Blob
from .candidates import AGREE, INSIDE, ious, shared_pixels
from .ground import ground_of, spread_of
from .mask_proposals import MaskProposal

# Levels between the ground and the extremes; a region is as firm as the share of it that is left two levels on.
_LEVELS, _APART = 24, 2
# Halos, shades and textures are firm, too: bright or dark regions count where the model has masks of this score for
# this share of their pixels, or of their parts'. In noise and halos it has them for a tenth, in nuclei with bright
# spots for most, but not for all.
_SURE, _VOUCHED = 0.5, 0.95
# Such a region is worth as much as a mask that so many places led the model to.
_VOTES = 4
# Noise is smoothed by so many pixels. A region stands out of it by so many robust deviations.
_SMOOTH, _DEVIATIONS = 1.0, 5.0
# Smaller regions are specks, larger ones, as a share of the frame, the ground.
_LEAST_PIXELS, _LARGEST_SHARE = 20, 0.25
# An outline lies where the level is this share of the mean height inside: about half-way up an edge.
_OUTLINE = 0.5
# What is less firm is no region.
_LEAST_FIRM = 0.6
# A region with larger holes than the rest of this share is a ring.
_SOLID = 0.9
# Regions that become one at a lower level are parts of it, if each has this share of the larger one.
_LEAST_PART = 0.3
# A cut that is as deep as this share of what it parts is one between objects; a shallower one is less sure.
_DEEP = 0.25
# A cut of this share of the part's diameter is short: that of touching discs and chains; half a disc is cut off by one
# of 1.4.
_SHORT, _LONG = 0.75, 1.25


def level_proposals(grey: NDArray[np.floating], of_model: Sequence[MaskProposal]) -> list[MaskProposal]:
    """Propose regions of a (Y, X) image as `firm_regions` does, the bright or dark ones that the model vouches for."""
    made = firm_regions(grey)
    sure = [one for one in of_model if one.score >= _SURE]
    kept = []
    for is_bright in (True, False):
        own = [one for one in made if one.place.is_bright is is_bright]
        wholes = [one for one in own if not one.cut]
        if not wholes or not sure:
            continue
        # Where objects touch, the model sees the parts of a region rather than all of it.
        seen = np.zeros(grey.shape, bool)
        for one in compress(own, _seen_by(sure, own, grey.shape)):
            seen[one.area] |= one.mask
        if np.mean([seen[one.area][one.mask].mean() for one in wholes]) >= _VOUCHED:
            kept += [replace(one, votes=_VOTES) for one in own]
    return kept


def _seen_by(
    masks: Sequence[MaskProposal], regions: Sequence[MaskProposal], frame_size: tuple[int, int]
) -> Iterator[bool]:
    """Whether masks agree with each region: one of them, or all that lie in it together."""
    sizes_r, sizes_m = (np.array([one.size for one in some]) for some in (regions, masks))
    shared_rm = shared_pixels(regions, masks, frame_size[1])
    one_agrees = ious(shared_rm, sizes_r, sizes_m).max(axis=1) > AGREE
    for region, agrees, shared_m in zip(regions, one_agrees, shared_rm, strict=True):
        if agrees:
            yield True
            continue
        # What is long is found in halves.
        pieces = np.zeros(frame_size, bool)
        for piece in compress(masks, shared_m > INSIDE * sizes_m):
            pieces[piece.area] |= piece.mask
        both = int(np.count_nonzero(pieces[region.area] & region.mask))
        yield both > AGREE * (int(np.count_nonzero(pieces)) + region.size - both)


def firm_regions(grey: NDArray[np.floating]) -> list[MaskProposal]:
    """Find the firm regions of a (Y, X) image of grey levels, and the parts of those in which several became one."""
    smooth = gaussian_filter(grey.astype(np.float32), _SMOOTH)
    smooth -= ground_of(smooth)
    noise = spread_of(smooth)
    found: list[MaskProposal] = []
    for is_bright in (True, False):
        height = smooth if is_bright else -smooth
        lowest, highest = _DEVIATIONS * noise, float(height.max())
        if highest > lowest:
            # In equal factors: dim objects have as many levels as bright ones.
            levels = np.geomspace(max(lowest, highest / 100), highest, _LEVELS + 1)[:-1]
            found += _Tree(height, levels, is_bright=is_bright).proposals()
    return found


@dataclass(eq=False)
class _Region:
    # Of the level, above the ground.
    height: float
    area: tuple[slice, slice]
    mask: NDArray[np.bool_]
    size: int
    # How high the level is, as a share of the mean height inside.
    share: float
    # The region that it is a part of at the next lower level.
    below: _Region | None = None
    above: tuple[_Region, ...] = ()


class _Tree:
    """Regions above each of some levels, and which of them become one at lower ones."""

    def __init__(self, height: NDArray[np.float32], levels: NDArray[np.floating], *, is_bright: bool) -> None:
        self._is_bright = is_bright
        self._shape = height.shape
        most = _LARGEST_SHARE * height.size
        self.regions: list[list[_Region]] = []
        before: NDArray[np.int32] = np.zeros(height.shape, np.int32)
        parents: list[_Region | None] = []
        for level in levels.tolist():
            labels, _ = label(height > level)
            sizes = np.bincount(labels.ravel())
            here: list[_Region | None] = []
            for index, area in enumerate(find_objects(labels), start=1):
                if not _LEAST_PIXELS <= sizes[index] <= most:
                    here.append(None)
                    continue
                mask = labels[area] == index
                one = _Region(level, area, mask, int(sizes[index]), level / float(height[area][mask].mean()))
                if parents:
                    row, column = np.argwhere(mask)[0]
                    place = before[area[0].start + row, area[1].start + column]
                    one.below = parents[place - 1] if place else None
                    if one.below is not None:
                        one.below.above = (*one.below.above, one)
                here.append(one)
            self.regions.append([one for one in here if one is not None])
            before, parents = labels, here

    def proposals(self) -> Iterator[MaskProposal]:
        """Yield regions at about half of their height, and the parts of each."""
        for one in (one for level in self.regions for one in level):
            firm = _firmness(one)
            if firm < _LEAST_FIRM or one.share < _OUTLINE or (one.below is not None and one.below.share >= _OUTLINE):
                continue
            yield self._proposal(one.area, one.mask, score=firm)
            # What surrounds something else has no parts.
            if one.size > _SOLID * np.count_nonzero(binary_fill_holes(one.mask)):
                parts = _parts(one, one.area, one.mask)
                yield from (self._proposal(one.area, part, score=deep * firm, cut=cut) for part, deep, cut in parts)

    def _proposal(
        self, area: tuple[slice, slice], mask: NDArray[np.bool_], *, score: float, cut: float = 0.0
    ) -> MaskProposal:
        rows, columns = np.nonzero(mask)
        box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        whole = binary_fill_holes(mask[box])
        depth = distance_transform_edt(np.pad(whole, 1))
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        top, left = area[0].start + box[0].start, area[1].start + box[1].start
        place = Blob(float(top + y - 1), float(left + x - 1), float(depth.max()), 0.0, self._is_bright)
        place_area = slice(top, top + whole.shape[0]), slice(left, left + whole.shape[1])
        return MaskProposal(place_area, whole, score, place, cut)


def _firmness(one: _Region) -> float:
    """Share of a region that is left some levels on, of what there is as many levels before; 0 at its peak."""
    upper, lower = [one], one
    for _ in range(_APART):
        upper = [other for here in upper for other in here.above]
        # Where it becomes one with another, it is no more.
        lower = lower.below if lower.below is not None and len(lower.below.above) == 1 else lower
    return sum(other.size for other in upper) / lower.size


def _parts(
    one: _Region, area: tuple[slice, slice], mask: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], float, float]]:
    """Part a mask between the regions that a region has become above, and these again.

    With how deep each cut is, and how deep and narrow.
    """
    while len(one.above) == 1:
        (one,) = one.above
    if len(one.above) < 2:
        return
    seeds = np.zeros(mask.shape, np.int32)
    for number, part in enumerate(one.above, start=1):
        top, left = part.area[0].start - area[0].start, part.area[1].start - area[1].start
        rows, columns = np.nonzero(part.mask)
        seeds[rows + top, columns + left] = number
    nearest = distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    owners = np.where(mask, seeds[tuple(nearest)], 0)
    sizes = np.bincount(owners.ravel(), minlength=len(one.above) + 1)[1:]
    kept = [k for k in range(len(one.above)) if sizes[k] >= _LEAST_PART * sizes.max()]
    for k in kept:
        part = one.above[k]
        if len(kept) > 1:
            # As far as the lowest of the peaks stands above the saddle.
            depth = min((1 - one.height / min(_peak(one.above[i]) for i in kept)) / _DEEP, 1.0)
            yield owners == k + 1, depth, depth * _narrowness(owners == k + 1, owners > 0)
        yield from _parts(part, area, owners == k + 1)


def _peak(one: _Region) -> float:
    return max(map(_peak, one.above), default=one.height)


def _narrowness(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """1 where the cut between a part and the rest is short for the part's size, 0 where it is as long as an object."""
    rest = whole & ~part
    length = sum(
        np.count_nonzero(part[a] & rest[b]) + np.count_nonzero(rest[a] & part[b])
        for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
    )
    diameter = disc_diameter(int(np.count_nonzero(part)))
    return min(max((_LONG - length / diameter) / (_LONG - _SHORT), 0.0), 1.0)
