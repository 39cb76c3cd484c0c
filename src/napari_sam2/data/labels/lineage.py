"""Who came from whom: when each object begins and ends, and which one it was born of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Track:
    """One object from its first frame to its last."""

    label: int
    begin: int
    end: int
    # Label of the object that it was born of; 0 for none.
    parent: int = 0


@dataclass(frozen=True)
class Division:
    """An object that becomes two or more."""

    # The first frame that shows the daughters.
    frame: int
    mother: int
    daughters: tuple[int, ...]


@dataclass(frozen=True)
class Lineage:
    """The tracks of a stack, in the order of their labels.

    Raises
    ------
    ValueError
        If a label is given twice, a track ends before it begins, or a parent is unknown or ends too late: the rules of
        the Cell Tracking Challenge.
    """

    tracks: tuple[Track, ...] = field(default=())

    def __post_init__(self) -> None:
        known = {track.label: track for track in self.tracks}
        if len(known) < len(self.tracks):
            raise ValueError(f"a lineage has each label once, got {[track.label for track in self.tracks]}")
        for track in self.tracks:
            if track.label < 1 or track.begin > track.end:
                raise ValueError(f"object {track.label} goes from frame {track.begin} to {track.end}")
            if track.parent and (track.parent not in known or known[track.parent].end >= track.begin):
                raise ValueError(f"object {track.label} begins on frame {track.begin}, after no object {track.parent}")
        object.__setattr__(self, "tracks", tuple(sorted(self.tracks, key=lambda track: track.label)))

    @classmethod
    def of(cls, tracks: Iterable[Track]) -> Lineage:
        """Make it of tracks in any order."""
        return cls(tuple(tracks))

    @cached_property
    def by_label(self) -> dict[int, Track]:
        """The tracks by their labels."""
        return {track.label: track for track in self.tracks}

    @cached_property
    def divisions(self) -> tuple[Division, ...]:
        """All divisions, the earliest first."""
        daughters: dict[int, list[Track]] = {}
        for track in self.tracks:
            daughters.setdefault(track.parent, []).append(track)
        found = [
            Division(min(one.begin for one in born), mother, tuple(one.label for one in born))
            for mother, born in daughters.items()
            if mother and len(born) > 1
        ]
        return tuple(sorted(found, key=lambda division: (division.frame, division.mother)))
