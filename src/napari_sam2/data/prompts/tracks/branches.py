"""Branches of a graph of spots: each is an object, and knows its begin, its end and the one it came from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_sam2.data.labels.lineage import LifeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Spot = TypeVar("Spot", int, str)


@dataclass(frozen=True)
class Branches(Generic[Spot]):
    """The object of each spot, numbered in the order of time, and the life of each object."""

    object_of: Mapping[Spot, int]
    spans: Mapping[int, LifeSpan]


def find_branches(times: Mapping[Spot, int], edges: Iterable[tuple[Spot, Spot]]) -> Branches[Spot]:
    """Number the branches of all spots that have an edge; edges may lie in either direction of time.

    A track that divides or merges becomes an object for each branch. One that divides is the parent of what follows;
    what merges has none.
    """
    known = [edge for edge in edges if edge[0] in times and edge[1] in times]
    forward = [(one, two) if times[one] <= times[two] else (two, one) for one, two in known]
    after, before = Counter(one for one, _ in forward), Counter(two for _, two in forward)
    earlier = {two: one for one, two in forward if before[two] == 1}
    object_of: dict[Spot, int] = {}
    spans: dict[int, LifeSpan] = {}
    numbers = count(1)
    for spot in sorted({spot for edge in forward for spot in edge}, key=lambda spot: (times[spot], int(spot))):
        previous = earlier.get(spot)
        # A spot goes on with the object of the one before, where neither has another neighbour on that side.
        if previous is not None and after[previous] == 1:
            number = object_of[previous]
            spans[number] = LifeSpan(spans[number].begin, times[spot], spans[number].parent)
        else:
            number = next(numbers)
            # An edge within a frame makes no parent: she is gone before her daughters begin.
            is_born = previous is not None and times[previous] < times[spot]
            parent = object_of[previous] if is_born and previous is not None else None
            spans[number] = LifeSpan(times[spot], times[spot], parent)
        object_of[spot] = number
    return Branches(object_of, spans)
