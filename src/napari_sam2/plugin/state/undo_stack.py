"""The undo stack: what the prompt layers held before and after each of the user's steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.worker.undo_steps import UNDO_STEPS

if TYPE_CHECKING:
    from napari_sam2.plugin.layers.session_layers import LayersContent


@dataclass(frozen=True, eq=False)
class Step:
    """Something the user did."""

    # The engine files its record of the step under this number.
    number: int
    # What the prompt layers held.
    before: LayersContent
    after: LayersContent


class UndoStack:
    """Steps done, and steps taken back that can be done again."""

    def __init__(self) -> None:
        # Newest last in both.
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._numbers = 0

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._undone)

    def record(self, before: LayersContent, after: LayersContent) -> int:
        """Note a step and give it its number; steps taken back before are gone."""
        self._numbers += 1
        self._done.append(Step(self._numbers, before, after))
        del self._done[:-UNDO_STEPS]
        self._undone.clear()
        return self._numbers

    def bring_back(self, steps: Sequence[tuple[LayersContent, LayersContent]], n_done: int) -> None:
        """Take over the steps of a session that has a past."""
        known = [Step(number, before, after) for number, (before, after) in enumerate(steps, 1)]
        self._done, self._undone, self._numbers = known[:n_done], known[n_done:][::-1], len(known)

    def undo(self) -> Step:
        """Take the last step off and return it."""
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Step:
        """Put the last step taken off back on and return it."""
        self._done.append(self._undone.pop())
        return self._done[-1]
