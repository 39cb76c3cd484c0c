"""The state of one object in a session, and snapshots of it for undoing edits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from napari_sam2.data.prompts.prompt import Prompt

from .memory_bank import FrameMemory, MemoryBank

Value = TypeVar("Value")

_VERSIONS = count(1)


def new_version() -> int:
    """Give a number that no track has had as its version."""
    return next(_VERSIONS)


@dataclass(frozen=True)
class FrameState:
    """Everything about one object on one frame that an edit there can change.

    Attributes
    ----------
    prompt : Prompt or None
        What the user said.
    staged, conditioning, recent : FrameMemory or None
        See `ObjectTrack` and `MemoryBank`.
    visited : int or None
        Direction in which the frame was tracked.
    stale : dict
        Stale frames of the whole object and the direction to track them in.
    version : int
        `ObjectTrack.version` at that moment.
    """

    prompt: Prompt | None
    staged: FrameMemory | None
    conditioning: FrameMemory | None
    recent: FrameMemory | None
    visited: int | None
    stale: dict[int, int]
    version: int


class ObjectTrack:
    """Prompts and memories of one object.

    Attributes
    ----------
    object_id : int
        Its label.
    prompts : dict
        Prompt by frame.
    staged : dict
        Results of prompts whose memory map is not encoded yet: prompts given one after the other do not see each
        other before the next tracking run, as in the reference.
    bank : MemoryBank
        What tracking attends to.
    visited : dict
        Direction (1 or -1) of the last pass over each tracked frame.
    stale : dict
        Tracked frames that an edit has made out of date, and the direction to track them in again.
    version : int
        Changes with every tracked frame and never comes back; tells whether anything was tracked between two moments.
    """

    def __init__(self, object_id: int, bank: MemoryBank) -> None:
        self.object_id = object_id
        self.bank = bank
        self.prompts: dict[int, Prompt] = {}
        self.staged: dict[int, FrameMemory] = {}
        self.visited: dict[int, int] = {}
        self.stale: dict[int, int] = {}
        self.version = 0

    def result(self, frame: int) -> FrameMemory | None:
        """Latest result on a frame, if it is kept."""
        return self.staged.get(frame) or self.bank.get(frame)

    def mark_tracked(self, frame: int, step: int) -> None:
        """Note that a pass went over a frame."""
        self.visited[frame] = step
        self.stale.pop(frame, None)
        self.version = new_version()

    def mark_downstream_stale(self, frame: int) -> None:
        """Mark the tracked frames whose results came after that of ``frame``, and so depend on it, as out of date."""
        self.stale |= {t: step for t, step in self.visited.items() if (t - frame) * step > 0 and t not in self.prompts}

    def snapshot(self, frame: int) -> FrameState:
        """Record the state on a frame."""
        return FrameState(
            prompt=self.prompts.get(frame),
            staged=self.staged.get(frame),
            conditioning=self.bank.conditioning.get(frame),
            recent=self.bank.recent.get(frame),
            visited=self.visited.get(frame),
            stale=dict(self.stale),
            version=self.version,
        )

    def restore(self, frame: int, state: FrameState) -> None:
        """Go back to a recorded state on a frame; what was tracked since stays and is marked stale."""
        _put(self.prompts, frame, state.prompt)
        _put(self.staged, frame, state.staged)
        _put(self.bank.conditioning, frame, state.conditioning)
        _put(self.bank.recent, frame, state.recent)
        if state.version == self.version:
            _put(self.visited, frame, state.visited)
            self.stale = dict(state.stale)
            return
        self.stale.pop(frame, None)
        if state.prompt is None and frame in self.visited:
            self.stale[frame] = self.visited[frame]
        self.mark_downstream_stale(frame)


def _put(table: dict[int, Value], key: int, value: Value | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
