"""Edits of a session as invertible objects, and the stacks that undo and redo them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .track import FrameState, ObjectTrack


class Editable(Protocol):
    """What an edit needs of the session it edits."""

    def restore_frame(self, object_id: int, frame: int, state: FrameState) -> None:
        """Set what is known of an object on a frame."""

    def attach(self, track: ObjectTrack) -> None:
        """Take an object into the session, with its results."""

    def detach(self, object_id: int) -> None:
        """Take an object out of the session, with its results."""


class Edit(Protocol):
    """Something a user did that can be undone."""

    @property
    def frames(self) -> Sequence[int]:
        """Frames whose prompts the edit changed."""

    def apply(self, target: Editable) -> None:
        """Do it."""

    def inverse(self) -> Edit:
        """Return the edit that undoes it."""


@dataclass(frozen=True, eq=False)
class PromptEdit:
    """A prompt was set, changed or cleared.

    Attributes
    ----------
    object_id, frame : int
        Where.
    before, after : FrameState
        What was known of the object on the frame.
    """

    object_id: int
    frame: int
    before: FrameState
    after: FrameState

    @property
    def frames(self) -> Sequence[int]:
        """The one frame."""
        return (self.frame,)

    def apply(self, target: Editable) -> None:
        """Set the state after the edit."""
        target.restore_frame(self.object_id, self.frame, self.after)

    def inverse(self) -> PromptEdit:
        """Swap before and after."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, eq=False)
class AttachObject:
    """An object came into the session."""

    track: ObjectTrack

    @property
    def frames(self) -> Sequence[int]:
        """Its prompted frames."""
        return tuple(self.track.prompts)

    def apply(self, target: Editable) -> None:
        """Take it in."""
        target.attach(self.track)

    def inverse(self) -> DetachObject:
        """Take it out again."""
        return DetachObject(self.track)


@dataclass(frozen=True, eq=False)
class DetachObject:
    """An object was removed from the session."""

    track: ObjectTrack

    @property
    def frames(self) -> Sequence[int]:
        """Its prompted frames."""
        return tuple(self.track.prompts)

    def apply(self, target: Editable) -> None:
        """Take it out."""
        target.detach(self.track.object_id)

    def inverse(self) -> AttachObject:
        """Take it in again."""
        return AttachObject(self.track)


@dataclass(frozen=True, eq=False)
class EditGroup:
    """Several edits that are one step to the user."""

    edits: tuple[Edit, ...]

    @property
    def frames(self) -> Sequence[int]:
        """The frames of all of them."""
        return tuple(dict.fromkeys(frame for edit in self.edits for frame in edit.frames))

    def apply(self, target: Editable) -> None:
        """Do them in order."""
        for edit in self.edits:
            edit.apply(target)

    def inverse(self) -> EditGroup:
        """Undo them in the opposite order."""
        return EditGroup(tuple(edit.inverse() for edit in reversed(self.edits)))


class History:
    """Edits done, and edits undone that can be done again."""

    def __init__(self, *, limit: int = 100) -> None:
        self.limit = limit
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone edit."""
        return bool(self._undone)

    def record(self, edit: Edit) -> None:
        """Note an edit that was just done; what had been undone before is gone."""
        self._done.append(edit)
        del self._done[: -self.limit]
        self._undone.clear()

    def undo(self, target: Editable) -> Edit | None:
        """Undo the last edit and return it, or ``None`` if there is none."""
        return self._move(self._done, self._undone, target)

    def redo(self, target: Editable) -> Edit | None:
        """Do the last undone edit again; return its inverse, or ``None`` if there is none."""
        return self._move(self._undone, self._done, target)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    def _move(self, source: list[Edit], destination: list[Edit], target: Editable) -> Edit | None:
        if not source:
            return None
        edit = source.pop()
        inverse = edit.inverse()
        inverse.apply(target)
        destination.append(inverse)
        return edit
