"""Snapshots of a whole session, for undoing tracking runs and for saving, and the limit on their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_sam2.session.results.outputs import RECORD_BYTES, OutputsMark
from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.tracking.run_plan import TrackingRun

# The most bytes that snapshots from before earlier runs may take, for undo.
UNDO_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class SessionState:
    """A snapshot of a session; tensors and label images are shared with it, not copied."""

    # In their order.
    objects: tuple[ObjectState, ...]
    # The run that can be resumed.
    unfinished: TrackingRun | None = None
    # Labels and scores; ``None`` leaves those there are.
    outputs: OutputsMark | None = None
    # A run with all its results, but with memories only as far as it is done: the rest has to be tracked again, without
    # drawing, before memories are next used.
    untracked: TrackingRun | None = None

    def records_beyond(self, other: SessionState) -> int:
        """Number of results, each of one object on one frame, that another snapshot does not share."""
        if self.outputs is None or other.outputs is None:
            return 0
        return self.outputs.records_beyond(other.outputs)

    def memory_bytes_beyond(self, other: SessionState) -> int:
        """Bytes of the memories that another snapshot does not share."""
        # By identity: memories never change, so the same object is the same memory.
        shared = {id(memory) for known in other.objects for memory in known.memories}
        own = {id(memory): memory.nbytes for known in self.objects for memory in known.memories}
        return sum(nbytes for key, nbytes in own.items() if key not in shared)

    def thinned(self) -> SessionState:
        """The same without the memories that tracking makes again: of frames that have no prompt."""
        return replace(self, objects=tuple(known.thinned() for known in self.objects))


def limit_states(states: Sequence[SessionState], max_bytes: int) -> list[SessionState | None]:
    """Thin out or drop snapshots until they fit into a budget, the oldest first.

    ``states``: the latest first; that one is always kept whole.
    ``max_bytes``: what the others may take together, beyond what each shares with the next later one.
    Each is returned whole, without memories that tracking can make again, or as ``None`` where labels and scores alone
    are too much.
    """
    # Labels and scores cannot be made again exactly, so they are served first.
    kept: list[SessionState | None] = list(states)
    later: SessionState | None = None
    for index, state in enumerate(states):
        max_bytes -= RECORD_BYTES * (0 if later is None else state.records_beyond(later))
        if max_bytes < 0:
            # From here on all are dropped: one cannot go back over a gap to an older state.
            kept[index:] = [None] * (len(states) - index)
            break
        later = state
    # Memories get the rest of the budget, those of later snapshots first.
    later = next(iter(states), None)
    for index, one in enumerate(kept[1:], 1):
        if one is None or later is None:
            break
        nbytes = one.memory_bytes_beyond(later)
        later = kept[index] = one if nbytes <= max_bytes else one.thinned()
        max_bytes -= nbytes if later is one else 0
    return kept
