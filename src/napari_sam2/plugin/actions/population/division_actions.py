"""Divisions: a yes or no to those that are proposed, and two clicks on the daughters of one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.layers.layer_events import until_released

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.components import ViewerModel

    from napari_sam2.plugin.actions.drawing.tool_watcher import ToolWatcher
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.session.population.proposed_divisions import DivisionProposal
    from napari_sam2.session.session import Session

    # The object under a click, 0 for none, and where it is in the frame.
    Click = tuple[int, tuple[float, float]]

_LEFT = 1
# As `PanelState.tool` calls it.
DAUGHTERS = "daughters"


class DivisionActions(QObject):
    """Answers what is proposed on the frame on show, and takes the clicks that say who the daughters are."""

    # With the number of daughters that were clicked on.
    changed = Signal(int)

    def __init__(
        self, viewer: ViewerModel, controller: Controller, *, watcher: ToolWatcher, say: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._layers = controller.layers
        self._watcher = watcher
        self._say = say
        # The object that divides while its daughters are clicked on, the frame, and the clicks so far.
        self.mother: int | None = None
        self._frame = 0
        self._clicks: list[Click] = []
        viewer.mouse_drag_callbacks.append(self._pressed)

    @property
    def here(self) -> DivisionProposal | None:
        """What is proposed on the frame on show, of the selected object first."""
        return self._controller.results.division_on(self._layers.frame, self._layers.selected)

    def accept(self, otherwise: Callable[[], None] = lambda: None) -> None:
        """Say yes to what is proposed on the frame on show, or do something else where nothing is."""
        if (division := self.here) is None:
            otherwise()
        else:
            self._edit(lambda session: session.take_division(division))

    def refuse(self) -> None:
        """Say no to it: it is not proposed again."""
        if (division := self.here) is None:
            self._say("No division is proposed on this frame.")
            return
        self._edit(lambda session: session.refuse_division(division))

    def ask_for_daughters(self, mother: int) -> None:
        """Take the next two clicks as the daughters of an object; asked again, give it up."""
        if self.mother == mother:
            self.cancel()
            return
        self.mother, self._frame, self._clicks = mother, self._layers.frame, []
        self._watcher.force(DAUGHTERS)
        self.changed.emit(len(self._clicks))

    def cancel(self) -> None:
        """Expect no more clicks."""
        if self.mother is not None:
            self.mother, self._clicks = None, []
            self._watcher.force("")
            self.changed.emit(len(self._clicks))

    def close(self) -> None:
        """Stop following the viewer."""
        # Called when the dock is closed and when the widget is destroyed, possibly both.
        if self._pressed in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._pressed)

    def _pressed(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """Take a click for a daughter; a drag moves the view, as always."""
        if self.mother is not None and self._frame != self._layers.frame:
            self.cancel()
        if self.mother is None or event.button != _LEFT or len(self._layers.displayed) > 2:
            return
        if (yield from until_released(event, viewer.layers.selection.active)):
            self._clicked(event.position)

    def _clicked(self, position: Any) -> None:
        image, space = self._layers.image, self._layers.space
        if image is None or space is None or self.mother is None:
            return
        place = np.asarray(image.world_to_data(position))[list(space.plane_axes)] - space.crop[:2]
        row, column = np.round(place).astype(int).tolist()
        drawn = self._layers.drawn_on(self._frame)
        if not (0 <= row < drawn.shape[0] and 0 <= column < drawn.shape[1]):
            return
        self._clicks.append((int(drawn[row, column]), (float(place[0]), float(place[1]))))
        if len(self._clicks) < 2:
            self.changed.emit(len(self._clicks))
            return
        mother, frame, clicks = self.mother, self._frame, self._clicks
        self.cancel()
        self._edit(lambda session: divide_at(session, frame, mother, clicks))

    def _edit(self, edit: Callable[[Session], object]) -> None:
        self._controller.edits.change(lambda engine: engine.edit_tracks(edit))


def divide_at(session: Session, frame: int, mother: int, clicks: list[Click]) -> None:
    """Divide an object into what lies at two places: objects, parts of it, or what is nothing yet and gets a click."""
    with session.step("Divides here"):
        if all(object_id == mother for object_id, _ in clicks):
            daughters = session.split(mother, frame, [place for _, place in clicks])
        else:
            daughters = tuple(object_id or _new(session, frame, place) for object_id, place in clicks)
        session.divide(frame, mother, daughters)


def _new(session: Session, frame: int, place: tuple[float, float]) -> int:
    object_id = max(session.object_ids, default=0) + 1
    session.add_points(frame, object_id, [place], [1])
    return object_id
