"""What no track covers, while objects are tracked by memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.scores import Measures, disc_diameter

from .found_objects import FoundObjects

# Objects are looked for every so many frames; a newcomer lies on untracked ground by this share of its pixels (the
# constants of SAM-Track), and is seen on at least half of the frames until the next look.
EVERY = 10
_UNTRACKED = 0.8
_SEEN = 0.5
# An object that is tracked through its division goes on as one of its daughters: its area falls below this share. Her
# sister lies within so many diameters of the mother, has at least this share of the larger one's area, and both
# together have about what the mother had.
_SHRUNKEN, _REACH, _LEAST_SISTER, _TOGETHER = 0.75, 1.5, 0.4, 0.5


def newcomers(found: FoundObjects, tracked: NDArray[Any]) -> FoundObjects:
    """Keep what lies on ground that no object of a (Y, X) label image has."""
    free = np.bincount(found.labels.ravel(), weights=tracked.ravel() == 0, minlength=len(found) + 1)[1:]
    shares = free / np.maximum(found.areas, 1)
    return found.take([label for label, share in enumerate(shares, 1) if share > _UNTRACKED])


def passing(seen: Mapping[int, int], frames: int) -> list[int]:
    """Objects that were seen on too few of the frames since they came."""
    return [object_id for object_id, count in seen.items() if count < _SEEN * frames]


def are_sisters(mother: Measures, one: Measures, other: Measures) -> bool:
    """Whether two objects may be what another one has become: near each other, alike, and together what she was."""
    smaller, larger = sorted((one.area, other.area))
    if not smaller or not mother.area or one.centroid is None or other.centroid is None:
        return False
    is_near = math.dist(one.centroid, other.centroid) < _REACH * disc_diameter(mother.area)
    together = (smaller + larger) / mother.area
    return is_near and smaller >= _LEAST_SISTER * larger and _TOGETHER < together < 1 / _TOGETHER


def birth_frame(mother: Mapping[int, Measures], newcomer: Measures) -> int | None:
    """Find the frame on which an object divided, if a newcomer on the last frame may be one of its daughters.

    ``mother``: by frame, what was tracked of the object up to there.
    """
    seen = {frame: measures for frame, measures in sorted(mother.items()) if measures.area}
    if len(seen) < 2 or max(seen) != max(mother):
        return None
    # She divides where most of her is gone from one frame to the next.
    _, before, frame = min((seen[b].area / seen[a].area, a, b) for a, b in pairwise(seen))
    whole, sister = seen[before], seen[max(seen)]
    return frame if sister.area < _SHRUNKEN * whole.area and are_sisters(whole, sister, newcomer) else None
