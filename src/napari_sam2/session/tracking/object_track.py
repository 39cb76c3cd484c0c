"""One object of a session: its prompts, its memories and the frames it was tracked on."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.tracking.frame_directions import FrameDirections

from .memory_bank import FrameMemory, MemoryBank

T = TypeVar("T")
# The tables of directions that an `ObjectState` has.
DIRECTIONS = ("visited", "stale", "fills")


@dataclass(frozen=True, eq=False)
class ObjectState:
    """Everything about one object at one moment; a snapshot of an `ObjectTrack`."""

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
    # Frames between two prompts: -1 where they came from both sides, 1 where the run under way brings that about.
    fills: FrameDirections = field(default_factory=FrameDirections)
    # Memories of prompted frames of other stacks.
    exemplars: tuple[FrameMemory, ...] = ()
    span: LifeSpan = field(default_factory=LifeSpan)
    # Divisions that a person said no to, by the daughters that were proposed.
    refused: frozenset[tuple[int, ...]] = frozenset()
    # What kind of object it is, empty where nobody said.
    class_name: str = ""

    @property
    def frames(self) -> set[int]:
        """All frames about which anything is known."""
        return set().union(self.prompts, self.staged, self.conditioning, self.recent, self.visited)

    def only(self, frames: Container[int]) -> ObjectState:
        """Keep what is known of some frames."""
        return replace(
            self,
            prompts=_only(self.prompts, frames),
            staged=_only(self.staged, frames),
            conditioning=_only(self.conditioning, frames),
            recent=_only(self.recent, frames),
            visited=self.visited.only(frames),
            stale=self.stale.only(frames),
            fills=self.fills.only(frames),
        )

    def joined(self, other: ObjectState) -> ObjectState:
        """Add what is known of frames about which nothing is known here."""
        added = other.only(other.frames - self.frames)
        visited, stale, fills = self.visited.copy(), self.stale.copy(), self.fills.copy()
        for mine, theirs in ((visited, added.visited), (stale, added.stale), (fills, added.fills)):
            mine.merge(theirs)
        return replace(
            self,
            prompts={**self.prompts, **{t: replace(p, object_id=self.object_id) for t, p in added.prompts.items()}},
            staged={**self.staged, **added.staged},
            conditioning={**self.conditioning, **added.conditioning},
            recent={**self.recent, **added.recent},
            visited=visited,
            stale=stale,
            fills=fills,
        )

    @property
    def memories(self) -> Iterator[FrameMemory]:
        """All that is remembered."""
        return chain(self.staged.values(), self.conditioning.values(), self.recent.values(), self.exemplars)

    def thinned(self) -> ObjectState:
        """The same, but of frames without a prompt only the pointers and scores."""
        return replace(self, recent={frame: memory.thin() for frame, memory in self.recent.items()})


def _only(table: Mapping[int, T], frames: Container[int]) -> dict[int, T]:
    return {frame: value for frame, value in table.items() if frame in frames}


class ObjectTrack:
    """Prompts and memories of one object."""

    def __init__(
        self,
        object_id: int,
        bank: MemoryBank,
        accepted: AbstractSet[int] = frozenset(),
        *,
        n_planes: int | None = None,
    ) -> None:
        self.object_id = object_id
        self.bank = bank
        # Of a volume, where frames are the planes of volumes.
        self.n_planes = n_planes
        # Frames whose result a person has accepted; whoever keeps the results changes it.
        self.accepted = accepted
        # As in `ObjectState`, but changed in place.
        self.prompts: dict[int, Prompt] = {}
        self.staged: dict[int, FrameMemory] = {}
        self.visited = FrameDirections()
        self.stale = FrameDirections()
        self.fills = FrameDirections()
        self.span = LifeSpan()
        self.refused: frozenset[tuple[int, ...]] = frozenset()
        self.class_name = ""

    def result(self, frame: int) -> FrameMemory | None:
        """Latest result on a frame, if it is kept."""
        return self.staged.get(frame) or self.bank.get(frame)

    @property
    def is_known(self) -> bool:
        """Whether anything says what it looks like: a prompt, or an exemplar."""
        return bool(self.prompts or self.bank.exemplars)

    @property
    def first_prompt(self) -> int:
        """Its first prompted frame; the first frame where only exemplars are known."""
        return min(self.prompts, default=0)

    def is_prompted(self, frame: int) -> bool:
        """Whether the result on a frame answers a prompt, also one that was removed and not replaced by tracking."""
        return frame in self.prompts or (frame in self.stale and frame not in self.visited)

    @property
    def ends(self) -> list[int]:
        """Frames whose result is given, rising: the ends of the stretches in between."""
        return sorted(self.accepted | self.prompts.keys())

    def stretch(self, frame: int) -> tuple[int, int] | None:
        """The conditioning frames between which a run brings a frame about from both sides, if one does."""
        if self.fills.get(frame) != 1:
            return None
        before, after = neighbours(frame, self.bank.conditioning)
        return None if before is None or after is None else (before, after)

    def mark_tracked(self, frame: int, step: int) -> None:
        """Record that a pass tracked a frame, in the direction ``step``."""
        self.visited[frame] = step
        self.stale.pop(frame, None)
        # The way back is the second of two that fill a frame; any other pass is one from one side.
        fill = self.fills.pop(frame, 0)
        if fill == 1:
            self.fills[frame] = step

    def mark_downstream_stale(self, frame: int) -> None:
        """Mark the tracked frames whose results came after that of ``frame``, and so depend on it, as out of date."""
        downstream = self.visited.after_volume(frame, n) if (n := self.n_planes) else self.visited.after(frame)
        # What came from two prompts depends on them and on no others.
        ends, (before, after) = self.ends, neighbours(frame, self.ends)
        for filled in self.fills.going(-1):
            downstream.pop(filled, None)
        for filled, way in list(self.fills.items()):
            if (before is None or before < filled) and (after is None or filled < after):
                del self.fills[filled]
                if way < 0:
                    downstream[filled] = 1 if ends and ends[0] < filled else -1
        # A prompted frame keeps the answer to its prompt, and an accepted one its mask: tracking does not change it.
        for given in ends:
            downstream.pop(given, None)
        self.stale.merge(downstream)

    def clear_prompts(self, frame: int) -> None:
        """Remove the prompts on a frame; what was tracked stays, out of date."""
        del self.prompts[frame]
        self.staged.pop(frame, None)
        # Results that used the memory of this prompt are out of date.
        self.mark_downstream_stale(frame)
        # The frame itself is no longer a conditioning frame; if a pass went over it, it has to be tracked.
        demoted = self.bank.conditioning.pop(frame, None)
        if frame in self.visited:
            self.stale[frame] = self.visited[frame]
            if demoted is not None:
                # A prompt given here later starts afresh, as on a frame never tracked.
                self.bank.recent[frame] = demoted
                del self.visited[frame]

    def state(self) -> ObjectState:
        """Record the present state."""
        # Tables are copied, never the tensors in them: all states share those.
        return ObjectState(
            self.object_id,
            prompts=dict(self.prompts),
            staged=dict(self.staged),
            conditioning=dict(self.bank.conditioning),
            recent=dict(self.bank.recent),
            visited=self.visited.copy(),
            stale=self.stale.copy(),
            fills=self.fills.copy(),
            exemplars=self.bank.exemplars,
            span=self.span,
            refused=self.refused,
            class_name=self.class_name,
        )

    def restore(self, state: ObjectState) -> None:
        """Go back to a recorded state."""
        self.prompts, self.staged = dict(state.prompts), dict(state.staged)
        self.bank.conditioning, self.bank.recent = dict(state.conditioning), dict(state.recent)
        self.visited, self.stale, self.fills = state.visited.copy(), state.stale.copy(), state.fills.copy()
        self.bank.exemplars, self.span = state.exemplars, state.span
        self.refused, self.class_name = state.refused, state.class_name


def neighbours(frame: int, frames: Iterable[int]) -> tuple[int | None, int | None]:
    """The nearest of some frames before a frame and after it, ``None`` where there is none."""
    others = set(frames)
    return max((t for t in others if t < frame), default=None), min((t for t in others if t > frame), default=None)
