"""Edits of a session that can be undone, and the stacks that undo and redo them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

from napari_sam2.session.results.outputs import RECORD_BYTES, ErasedObject
from napari_sam2.session.tracking.object_track import ObjectState

# The most bytes that edits which can be undone may take.
EDIT_BYTES = 64 * 2**20


class Editable(Protocol):
    """What an edit needs of the session it edits."""

    def restore_frame(self, frame: int, state: ObjectState) -> ObjectState:
        """Set the state of an object on a frame; return its state before."""

    def attach(self, state: ObjectState, place: int, erased: ErasedObject) -> None:
        """Add an object to the session at its position in the order, with its results."""

    def detach(self, object_id: int) -> tuple[ObjectState, int, ErasedObject]:
        """Remove an object from the session; return its state, its position in the order, and its results."""


class Edit(Protocol):
    """A change of the prompts or of the set of objects; each knows the edit that undoes it."""

    @property
    def nbytes(self) -> int:
        """Bytes that are kept for it."""

    def apply(self, target: Editable) -> Edit:
        """Do it, and return the edit that undoes it."""


@dataclass(frozen=True, eq=False)
class RestoreFrame:
    """Put an object's state on one frame back to what it was before, or after, a prompt there."""

    frame: int
    # What is restored, limited to that frame.
    state: ObjectState

    @property
    def nbytes(self) -> int:
        """Bytes of the memories of that frame."""
        return self.state.nbytes

    def apply(self, target: Editable) -> RestoreFrame:
        """Swap the states."""
        return replace(self, state=target.restore_frame(self.frame, self.state))


@dataclass(frozen=True, eq=False)
class AttachObject:
    """Add a removed object again, at its position in the order of objects, with its results."""

    state: ObjectState
    # Position in the order of objects, which decides ties where masks overlap.
    place: int
    # Labels and scores that the object had.
    erased: ErasedObject

    @property
    def nbytes(self) -> int:
        """Bytes of the object's memories and results."""
        return self.state.nbytes + RECORD_BYTES * len(self.erased.rows)

    def apply(self, target: Editable) -> DetachObject:
        """Add the object."""
        target.attach(self.state, self.place, self.erased)
        return DetachObject(self.state.object_id)


@dataclass(frozen=True, eq=False)
class DetachObject:
    """Remove an object from the session."""

    object_id: int

    @property
    def nbytes(self) -> int:
        """0: the object is in the session."""
        return 0

    def apply(self, target: Editable) -> AttachObject:
        """Remove the object."""
        return AttachObject(*target.detach(self.object_id))


class History:
    """The stacks of edits that can be undone and redone, limited in number and in bytes."""

    def __init__(self, *, limit: int = 100, max_bytes: int = EDIT_BYTES) -> None:
        self.limit = limit
        self.max_bytes = max_bytes
        # Both are stacks: the edit to apply next is the last. States in them share tensors with the session.
        self._undos: list[Edit] = []
        self._redos: list[Edit] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return bool(self._undos)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone edit."""
        return bool(self._redos)

    @property
    def undos(self) -> tuple[Edit, ...]:
        """The edits that `undo` would apply, the next one last."""
        return tuple(self._undos)

    @property
    def redos(self) -> tuple[Edit, ...]:
        """The edits that `redo` would apply, the next one last."""
        return tuple(self._redos)

    def bring_back(self, undos: Sequence[Edit], redos: Sequence[Edit]) -> None:
        """Replace the edits by those of an earlier history."""
        self._undos, self._redos = list(undos), list(redos)

    def record(self, undo: Edit) -> None:
        """Add what undoes an edit that was just made; edits undone before can no longer be redone."""
        # Limited by number, then by bytes, the oldest going first.
        self._undos.append(undo)
        del self._undos[: -self.limit]
        # The latest can be undone in any case.
        sizes = list(accumulate(edit.nbytes for edit in reversed(self._undos)))
        n_kept = max(bisect_right(sizes, self.max_bytes), 1)
        del self._undos[:-n_kept]
        self._redos.clear()

    def undo(self, target: Editable) -> Edit | None:
        """Undo the last edit; return what undid it, or ``None`` if there is nothing to undo."""
        return _move(self._undos, self._redos, target)

    def redo(self, target: Editable) -> Edit | None:
        """Do the last undone edit again; return what did it, or ``None`` if there is nothing to redo."""
        return _move(self._redos, self._undos, target)

    def clear(self) -> None:
        """Forget everything."""
        self._undos.clear()
        self._redos.clear()


def _move(source: list[Edit], destination: list[Edit], target: Editable) -> Edit | None:
    if not source:
        return None
    # Applying an edit gives the one that leads back: it goes on the other stack.
    edit = source.pop()
    # Made now, not when the edit was first done: frames may have been tracked since.
    destination.append(edit.apply(target))
    return edit
