"""The state that the events of a journal add up to, still as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .codec import MALFORMED
from .journal import read_journal

_KNOWN = {
    *("tracks", "objects", "undos", "redos", "edits", "prompts", "memories", "forgotten"),
    *("frames", "dtype", "cleared", "run", "done", "window"),
}


class SavedState:
    """What was written down of a session.

    Attributes
    ----------
    tracks, edits, prompts, memories, frames : dict
        By number.
    objects, undos, redos : list of int
        Numbers of tracks and of edits, in order.
    plain : dict
        The latest dtype, run, done and window.
    problems : list of str
        What could not be read, a line each.
    """

    def __init__(self) -> None:
        self.tracks: dict[int, dict[str, Any]] = {}
        self.edits: dict[int, Any] = {}
        self.prompts: dict[int, Any] = {}
        self.memories: dict[int, Any] = {}
        self.frames: dict[int, Any] = {}
        self.objects: list[int] = []
        self.undos: list[int] = []
        self.redos: list[int] = []
        self.plain: dict[str, Any] = {}
        self.problems: list[str] = []

    @classmethod
    def read(cls, journal: Path) -> SavedState:
        """Read a journal to its end, whatever is damaged in it.

        Parameters
        ----------
        journal : Path
            The file.
        """
        state = cls()
        try:
            for event in read_journal(journal):
                if isinstance(event, str):
                    state.problems.append(event)
                else:
                    state._add_or_note(event, journal.name)
        except (ValueError, OSError) as error:
            state.problems.append(f"results and prompts are lost: {error}")
        return state

    def _add_or_note(self, event: dict[str, Any], name: str) -> None:
        for unknown in sorted(event.keys() - _KNOWN):
            self.problems.append(f"{name} says {unknown[:40]!r}, which this version does not know; it is left out")
        try:
            self._add(event)
        except MALFORMED as error:
            self.problems.append(f"an entry of {name} is damaged: {error}")

    def _add(self, event: dict[str, Any]) -> None:
        if event.get("cleared"):
            self.frames.clear()
        for key in ("prompts", "memories", "edits", "frames"):
            getattr(self, key).update(_numbered(event.get(key, {})))
        for key in ("objects", "undos", "redos"):
            if key in event:
                setattr(self, key, [int(number) for number in event[key]])
        for number in event.get("forgotten", ()):
            self.memories.pop(number, None)
        for number, said in _numbered(event.get("tracks", {})).items():
            self._add_track(self.tracks.setdefault(number, {}), said)
        self.plain |= {key: event[key] for key in ("dtype", "run", "done", "window") if key in event}
        if {"undos", "redos", "objects"} & event.keys():
            self._forget()

    def _add_track(self, track: dict[str, Any], said: Mapping[str, Any]) -> None:
        for key in ("object", "prompts", "staged", "conditioning", "recent", "version"):
            if key in said:
                track[key] = said[key]
        for key in ("visited", "stale"):
            if key in said:
                way = track.setdefault(key, {})
                for frame in said[key]["drop"]:
                    way.pop(frame, None)
                way.update((int(frame), step) for frame, step in said[key]["put"])

    def _forget(self) -> None:
        """Let go of what nothing refers to any more."""
        self.edits = {n: edit for n, edit in self.edits.items() if n in {*self.undos, *self.redos}}
        used = {*self.objects, *(edit.get("track") for edit in self.edits.values())}
        self.tracks = {n: track for n, track in self.tracks.items() if n in used}


def _numbered(table: Mapping[str, Any]) -> dict[int, Any]:
    return dict(_pairs(table.items()))


def _pairs(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[int, Any]]:
    for key, value in items:
        if not key.isdecimal() or len(key) > 15:
            raise ValueError(f"{key[:20]!r} is no number")
        yield int(key), value
