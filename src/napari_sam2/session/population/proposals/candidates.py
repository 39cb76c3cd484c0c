"""Objects that a frame may show: proposals that agree become one candidate, heavier the more places agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_gradient_magnitude
from scipy.sparse import csr_array

from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.data.labels.scores import disc_diameter

from .mask_proposals import MaskInFrame, MaskProposal, outline_contrast

# Masks of this IoU mean one object; of that, they are one candidate.
AGREE, _SAME = 0.7, 0.85
# A pixel belongs to a candidate where this share of the masks that agree has it: models leave out dim rims.
_SHARE = 1 / 3
# Masks that the model expects to be worse than this are not worth a look.
_LEAST_SCORE = 0.25
# Power of the agreement that a candidate weighs.
_STEEPNESS = 1.5
# Of two masks for one object, which have at least this IoU, the one whose outline has less than this share of the
# other's contrast ends in the object's halo or in the ground: it weighs less by the third power of what is lacking.
_RIVALS, _FAINT, _FALL = 0.2, 0.15, 3
# A part lies in a whole with at least this share of its pixels; a whole that a deep cut parts loses this share of its
# weight.
INSIDE, _PARTED = 0.8, 0.5
# Objects have outlines where the image is steep, but for up to this share where they touch or fade. One that is less
# steep than this share of what most candidates have there, by weight, is that of a shade, a halo or a patch of ground
# and weighs less as faint ones do. The image is smoothed by so many pixels.
_TOUCHING, _AS_OTHERS, _SMOOTHED = 0.25, 0.3, 1.5
# The score of what is quite sure.
_MOST_SURE = 0.999
# Two objects may share this part of the smaller one.
MOST_SHARED = 0.3


@dataclass(frozen=True, eq=False)
class Candidate(MaskInFrame):
    """A mask that may be chosen as an object."""

    # Squared score of the best mask that it was made of, times the votes of the places that led there; and that to the
    # power of one and a half, so that one object that many agree on outweighs two parts that few do.
    weight: float

    @property
    def score(self) -> float:
        """How sure it is, 0..1."""
        return self.weight / (1 + self.weight)

    @cached_property
    def diameter(self) -> float:
        """That of the disc with as many pixels."""
        return disc_diameter(self.size)

    @cached_property
    def centre(self) -> tuple[float, float]:
        """Mean (y, x) of its pixels."""
        rows, columns = np.nonzero(self.mask)
        return float(rows.mean()) + self.area[0].start, float(columns.mean()) + self.area[1].start

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(y0, x0, y1, x1), the ends excluded."""
        rows, columns = self.area
        return rows.start, columns.start, rows.stop, columns.stop


def of_score(area: tuple[slice, slice], mask: NDArray[np.bool_], score: float) -> Candidate:
    """Make a candidate of a mask and how sure it is, 0..1; the mask's box is made as small as it can be."""
    rows, columns = bounding_box(mask)
    y0, x0 = area[0].start, area[1].start
    inside = slice(y0 + rows.start, y0 + rows.stop), slice(x0 + columns.start, x0 + columns.stop)
    # Whoever is quite sure still weighs something finite.
    sure = min(score, _MOST_SURE)
    return Candidate(inside, mask[rows, columns], sure / (1 - sure))


def shared_pixels(ones: Sequence[MaskInFrame], others: Sequence[MaskInFrame], width: int) -> NDArray[np.int64]:
    """(ones, others): how many pixels each two masks share; ``width`` of the frame, whatever the height."""
    # As a product of sparse matrices with a column for each pixel: hundreds of masks in milliseconds.
    first, second = _pixels(ones, width), _pixels(others, width)
    columns = max(first.shape[1], second.shape[1])
    first.resize((len(ones), columns))
    second.resize((len(others), columns))
    return np.asarray((first @ second.T).toarray())


def _pixels(masks: Sequence[MaskInFrame], width: int) -> csr_array:
    indices = []
    for one in masks:
        rows, columns = np.nonzero(one.mask)
        indices.append((rows + one.area[0].start) * width + columns + one.area[1].start)
    flat = np.concatenate(indices) if indices else np.zeros(0, np.int64)
    starts = np.cumsum([0, *map(len, indices)])
    return csr_array((np.ones(len(flat), np.int32), flat, starts), (len(masks), int(flat.max(initial=0)) + 1))


def ious(shared_nm: NDArray[np.int64], sizes_n: NDArray[np.int64], sizes_m: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersections over unions from what masks share and how large they are."""
    union = sizes_n[:, None] + sizes_m[None] - shared_nm
    result: NDArray[np.float64] = shared_nm / np.maximum(union, 1)
    return result


def make_candidates(proposals: Sequence[MaskProposal], image: NDArray[np.floating]) -> list[Candidate]:
    """Merge proposals for a (Y, X) frame into candidates, the heaviest first."""
    width = image.shape[1]
    masks = [one for one in proposals if one.score >= _LEAST_SCORE]
    if not masks:
        return []
    sizes = np.array([one.size for one in masks])
    iou_nn = ious(shared_pixels(masks, masks, width), sizes, sizes)
    # Each place has its votes once, whatever masks it led to.
    votes = {id(one.place): one.votes for one in masks}
    places = {place: index for index, place in enumerate(votes)}
    of_place = np.zeros((len(masks), len(places)))
    of_place[np.arange(len(masks)), [places[id(one.place)] for one in masks]] = 1
    support = ((iou_nn > AGREE) @ of_place > 0) @ np.array(list(votes.values()))
    weights = (np.array([one.score for one in masks]) ** 2 * support) ** _STEEPNESS
    # The heaviest of those that are nearly the same stands for them.
    kept: list[int] = []
    for index in np.argsort(-weights, kind="stable").tolist():
        if not (iou_nn[index, kept] > _SAME).any():
            kept.append(index)
    made = [_voted(masks, np.flatnonzero(iou_nn[index] > AGREE), float(weights[index])) for index in kept]
    parts = [one for one in proposals if one.cut]
    return sorted(_without_wholes(_without_halos(made, image), parts, width), key=lambda one: -one.weight)


def _without_halos(candidates: Sequence[Candidate], image: NDArray[np.floating]) -> list[Candidate]:
    """Make those weigh less that a rival with a far clearer outline shares most of its object with."""
    sizes = np.array([one.size for one in candidates])
    iou_nn = ious(shared_pixels(candidates, candidates, image.shape[1]), sizes, sizes)
    contrast_n = np.array([outline_contrast(one, image) for one in candidates])
    clearest_n = np.where(iou_nn >= _RIVALS, contrast_n, 0).max(axis=1)
    # Where nothing has an outline, none is fainter.
    shares = np.divide(contrast_n, clearest_n, out=np.ones(len(candidates)), where=clearest_n > 0)
    factors = np.minimum(shares / _FAINT, 1) ** _FALL
    return [replace(one, weight=one.weight * float(factor)) for one, factor in zip(candidates, factors, strict=True)]


def without_ground(candidates: Sequence[Candidate], view: NDArray[np.floating]) -> list[Candidate]:
    """Make those weigh less whose outlines are next to nothing on a (Y, X) image as the model sees it."""
    if not candidates:
        return []
    slope = gaussian_gradient_magnitude(view.astype(np.float32), _SMOOTHED)
    steep_n = np.array([_along_outline(one, slope) for one in candidates])
    # The median by weight, not by number: much of what is proposed is nothing.
    order = np.argsort(steep_n)
    heavier = np.cumsum([candidates[index].weight for index in order])
    usual = steep_n[order[np.searchsorted(heavier, heavier[-1] / 2)]]
    factors = np.minimum(steep_n / max(_AS_OTHERS * usual, 1e-6), 1) ** _FALL
    made = [replace(one, weight=one.weight * float(factor)) for one, factor in zip(candidates, factors, strict=True)]
    return sorted(made, key=lambda one: -one.weight)


def _along_outline(one: Candidate, slope: NDArray[np.floating]) -> float:
    here, mask = one.surrounded(slope, 1)
    return float(np.quantile(here[binary_dilation(mask) & ~binary_erosion(mask)], _TOUCHING))


def _without_wholes(candidates: Sequence[Candidate], parts: Sequence[MaskProposal], width: int) -> list[Candidate]:
    """Make those weigh less that have parts with a cut between them."""
    if not parts:
        return list(candidates)
    sizes_p = np.array([one.size for one in parts])
    cuts_p = np.array([one.cut for one in parts])
    apart_pp = shared_pixels(parts, parts, width) < MOST_SHARED * np.minimum(sizes_p[:, None], sizes_p[None])
    inside_np = shared_pixels(candidates, parts, width) > INSIDE * sizes_p
    result = []
    for one, inside in zip(candidates, inside_np, strict=True):
        of_pairs = np.where(apart_pp & inside[:, None] & inside[None], np.minimum(cuts_p[:, None], cuts_p[None]), 0)
        result.append(replace(one, weight=one.weight * (1 - _PARTED * float(of_pairs.max()))))
    return result


def _voted(masks: Sequence[MaskProposal], agreeing: NDArray[np.intp], weight: float) -> Candidate:
    """Make a candidate of what enough of the masks that agree have, each by its votes and squared score."""
    some = [masks[index] for index in agreeing]
    top, left = (min(one.area[axis].start for one in some) for axis in (0, 1))
    bottom, right = (max(one.area[axis].stop for one in some) for axis in (0, 1))
    votes = np.zeros((bottom - top, right - left))
    weights = [one.votes * one.score**2 for one in some]
    for one, own in zip(some, weights, strict=True):
        rows, columns = one.area
        votes[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] += own * one.mask
    mask = votes > _SHARE * sum(weights)
    return Candidate((slice(top, bottom), slice(left, right)), mask, weight)
