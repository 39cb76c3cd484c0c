"""What no track covers, while objects are tracked by memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .found_objects import FoundObjects

# Objects are looked for every so many frames; a newcomer lies on untracked ground by this share of its pixels (the
# constants of SAM-Track), and is seen on at least half of the frames until the next look.
EVERY = 10
_UNTRACKED = 0.8
_SEEN = 0.5


def newcomers(found: FoundObjects, tracked: NDArray[Any]) -> FoundObjects:
    """Keep what lies on ground that no object of a (Y, X) label image has."""
    free = np.bincount(found.labels.ravel(), weights=tracked.ravel() == 0, minlength=len(found) + 1)[1:]
    shares = free / np.maximum(found.areas, 1)
    return found.take([label for label, share in enumerate(shares, 1) if share > _UNTRACKED])


def passing(seen: Mapping[int, int], frames: int) -> list[int]:
    """Objects that were seen on too few of the frames since they came."""
    return [object_id for object_id, count in seen.items() if count < _SEEN * frames]
