"""Goes through the masks that the model proposes for the clicks or the box on the selected object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent

from napari_sam2.data.prompts.drawing import Drawing, PromptKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2.plugin.controller import Controller

# Masks that have more than this in common (J) look the same to a user.
_THE_SAME = 0.85


class CandidateWalk(QObject):
    """Shows one proposal after the other, each as a prompt of its own and a step to undo."""

    # With the number of masks and the one on show, from 1; zeros where the walk is over.
    changed = Signal(int, int)

    def __init__(self, controller: Controller, *, say: Callable[[str], object]) -> None:
        super().__init__()
        self._controller = controller
        self._layers = controller.layers
        self._say = say
        # The object and frame, what was said there last, the masks, and which of them it was.
        self._place: PromptKey | None = None
        self._given: Drawing | None = None
        self._masks: list[NDArray[np.bool_]] = []
        self._at = 0
        controller.results_changed.connect(self._end_if_over)

    @property
    def can_go_on(self) -> bool:
        """Whether there is something to propose masks for."""
        return self._here in self._controller.edits.prompts.drawings and not self._controller.is_busy

    def show_next(self) -> None:
        """Show the next mask; after the last comes the one there was at first."""
        place = self._here
        if place not in self._controller.edits.prompts.drawings:
            self._say("Click on an object first: the model then proposes masks for it.")
        elif self._is_on:
            self._show(self._at + 1)
        else:
            self._controller.propose(place, lambda masks: self._found(place, masks))

    def eventFilter(self, part: QObject, event: QEvent) -> bool:
        """Take the Tab key where there is something to propose; elsewhere it goes from control to control."""
        is_tab = event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent)
        if is_tab and event.key() == Qt.Key.Key_Tab and self.can_go_on:
            self.show_next()
            return True
        return False

    @property
    def _here(self) -> PromptKey:
        return PromptKey(self._layers.frame, self._layers.selected)

    @property
    def _is_on(self) -> bool:
        # What was given is on its way until it is answered.
        prompts = self._controller.edits.prompts
        return self._place == self._here and (
            bool(prompts.unanswered) or prompts.drawings.get(self._here) == self._given
        )

    def _found(self, place: PromptKey, masks: list[NDArray[np.bool_]]) -> None:
        # Back on the GUI thread; the user may have gone elsewhere.
        if place != self._here:
            return
        now = self._layers.drawn_on(place.frame) == place.object_id
        others = [mask for mask in masks if not _alike(mask, now)]
        if others:
            self._place, self._masks = place, [now, *others]
            self._show(1)
        else:
            self._say("The model proposes no other mask here.")

    def _show(self, at: int) -> None:
        assert self._place is not None
        self._at = at % len(self._masks)
        mask = self._masks[self._at]
        self._given = Drawing.of_mask(mask)
        self._controller.edits.give({self._place: mask}, f"Another mask of object {self._place.object_id}")
        self.changed.emit(len(self._masks), self._at + 1)

    def _end_if_over(self) -> None:
        if self._place is not None and not self._is_on:
            self._place, self._given, self._masks = None, None, []
            self.changed.emit(0, 0)


def _alike(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    return float((one & other).sum()) > _THE_SAME * float((one | other).sum())
