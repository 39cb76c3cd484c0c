"""Daughters that are seen as objects of their own some frames late: until then their mother seems to go on."""

from __future__ import annotations

import math
from collections.abc import Iterable

from napari_sam2.data.labels.scores import Measures

from .choose import at_border
from .newcomers import birth_frame
from .proposals.candidates import Candidate
from .tracklets import Tracklet

# A daughter is found within so many frames of her birth.
_LATE = 5
# Where another object ended so many diameters away and frames before, the newcomer is that one, seen apart again.
_REACH = 1.5


def with_late_daughters(tracklets: Iterable[Tracklet], frame_size: tuple[int, int]) -> list[Tracklet]:
    """Give newcomers a mother: an object near that lost about as much before, and goes on as the other daughter."""
    kept = list(tracklets)
    for newcomer in sorted(kept, key=lambda one: one.begin):
        born = newcomer.masks[newcomer.begin]
        if newcomer.mother is not None or newcomer.begin == 0 or at_border(born, frame_size):
            continue
        claims = []
        for number, other in enumerate(kept):
            frame = None if other is newcomer else _birth(other, newcomer)
            if frame is not None and not _lost_near(_last_before(other, frame), frame, kept):
                claims.append((math.dist(other.masks[newcomer.begin].centre, born.centre), number, frame))
        if claims:
            _, number, frame = min(claims)
            kept.append(_divide(kept[number], frame, newcomer))
    return kept


def _birth(mother: Tracklet, newcomer: Tracklet) -> int | None:
    frames = range(newcomer.begin - _LATE, newcomer.begin + 1)
    seen = {t: _measures(mother.masks[t]) for t in frames if t in mother.masks}
    if newcomer.begin not in seen:
        return None
    return birth_frame(seen, _measures(newcomer.masks[newcomer.begin]))


def _last_before(one: Tracklet, frame: int) -> Candidate:
    """Its mask on the frame before, or earlier where it was missed there."""
    return one.masks[max(t for t in one.masks if t < frame)]


def _measures(one: Candidate) -> Measures:
    return Measures(one.size, one.centre, one.box)


def _lost_near(whole: Candidate, frame: int, tracklets: Iterable[Tracklet]) -> bool:
    lost = (one for one in tracklets if frame - _LATE <= one.end < frame and not one.daughters)
    return any(math.dist(one.masks[one.end].centre, whole.centre) < _REACH * whole.diameter for one in lost)


def _divide(mother: Tracklet, frame: int, newcomer: Tracklet) -> Tracklet:
    """End a mother before a frame; returns the daughter that her later masks are."""
    masks = {t: mother.masks.pop(t) for t in sorted(mother.masks) if t >= frame}
    daughter = Tracklet(masks, mother, mother.daughters)
    for one in daughter.daughters:
        one.mother = daughter
    mother.daughters = [daughter, newcomer]
    newcomer.mother = mother
    return daughter
