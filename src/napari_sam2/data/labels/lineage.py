"""Lineage: when each object begins and ends, and which mother it came from by division."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class LifeSpan:
    """From when to when an object is there, and the object it was born of; ``None`` for what nobody has said."""

    # Its first and last frame.
    begin: int | None = None
    end: int | None = None
    # Label.
    parent: int | None = None

    def __contains__(self, frame: object) -> bool:
        if not isinstance(frame, int):
            return False
        return (self.begin is None or frame >= self.begin) and (self.end is None or frame <= self.end)

    def check(self, object_id: int, frame: int) -> None:
        """Check that an object is there on a frame; ``ValueError`` if not."""
        if self.begin is not None and frame < self.begin:
            raise ValueError(f"object {object_id} begins on frame {self.begin}: it is not there on frame {frame}")
        if self.end is not None and frame > self.end:
            raise ValueError(f"object {object_id} ends on frame {self.end}: it is not there on frame {frame}")


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

    @classmethod
    def of_frames(cls, frames: Iterable[Iterable[int]], parents: Mapping[int, int]) -> Lineage:
        """Make it of the labels on each frame, and the parents of some of them.

        A parent that is on no frame, or still there when its child begins, is left out.
        """
        spans: dict[int, tuple[int, int]] = {}
        for frame, labels in enumerate(frames):
            spans |= {label: (spans.get(label, (frame, frame))[0], frame) for label in labels}
        tracks = []
        for label, (begin, end) in spans.items():
            parent = parents.get(label, 0)
            tracks.append(Track(label, begin, end, parent if parent in spans and spans[parent][1] < begin else 0))
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
