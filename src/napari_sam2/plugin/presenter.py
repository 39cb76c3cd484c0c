"""Shows results, progress and state in the panel's tables, plot, notes and buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_sam2.plugin.layers.labels_layer import SCORES_KEY, colour_of
from napari_sam2.plugin.layers.layer_frames import model_window

from .commands import tip
from .memory_notice import budget_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels

    from napari_sam2.plugin.actions.finetuning import Teaching
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.doubts import Doubt
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.state.result_store import ResultStore

    from .controller import Controller

# The layer's tables are for scripts and for looking at, and take as long to write as a preview takes to show.
_TABLES_MS = 300


class Presenter:
    """Reads the controller and the layers, and shows what they hold; also colours and tabulates the Labels layer."""

    def __init__(self, controller: Controller, panel: Panel, *, objects: ObjectNames, teaching: Teaching) -> None:
        self._controller = controller
        self._layers = controller.layers
        self._panel = panel
        self._objects = objects
        self._teaching = teaching
        # The doubtful frame that was gone to last.
        self.doubt: Doubt | None = None
        self._tables = QTimer(panel)
        self._tables.setSingleShot(True)
        self._tables.setInterval(_TABLES_MS)
        self._tables.timeout.connect(self.write_tables)

    def show(self) -> None:
        """Show everything."""
        layers, results, panel = self._layers, self._controller.results, self._panel
        threshold, prompts = panel.threshold.value(), self._controller.prompts.drawings
        # Called after every change of any kind. The table comes first, as collecting its rows finds out which objects
        # there are, which colours and keys for new objects go by.
        rows = self._objects.rows(results, prompts=prompts, threshold=threshold, labels=layers.labels)
        panel.object_table.show_rows(rows, layers.selected)
        scores = results.series(layers.selected, "object_score")
        panel.score_plot.show_scores(scores, threshold, colour=colour_of(layers.labels, layers.selected))
        # With prompts that the session has not answered yet, so that one shows at once.
        prompted = sorted({place.frame for place in prompts if place.object_id == layers.selected})
        panel.score_plot.show_marks(prompted, results.stale(layers.selected))
        news = self._controller.edits.has_news and results.is_any
        panel.track_box.show_stale(len(results.stale_frames()), others=news)
        self.show_frame()
        self.show_undo()
        self.show_window()
        self._show_region()
        self._show_memory()
        self.show_rows()
        self._show_hint(started=bool(rows))
        # During a run napari would colour and tabulate anew at every interval; it is done at the end.
        if layers.labels is not None and not self._controller.is_running:
            self._objects.apply(layers.labels)
            self._tables.start()

    def write_tables(self) -> None:
        """Put the scores beside the labels, into their layer."""
        self._tables.stop()
        if self._layers.labels is not None and not self._controller.is_running:
            threshold = self._panel.threshold.value()
            _write_tables(self._layers.labels, self._controller.results, self._objects.names, threshold)

    def show_rows(self) -> None:
        """List the frames."""
        threshold = self._panel.threshold.value()
        self._panel.frame_table.refresh(self._controller.results, self._layers.selected, threshold)

    def show_frame(self) -> None:
        """Say which frame is on show, and how the selected object is doing on it."""
        layers, results = self._layers, self._controller.results
        self._panel.track_box.set_frame(layers.frame)
        self._panel.score_plot.show_frame(layers.frame)
        self.show_accepted()
        row = results.table.get(layers.frame, layers.selected)
        name = self._objects.name_of(layers.selected)
        if row is None:
            text = f"Nothing known of {name} here yet"
        else:
            seen = "hidden" if row.object_score < self._panel.threshold.value() else "seen"
            text = f"{name} {seen}: confidence {row.object_score:.2f}, shape quality {row.predicted_iou:.2f}"
        if self.doubt is not None and self.doubt.frame == layers.frame:
            text += f" · doubtful: {self.doubt.reason}"
        if layers.frame in results.stale_frames():
            text += " · stale: press Update"
        elif self._controller.prompts.pending and not self._controller.edits.live:
            text += " · new prompts: track or press Update"
        self._panel.frame_note.setText(text)

    def show_accepted(self) -> None:
        """Say which frames are accepted."""
        results = self._controller.results
        self._panel.score_plot.show_accepted(results.marks(results.accepted.frames_done))
        here = results.is_accepted(self._layers.frame)
        self._panel.teach_box.show_accepted(*self._teaching.n_accepted, here=here)

    def show_undo(self) -> None:
        """Say what there is to undo, and what has to wait for a run to end."""
        busy = self._controller.is_busy
        for action, name in (("undo", self._controller.edits.undo_name), ("redo", self._controller.edits.redo_name)):
            button = self._panel.buttons[action]
            button.setEnabled(name is not None and not busy)
            text = action.capitalize() if name is None else f"{action.capitalize()} {name[0].lower()}{name[1:]}"
            button.setToolTip(tip(action, text))
        self._panel.track_box.show_waiting(self._teaching.is_running)
        if not busy:
            self._panel.track_box.show_resumable(self._controller.can_resume)
        self._panel.teach_box.show_busy(busy)

    def _show_hint(self, *, started: bool) -> None:
        hint = "Press New object, then click on it in the image." if self._layers.image else "Open an image to begin."
        self._panel.hint.setText(hint)
        self._panel.hint.setVisible(not started)

    def _show_memory(self) -> None:
        controller, space = self._controller, self._layers.space
        # The estimate of before is left on show: what the run takes now is no longer free.
        if controller.is_running:
            return
        text, offer = "", False
        if space is not None and space in controller.workspace.engines:
            budget = budget_of(controller, space, self._layers.labels)
            text, offer = budget.text, budget.labels_are_large
        self._panel.track_box.show_memory(text, offer_disk=offer)

    def _show_region(self) -> None:
        region = None if self._layers.space is None else self._layers.space.selection.crop
        text = "whole frames"
        if region is not None:
            y0, x0, y1, x1 = region
            text = f"{y1 - y0} x {x1 - x0} px at y {y0}, x {x0}"
        self._panel.region_note.setText(text)
        self._panel.buttons["whole_frame"].setVisible(region is not None)

    def show_window(self) -> None:
        """Say which pixel values the model sees as black and white."""
        image, window = self._layers.image, self._controller.window
        # The button is there only where the session sees the image in another way than the user.
        now = None if image is None else model_window(image)
        self._panel.window_row.setVisible(window is not None)
        if window is not None:
            self._panel.window_note.setText(f"model sees {window[0]:.5g} to {window[1]:.5g}")
            self._panel.buttons["take_window"].setVisible(now != window)


def _write_tables(layer: Labels, results: ResultStore, names: Mapping[int, str], threshold: float) -> None:
    """Put a row per label into the layer's features, and one per frame and label into its metadata."""
    import pandas as pd

    rows: list[dict[str, Any]] = [{"index": 0, "name": "background"}]
    for object_id in results.object_ids:
        summary = results.summary(object_id, threshold)
        rows.append({"index": object_id, "name": names.get(object_id, f"object {object_id}"), **summary})
    layer.features = pd.DataFrame(rows)
    layer.metadata[SCORES_KEY] = results.scores()
