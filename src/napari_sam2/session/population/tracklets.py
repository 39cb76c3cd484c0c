"""From choices frame by frame to tracks with parents: strays are left out, gaps are closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from napari_sam2.data.labels.lineage import Track

from .choose import Node, at_border
from .proposals.candidates import Candidate

# What lasts for fewer frames, away from the border, was no object; nor was a daughter who does.
LEAST_FRAMES = 3


@dataclass(eq=False)
class Tracklet:
    """An object on the frames where it was found, with its mother."""

    masks: dict[int, Candidate]
    mother: Tracklet | None = None
    daughters: list[Tracklet] = field(default_factory=list)

    @property
    def begin(self) -> int:
        """Its first frame."""
        return min(self.masks)

    @property
    def end(self) -> int:
        """Its last frame."""
        return max(self.masks)

    @property
    def score(self) -> float:
        """Mean score over its frames."""
        return sum(one.score for one in self.masks.values()) / len(self.masks)


def make_tracklets(objects: Mapping[Node, Candidate], next_of: Mapping[Node, tuple[Node, ...]]) -> list[Tracklet]:
    """Put the objects of all frames together, the earliest first."""
    made: list[Tracklet] = []
    of_node: dict[Node, Tracklet] = {}
    before = {child: (node, len(children)) for node, children in next_of.items() for child in children}
    for node in sorted(objects):
        earlier, count = before.get(node, (None, 0))
        if earlier is not None and count == 1:
            tracklet = of_node[earlier]
        else:
            tracklet = Tracklet({}, None if earlier is None else of_node[earlier])
            made.append(tracklet)
            if tracklet.mother is not None:
                tracklet.mother.daughters.append(tracklet)
        tracklet.masks[node[0]] = objects[node]
        of_node[node] = tracklet
    return made


def without_strays(
    tracklets: Iterable[Tracklet], *, frames: int, frame_size: tuple[int, int], least_score: float
) -> list[Tracklet]:
    """Leave out what does not last; where that was a daughter, her sister goes on as their mother."""
    kept = list(tracklets)
    least = min(LEAST_FRAMES, frames)
    # From the latest on: what is left of a mother may be a stray itself.
    for one in sorted(kept, key=lambda one: -one.begin):
        # A sister may have become her mother's already.
        if one.daughters or one not in kept:
            continue
        lasts = len(one.masks) >= least or (one.mother is not None and one.end == frames - 1)
        # Somebody may look in at the border for a moment.
        passes = at_border(one.masks[one.end], frame_size) and one.end < frames - 1
        if (lasts or passes) and (one.score >= least_score or one.mother is not None):
            continue
        kept.remove(one)
        if one.mother is not None:
            one.mother.daughters.remove(one)
            _rejoin(one.mother, kept)
    return kept


def _rejoin(mother: Tracklet, kept: list[Tracklet]) -> None:
    if len(mother.daughters) != 1:
        return
    (only,) = mother.daughters
    mother.masks |= only.masks
    mother.daughters = only.daughters
    for one in only.daughters:
        one.mother = mother
    kept.remove(only)


def rooted(tracklets: Iterable[Tracklet], frame: int) -> list[Tracklet]:
    """Keep what is there on a frame, and what is born of that."""

    def is_rooted(one: Tracklet) -> bool:
        return one.begin <= frame or (one.mother is not None and is_rooted(one.mother))

    return [one for one in tracklets if is_rooted(one)]


def close_gaps(tracklet: Tracklet) -> None:
    """Show an object also on frames where it was missed: its last mask, moved towards the next one."""
    frames = sorted(tracklet.masks)
    for before, after in pairwise(frames):
        for frame in range(before + 1, after):
            share = (frame - before) / (after - before)
            tracklet.masks[frame] = _moved(tracklet.masks[before], tracklet.masks[after], share)


def _moved(one: Candidate, other: Candidate, share: float) -> Candidate:
    shift = [round(share * (b - a)) for a, b in zip(one.centre, other.centre, strict=True)]
    rows, columns = (slice(s.start + by, s.stop + by) for s, by in zip(one.area, shift, strict=True))
    # Nothing is pushed over the border: both ends of the way lie inside.
    if rows.start < 0 or columns.start < 0:
        return one
    return replace(one, area=(rows, columns))


def lineage_of(tracklets: Iterable[Tracklet]) -> Iterator[tuple[Track, Tracklet]]:
    """Number the tracks by when and where they begin."""
    order = sorted(tracklets, key=lambda one: (one.begin, one.masks[one.begin].box))
    label_of = {id(one): label for label, one in enumerate(order, 1)}
    for one in order:
        parent = 0 if one.mother is None else label_of.get(id(one.mother), 0)
        yield Track(label_of[id(one)], one.begin, one.end, parent), one
