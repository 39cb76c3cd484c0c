"""Which of several tracks that lie on one object are taken off it, as SAM 3 decides it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

# IoU from which two masks count as one object.
SAME_OBJECT = 0.7


def excluded(overlaps: Mapping[tuple[int, int], float], hidden: Sequence[int | None], *, step: int) -> set[int]:
    """Tracks that have to give way.

    ``overlaps``: IoU of the masks of each pair of tracks that meet.
    ``hidden``: of each track, the last frame of the pass on which it was hidden; ``None`` for none.
    """
    # The track that came back later is the one that may have jumped onto the other's object. Of two that were never
    # hidden neither is.
    came_back = [-math.inf if frame is None else frame * step for frame in hidden]
    lost = set()
    for (one, other), overlap in overlaps.items():
        if overlap >= SAME_OBJECT and came_back[one] != came_back[other]:
            lost.add(one if came_back[one] > came_back[other] else other)
    return lost
