"""Tracks in rows, so that families stand together: a mother between her daughters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class TrackRow:
    """A track, from its first frame to its last."""

    object_id: int
    begin: int
    end: int
    # The object that it was born of, which has a row, too; None where there is none.
    parent: int | None = None


def family_rows(lives: Mapping[int, tuple[int, int]], parents: Mapping[int, int]) -> list[TrackRow]:
    """Order tracks, given by their first and last frames, from top to bottom."""
    known = {child: mother for child, mother in parents.items() if child in lives and mother in lives}
    daughters: dict[int, list[int]] = {}
    for child in sorted(known):
        daughters.setdefault(known[child], []).append(child)

    def family(object_id: int) -> Iterator[int]:
        born = daughters.get(object_id, [])
        half = (len(born) + 1) // 2
        for child in born[:half]:
            yield from family(child)
        yield object_id
        for child in born[half:]:
            yield from family(child)

    order = [one for founder in sorted(lives) if founder not in known for one in family(founder)]
    return [TrackRow(i, *lives[i], known.get(i)) for i in order]
