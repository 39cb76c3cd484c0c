"""Divisions that tracks suggest: a newcomer beside an object that shrank, two beside one that ended, two pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.piece_sizes import piece_sizes
from napari_sam2.data.labels.scores import Measures, ScoreTable, disc_diameter

from .newcomers import EVERY, are_sisters, birth_frame

# A mask that is in two pieces on so many frames in a row has divided: the smaller one has at least this share of the
# larger, and both have at least this share of what there was before.
_LASTING, _LEAST_PIECE, _LEAST_PART = 2, 0.25, 0.3
# Daughters are drawn within so many frames of their mother's last one.
_SOON = 2

Objects = Mapping[int, "DrawnObject"]


@dataclass(frozen=True)
class DivisionProposal:
    """A division that nobody has confirmed yet."""

    # The first frame that shows the daughters.
    frame: int
    mother: int
    # The mother herself is among them where tracking went on with her as one; she alone where her mask fell into two.
    daughters: tuple[int, ...]

    @property
    def is_in_pieces(self) -> bool:
        """Whether the daughters are pieces of the mother's mask, and no objects yet."""
        return self.daughters == (self.mother,)


@dataclass(frozen=True)
class DrawnObject:
    """An object on the frames on which it is drawn, at least one."""

    measures: Mapping[int, Measures]
    # By frame, pixels of the parts that it is drawn in, the largest first.
    pieces: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def begin(self) -> int:
        """Its first frame."""
        return min(self.measures)

    @property
    def end(self) -> int:
        """Its last frame."""
        return max(self.measures)


def drawn_objects(labels: LabelStack, scores: ScoreTable) -> dict[int, DrawnObject]:
    """All objects that are drawn."""
    measures: dict[int, dict[int, Measures]] = {}
    pieces: dict[int, dict[int, tuple[int, ...]]] = {}
    for frame in labels.frames_done:
        rows = [row for row in scores.on_frame(frame) if row.area]
        for row in rows:
            measures.setdefault(row.object_id, {})[frame] = Measures(row.area, row.centroid, row.bbox)
        for object_id, sizes in piece_sizes(labels[frame], rows).items():
            pieces.setdefault(object_id, {})[frame] = sizes
    return {i: DrawnObject(found, pieces.get(i, {})) for i, found in measures.items()}


def propose_divisions(objects: Objects, parents: Mapping[int, int]) -> list[DivisionProposal]:
    """Propose divisions, the earliest first; an object divides once, and is born once."""
    first = min((one.begin for one in objects.values()), default=0)
    mothers = {i: one for i, one in objects.items() if i not in parents.values()}
    newcomers = {i: one for i, one in objects.items() if i not in parents and one.begin > first}
    # What is plain comes first: of two claims on an object the later one is dropped.
    found = [*_after_the_end(mothers, newcomers), *_beside_shrunken(mothers, newcomers), *_in_two(mothers)]
    kept: list[DivisionProposal] = []
    divided, born = set[int](), set[int]()
    for one in found:
        daughters = {*one.daughters} - {one.mother}
        if one.mother not in divided and not daughters & born:
            divided.add(one.mother)
            born |= daughters
            kept.append(one)
    return sorted(kept, key=lambda one: (one.frame, one.mother))


def _after_the_end(mothers: Objects, newcomers: Objects) -> Iterator[DivisionProposal]:
    for mother, one in mothers.items():
        last, near = one.measures[one.end], []
        reach = disc_diameter(last.area)
        for i, other in newcomers.items():
            if i != mother and 0 < other.begin - one.end <= _SOON:
                near.append((_apart(last, other.measures[other.begin]), i))
        for (a, i), (b, j) in combinations(sorted(near), 2):
            pair = (newcomers[k].measures[newcomers[k].begin] for k in (i, j))
            if max(a, b) < reach and are_sisters(last, *pair):
                yield DivisionProposal(one.end + 1, mother, (i, j))
                break


def _beside_shrunken(mothers: Objects, newcomers: Objects) -> Iterator[DivisionProposal]:
    for newcomer, one in newcomers.items():
        here, found = one.measures[one.begin], []
        for mother, other in mothers.items():
            # As far back as newcomers are looked for.
            before = {t: other.measures.get(t, Measures()) for t in range(one.begin - EVERY, one.begin + 1)}
            frame = None if mother == newcomer else birth_frame(before, here)
            if frame is not None:
                found.append((_apart(before[one.begin], here), mother, frame))
        if found:
            _, mother, frame = min(found)
            yield DivisionProposal(frame, mother, (mother, newcomer))


def _in_two(mothers: Objects) -> Iterator[DivisionProposal]:
    for mother, one in mothers.items():
        for before, frame in pairwise(sorted(one.measures)):
            whole, ahead = one.measures[before].area, range(frame, frame + _LASTING)
            was_one = len(one.pieces.get(before, ())) == 1
            if was_one and all(_are_parts(one.pieces.get(t, ()), whole) for t in ahead):
                yield DivisionProposal(frame, mother, (mother,))
                break


def _are_parts(pieces: tuple[int, ...], whole: int) -> bool:
    if len(pieces) != 2:
        return False
    larger, smaller = pieces
    return smaller >= max(_LEAST_PIECE * larger, _LEAST_PART * whole)


def _apart(one: Measures, other: Measures) -> float:
    return math.dist(one.centroid or (), other.centroid or ())
