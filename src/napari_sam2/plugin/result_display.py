"""Puts results from the worker into the Labels layer and the workspace, and tells the panel of them.

Everything here runs on the GUI thread, called by the controller when an answer has come and is still wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.plugin.layers.labels_layer import refresh, write_frame

from .redraw import Redraw

if TYPE_CHECKING:
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.session_layers import SessionLayers
    from napari_sam2.plugin.state.workspace import Workspace
    from napari_sam2.plugin.worker.messages import FrameUpdate, Report, Tracked

    from .redraw import Submit

# Qt draws the whole window anew, canvas and all, for every change of a bar or a plot: without a GPU that takes as long
# as a frame of a small model.
_REDRAW_MS = 1000


class ResultDisplay(QObject):
    """Shows what the worker answers."""

    # The controller repeats these; it says there what each comes with.
    preview_shown = Signal(int)
    tracking_stepped = Signal(object)
    results_changed = Signal()
    refused = Signal(str)

    def __init__(self, layers: SessionLayers, workspace: Workspace, submit: Submit) -> None:
        super().__init__()
        self._layers = layers
        self._workspace = workspace
        # Frames that are too many for one report come back here batch by batch.
        self._again = Redraw(submit, self.show_report)
        # While a run goes on, the panel is brought up to date at the end of each interval.
        self._panel_soon = QTimer(self)
        self._panel_soon.setSingleShot(True)
        self._panel_soon.setInterval(_REDRAW_MS)
        self._panel_soon.timeout.connect(self.results_changed)

    def show_report(self, report: Report, space: LayerFrames) -> None:
        """Show the frames of a report, and have those drawn that are to come later."""
        # The state comes first and the signal last: whoever hears it sees prompts, stale frames and scores of the same
        # moment. The stack need not be on show; its results are kept either way.
        self._workspace.results(space).state = report.state
        for update in report.frames:
            self._show(update, space)
        for problem in report.problems:
            self.refused.emit(problem)
        self.results_changed.emit()
        # The session may have been closed while the report was on its way: then nothing more is drawn of it.
        engine = self._workspace.engines.get(space)
        if report.later and engine is not None:
            self._again.frame = self._layers.frame
            self._again.add(space, engine, report.later)

    def show_preview(self, report: Report, space: LayerFrames) -> None:
        """Show the answer to a prompt."""
        # The window may be painted once the answer is in the layer, so this is told after that.
        self.show_report(report, space)
        for update in report.frames:
            self.preview_shown.emit(update.frame)

    def show_step(self, tracked: Tracked, space: LayerFrames) -> None:
        """Show a frame of a tracking run; the panel follows now and then."""
        # Each frame is drawn at once, as it costs little. The timer is not restarted while it runs: fast steps would
        # put it off for ever.
        self._workspace.results(space).state = tracked.state
        self._show(tracked.update, space)
        self.tracking_stepped.emit(tracked)
        if not self._panel_soon.isActive():
            self._panel_soon.start()

    def close(self) -> None:
        """Show nothing any more."""
        # Called when the window closes: the timer must not reach a panel that is gone.
        self._panel_soon.stop()

    def forget(self) -> None:
        """Have nothing drawn any more of what waits to be drawn again."""
        # Called when model or image change: the batches that wait belong to a session of before.
        self._again.forget()

    def _show(self, update: FrameUpdate, space: LayerFrames) -> None:
        # Scores first, because taking them also withdraws the user's acceptance where the labels differ. Then the
        # layer, made or widened where it has no room for an object.
        self._workspace.results(space).take(update)
        labels = self._layers.need_labels(int(update.image.max(initial=0)))
        write_frame(labels, space, frame=update.frame, image=update.image)
        # Other frames are read when the slider comes to them.
        if update.frame == self._layers.frame or len(self._layers.displayed) > 2:
            refresh(labels)
