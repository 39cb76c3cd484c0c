"""One object of a session: its prompts, its memories and the frames it was tracked on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import TypeVar

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.tracking.directions import FrameDirections

from .memory_bank import FrameMemory, MemoryBank

Value = TypeVar("Value")

_VERSIONS = count(1)


def new_version() -> int:
    """Return a version number that no track of this program has had."""
    return next(_VERSIONS)


@dataclass(frozen=True, eq=False)
class ObjectState:
    """Everything about one object at one moment, on all frames or on some; a snapshot of an `ObjectTrack`."""

    object_id: int
    # By frame, in the order given.
    prompts: Mapping[int, Prompt] = field(default_factory=dict)
    # By frame: answers to prompts whose memory map is not encoded yet; tracking encodes them (commit).
    staged: Mapping[int, FrameMemory] = field(default_factory=dict)
    # By frame: memories of prompted frames, which all others may attend to, and those of tracked frames.
    conditioning: Mapping[int, FrameMemory] = field(default_factory=dict)
    recent: Mapping[int, FrameMemory] = field(default_factory=dict)
    # Frames that were tracked, and those of them whose result is out of date.
    visited: FrameDirections = field(default_factory=FrameDirections)
    stale: FrameDirections = field(default_factory=FrameDirections)
    # Changes whenever the object is tracked: of two states with the same number, nothing was tracked in between.
    version: int = 0

    @property
    def memories(self) -> Iterator[FrameMemory]:
        """All that is remembered."""
        return chain(self.staged.values(), self.conditioning.values(), self.recent.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the memories."""
        return sum(memory.nbytes for memory in self.memories)

    def thinned(self) -> ObjectState:
        """The same, but of frames without a prompt only the pointers and scores."""
        return replace(self, recent={frame: memory.thin() for frame, memory in self.recent.items()})


class ObjectTrack:
    """Prompts and memories of one object."""

    def __init__(self, object_id: int, bank: MemoryBank) -> None:
        self.object_id = object_id
        self.bank = bank
        # As in `ObjectState`, but changed in place.
        self.prompts: dict[int, Prompt] = {}
        self.staged: dict[int, FrameMemory] = {}
        self.visited = FrameDirections()
        self.stale = FrameDirections()
        self.version = 0

    def result(self, frame: int) -> FrameMemory | None:
        """Latest result on a frame, if it is kept."""
        return self.staged.get(frame) or self.bank.get(frame)

    def is_prompted(self, frame: int) -> bool:
        """Whether the result on a frame answers a prompt, also one that was removed and not replaced by tracking."""
        return frame in self.prompts or (frame in self.stale and frame not in self.visited)

    def mark_tracked(self, frame: int, step: int) -> None:
        """Record that a pass tracked a frame, in the direction ``step``."""
        self.visited[frame] = step
        self.stale.pop(frame, None)
        self.version = new_version()

    def mark_downstream_stale(self, frame: int) -> None:
        """Mark the tracked frames whose results came after that of ``frame``, and so depend on it, as out of date."""
        downstream = self.visited.after(frame)
        # A prompted frame keeps the answer to its prompt: tracking does not change it.
        for prompted in self.prompts:
            downstream.pop(prompted, None)
        self.stale.merge(downstream)

    def state(self, frames: Collection[int] | None = None) -> ObjectState:
        """Record the present state, on some frames only where they are given; of stale frames always all."""
        visited = self.visited
        return ObjectState(
            self.object_id,
            prompts=_part(self.prompts, frames),
            staged=_part(self.staged, frames),
            conditioning=_part(self.bank.conditioning, frames),
            recent=_part(self.bank.recent, frames),
            visited=visited.copy() if frames is None else FrameDirections(_part(visited, frames)),
            stale=self.stale.copy(),
            version=self.version,
        )

    def restore(self, state: ObjectState) -> None:
        """Go back to a recorded state."""
        self.prompts, self.staged = dict(state.prompts), dict(state.staged)
        self.bank.conditioning, self.bank.recent = dict(state.conditioning), dict(state.recent)
        self.visited, self.stale, self.version = state.visited.copy(), state.stale.copy(), state.version

    def restore_frame(self, frame: int, state: ObjectState) -> None:
        """Go back to a recorded state on a frame; what was tracked since stays and is marked stale."""
        _put(self.prompts, frame, state.prompts)
        _put(self.staged, frame, state.staged)
        _put(self.bank.conditioning, frame, state.conditioning)
        _put(self.bank.recent, frame, state.recent)
        # Nothing was tracked since the state was recorded: what was out of date then is so again, and nothing else.
        if state.version == self.version:
            _put(self.visited, frame, state.visited)
            self.stale = state.stale.copy()
            return
        # Tracked since: results after this frame used what is undone here. They stay visible, and `update` tracks them
        # again.
        self.stale.pop(frame, None)
        # Without its prompt the frame itself has to be tracked, too.
        if frame not in state.prompts and frame in self.visited:
            self.stale[frame] = self.visited[frame]
        self.mark_downstream_stale(frame)


def _part(table: Mapping[int, Value], frames: Collection[int] | None) -> dict[int, Value]:
    # The table is copied, never the tensors in it: all states share those.
    return dict(table) if frames is None else {frame: table[frame] for frame in frames if frame in table}


def _put(table: MutableMapping[int, Value], frame: int, source: Mapping[int, Value]) -> None:
    if frame in source:
        table[frame] = source[frame]
    else:
        table.pop(frame, None)
