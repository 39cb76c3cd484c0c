"""What the panel shows of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .result_layers import colour_of, write_tables
from .space import model_window

if TYPE_CHECKING:
    from .controller import Controller
    from .objects import ObjectList
    from .panel import Panel


class View:
    """Keeps table, plot, notes and buttons in step with what the controller knows.

    Parameters
    ----------
    controller : Controller
        Whose results are shown.
    panel : Panel
        Where they are shown.
    objects : ObjectList
        What the objects are called.
    """

    def __init__(self, controller: Controller, panel: Panel, *, objects: ObjectList) -> None:
        self._controller = controller
        self._layers = controller.layers
        self._panel = panel
        self._objects = objects

    def show(self) -> None:
        """Show everything."""
        layers, results, panel = self._layers, self._controller.results, self._panel
        threshold, prompts = panel.threshold.value(), self._controller.wishes
        rows = self._objects.rows(results, prompts=prompts, threshold=threshold, labels=layers.labels)
        panel.object_table.show_rows(rows, layers.selected)
        scores = results.series(layers.selected, "object_score")
        panel.score_plot.show_scores(scores, threshold, colour=colour_of(layers.labels, layers.selected))
        prompted = sorted({place.frame for place in prompts if place.object_id == layers.selected})
        panel.score_plot.show_marks(prompted, results.marks(results.state.stale.get(layers.selected, ())))
        panel.score_plot.show_frame(layers.frame)
        panel.track_box.show_stale(len(results.stale_frames()))
        self.show_frame_note()
        self.show_undo()
        self.show_window()
        if layers.labels is not None and not self._controller.is_running:
            self._objects.apply(layers.labels)
            write_tables(layers.labels, results, self._objects.names, threshold)

    def show_frame_note(self) -> None:
        """Say how the selected object is doing on the frame on show."""
        layers, results = self._layers, self._controller.results
        row = results.table.get(layers.frame, layers.selected)
        name = self._objects.name_of(layers.selected)
        if row is None:
            text = f"Frame {layers.frame}: nothing known of {name} yet"
        else:
            seen = "hidden" if row.object_score < self._panel.threshold.value() else "seen"
            text = f"Frame {layers.frame}: {name} {seen}, score {row.object_score:.2f}, IoU {row.predicted_iou:.2f}"
        if layers.frame in results.stale_frames():
            text += " · out of date: press Update"
        self._panel.frame_note.setText(text)

    def show_undo(self) -> None:
        """Say whether there is something to undo."""
        stack, running = self._controller.undo_stack, self._controller.is_running
        self._panel.buttons["undo"].setEnabled(stack.can_undo and not running)
        self._panel.buttons["redo"].setEnabled(stack.can_redo and not running)

    def show_window(self) -> None:
        """Say which pixel values the model sees as black and white."""
        image, window = self._layers.image, self._controller.window
        now = None if image is None else model_window(image)
        self._panel.window_row.setVisible(window is not None)
        if window is not None:
            self._panel.window_note.setText(f"model sees {window[0]:.5g} to {window[1]:.5g}")
            self._panel.buttons["take_window"].setVisible(now != window)
