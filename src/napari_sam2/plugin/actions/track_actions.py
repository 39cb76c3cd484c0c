"""What the controls of tracking do, and undo and redo, for which a run that was stopped is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.panel.activity import Activity
from napari_sam2.plugin.state.panel_state import NO_OBJECT, PARTS, WHOLE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state_reader import StateReader
    from napari_sam2.plugin.worker.messages import Tracked, TrackingRequest


class TrackActions(QObject):
    """Connects the Track section with the runs of the controller, and shows how they go."""

    # A run has begun: what has to wait for it is to be shown anew.
    busy_changed = Signal()
    # With True at the end of a run, False where it was stopped or failed.
    ended = Signal(bool)

    def __init__(
        self, controller: Controller, panel: Panel, reader: StateReader, *, say: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._say = say
        self._controller = controller
        self._panel = panel
        self._box = panel.track_box
        self._reader = reader
        self._activity = Activity("SAM 2: tracking")
        # Whether the last run adds objects.
        self._finds_new = False
        self._box.asked.connect(self._track)
        self._box.cancelled.connect(controller.stop)
        self._box.resumed.connect(self.resume)
        # Frames come fast and only the last is kept; the panel follows with the controller's `results_changed`.
        controller.tracking_stepped.connect(self._stepped)
        controller.tracking_finished.connect(self._ended)

    def resume(self) -> None:
        """Go on with the run that was stopped."""
        self._controller.resume()
        self._show_begun()

    def undo(self) -> None:
        """Undo the last step."""
        self._go(self._controller.undo)

    def redo(self) -> None:
        """Do the last undone step again."""
        self._go(self._controller.redo)

    def show_progress(self) -> None:
        """Show how far the run under way is."""
        if self._reader.latest is not None and self._controller.is_running:
            self._box.show_progress(self._reader.latest.done, self._reader.latest.total)
            self._activity.show(self._reader.latest.done, self._reader.latest.total)

    def close(self) -> None:
        """Show nothing any more."""
        self._activity.end()

    def _track(self, plan: TrackingRequest) -> None:
        # An update has something to do for stale frames or for prompts that are pending.
        can = {"update": self._box.can_update, "update_both_ways": self._box.can_update_both_ways}
        nothing = not (can.get(plan.kind, True) or self._controller.edits.has_news)
        space = self._controller.layers.space
        # The line at the top says what is missing, or what goes on.
        if space is None or self._controller.session is None or self._controller.is_busy or nothing:
            return
        if space.n_planes and f"track_{plan.kind}" in PARTS:
            self._say(WHOLE_ONLY)
            return
        if not (self._controller.results.object_ids or self._controller.edits.has_news):
            self._say(NO_OBJECT)
            return
        self._reader.latest = None
        self._reader.say("")
        self._box.restart_progress()
        self._finds_new = plan.kind == "find_new"
        self._controller.track(plan)
        self._show_begun()

    def _show_begun(self) -> None:
        if self._controller.is_running:
            self._box.show_running()
        self.busy_changed.emit()

    def _stepped(self, tracked: Tracked) -> None:
        self._reader.latest = tracked

    def _ended(self, complete: bool) -> None:
        # Called on the GUI thread when a run has ended, was stopped, or failed.
        self._activity.end()
        if complete:
            self._box.show_complete()
        elif (latest := self._reader.latest) is not None:
            self._box.show_progress(latest.done, latest.total)
        self._box.show_idle(can_resume=self._controller.can_resume, text="Done." if complete else "Stopped.")
        # Newcomers are prompts of the session that the layers and the tables do not know of yet.
        if self._finds_new:
            self._controller.edits.change(lambda engine: engine.show(()))
        self.ended.emit(complete)

    def _go(self, move: Callable[[], None]) -> None:
        # During a run there is nothing to undo, and its buttons stay.
        if self._controller.is_busy:
            return
        # A run that was stopped is given up by undo and redo; what it is continued with is the session's.
        self._reader.latest = None
        self._panel.show_prompt_note("")
        move()
        self._box.show_idle(can_resume=self._controller.can_resume)
