"""The steps of a session that can be undone: what each one changed, as it was before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from napari_sam2.session.results.outputs import RECORD_BYTES, FrameOutputs
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.tracking.run_plan import TrackingRun

# The most steps that can be undone, and bytes that they may take beyond what the session has in any case.
MAX_STEPS = 100
HISTORY_BYTES = 64 * 2**20


@dataclass(eq=False)
class Step:
    """One action of the user: all that it changed, as it was before; of an undone one, as it was after."""

    # What the user did, as in "Click on object 3".
    name: str
    # The objects of the session, in their order.
    objects: tuple[int, ...] = ()
    # The run that could be resumed.
    run: TrackingRun | None = None
    # Whether it is a tracking run: what is left of it goes on in the same step.
    is_run: bool = False
    # By object that may have changed, its state; ``None`` where it was not there.
    tracks: dict[int, ObjectState | None] = field(default_factory=dict)
    # By frame that has changed, its results.
    frames: dict[int, FrameOutputs] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed."""
        return not (self.tracks or self.frames)

    @property
    def memories(self) -> list[FrameMemory]:
        """All memories that it keeps."""
        return [memory for state in self.tracks.values() if state is not None for memory in state.memories]

    @property
    def record_bytes(self) -> int:
        """Bytes of its labels and scores."""
        return RECORD_BYTES * sum(len(outputs.rows) for outputs in self.frames.values())

    def thin(self) -> None:
        """Drop the memories that tracking makes again."""
        self.tracks = {i: None if state is None else state.thinned() for i, state in self.tracks.items()}


class History:
    """The stacks of steps that can be undone and redone, limited in number and in bytes."""

    def __init__(self, *, limit: int = MAX_STEPS, max_bytes: int | None = None) -> None:
        self.limit = limit
        self.max_bytes = HISTORY_BYTES if max_bytes is None else max_bytes
        # Both are stacks: the step to take next is the last. States in them share tensors with the session.
        self._undos: list[Step] = []
        self._redos: list[Step] = []

    @property
    def undos(self) -> tuple[Step, ...]:
        """The steps that `Session.undo` would undo, the next one last."""
        return tuple(self._undos)

    @property
    def redos(self) -> tuple[Step, ...]:
        """The steps that `Session.redo` would do again, the next one last."""
        return tuple(self._redos)

    def bring_back(self, undos: Sequence[Step], redos: Sequence[Step]) -> None:
        """Replace the steps by those of an earlier history."""
        self._undos, self._redos = list(undos), list(redos)

    def add(self, step: Step, present: Iterable[FrameMemory]) -> None:
        """Add a step that was just taken; steps undone before can no longer be done again.

        ``present``: memories that the session has now.
        """
        if step not in self._undos[-1:]:
            self._undos.append(step)
        self._redos.clear()
        _limit(self._undos, self.limit, self.max_bytes, present)

    def move(self, step: Step, inverse: Step, present: Iterable[FrameMemory]) -> None:
        """Replace the next step to undo or redo by its inverse on the other stack."""
        source, target = (self._undos, self._redos) if step in self._undos[-1:] else (self._redos, self._undos)
        source.remove(step)
        target.append(inverse)
        _limit(target, self.limit, self.max_bytes, list(present))

    def clear(self) -> None:
        """Forget everything."""
        self._undos.clear()
        self._redos.clear()


def _limit(steps: list[Step], limit: int, max_bytes: int, present: Iterable[FrameMemory]) -> None:
    """Thin out or drop steps until they fit into a budget, the oldest first; the latest is kept whole."""
    del steps[:-limit]
    # Labels and scores cannot be made again, so they are served first. From a step that is too much on, all older
    # ones go: one cannot go back over a gap.
    left = max_bytes
    for at in range(len(steps) - 2, -1, -1):
        if steps[at].record_bytes > left:
            del steps[: at + 1]
            break
        left -= steps[at].record_bytes
    # Memories get the rest of the budget. By identity: they never change, so the same object is the same memory.
    kept = {id(memory) for memory in present}
    for age, step in enumerate(reversed(steps)):
        added = {id(memory): memory.nbytes for memory in step.memories if id(memory) not in kept}
        nbytes = sum(added.values())
        if age and nbytes > left:
            step.thin()
            continue
        left -= nbytes if age else 0
        kept |= added.keys()
