"""Masks of what is dark and bright at once: cells in phase contrast, of which models see the dark core or the rim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .candidates import LEAST_SCORE, shared_pixels
from .ground import ground_of
from .level_sets import firm_regions, vouched_share
from .mask_proposals import MaskProposal

# How far an image is from its ground is taken over so many pixels, once noise is smoothed by so many.
_AROUND, _SMOOTH = 1.5, 0.7
# Objects are dark and bright at once where the weaker side has this share of the squared differences.
_WEAKER = 0.1
# Where the model sees more than this share of the dark or of the bright regions, objects are these: bacteria are dark,
# whatever shines around them.
_SEEN = 0.5
# A mask of which this share lies in a region is a part of it.
_INSIDE = 0.8


def mixed_proposals(grey: NDArray[np.floating], of_model: Sequence[MaskProposal]) -> list[MaskProposal]:
    """Propose regions of a (Y, X) image that differ from the ground to both sides, for each place with a mask inside.

    None where most of what differs does so to one side, or where the model sees one side alone as objects.
    """
    height = gaussian_filter(grey.astype(np.float32), _SMOOTH)
    height -= ground_of(height)
    regions = [one for one in firm_regions(np.sqrt(gaussian_filter(height**2, _AROUND))) if one.place.is_bright]
    masks = [one for one in of_model if one.score >= LEAST_SCORE]
    if not regions or not masks or _weaker_side(height, regions) < _WEAKER:
        return []
    made = firm_regions(grey)
    sides = ([one for one in made if one.place.is_bright is is_bright] for is_bright in (True, False))
    if max(vouched_share(own, of_model, grey.shape) for own in sides) > _SEEN:
        return []
    sizes = np.array([one.size for one in masks])
    inside = shared_pixels(regions, masks, grey.shape[1]) > _INSIDE * sizes
    proposals = []
    for region, of_region in zip(regions, inside, strict=True):
        places = {id(masks[index].place): masks[index].place for index in np.flatnonzero(of_region)}
        proposals += [replace(region, place=place) for place in places.values()]
    return proposals


def _weaker_side(height: NDArray[np.float32], regions: Sequence[MaskProposal]) -> float:
    """Share of the squared differences in regions that the weaker one of the dark and the bright side has."""
    values = np.concatenate([height[one.area][one.mask] for one in regions])
    bright = float(np.sum(values[values > 0] ** 2))
    return min(bright, float(np.sum(values**2)) - bright) / float(np.sum(values**2))
