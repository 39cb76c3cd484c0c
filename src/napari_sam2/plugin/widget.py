"""The dock widget: puts the parts together and passes on what they ask for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Points, Shapes
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from . import keymap
from .controller import Controller
from .layers import SessionLayers
from .notices import explain
from .objects import ObjectList
from .panel import Panel
from .result_layers import fits
from .settings import remember, remembered
from .space import choosable_axes, current_frame, current_space, go_to_frame, is_made_for
from .tools import SHAPE_TOOLS, Tools
from .view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_sam2.session.session import Session

    from .messages import Tracked

# A slider that is being dragged passes frames nobody wants encoded.
_REST_MS = 150


class Sam2Widget(QWidget):
    """Prompts in, tracked labels and object scores out.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in.
    """

    preview_shown = Signal(int)
    tracking_finished = Signal(bool)

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        # napari hands plugins a proxy, whose layers are never the same object twice.
        self._viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._doubt_at = -1
        self._latest: Tracked | None = None
        self._was_docked = False
        self._closed = False
        self.objects = ObjectList()
        self.layers = SessionLayers(self._viewer)
        self.controller = Controller(self.layers)
        self.panel = Panel(self._viewer, self._accepts)
        self.view = View(self.controller, self.panel, objects=self.objects)
        self.tools = Tools(self._viewer, self.controller, panel=self.panel, objects=self.objects, select=self._select)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        self._rest = self._timer(_REST_MS, self.controller.prepare)
        self._window_rest = self._timer(2 * _REST_MS, self._window_settled)
        self._recall()
        self._connect()
        self._image_changed(self.panel.image_layer.layer)
        self._model_chosen()

    @property
    def session(self) -> Session | None:
        """The session of the stack on show; None before a model is loaded."""
        return self.controller.session

    # Putting together

    def _timer(self, interval: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(slot)
        return timer

    def _recall(self) -> None:
        panel = self.panel
        panel.live_preview.setChecked(remembered("prompts", "live_preview", True))
        panel.threshold.setValue(remembered("results", "threshold", 0.5))
        self.controller.live = panel.live_preview.isChecked()
        self.controller.threshold = panel.threshold.value()

    def _connect(self) -> None:
        panel, layers = self.panel, self.layers
        panel.image_layer.layer_changed.connect(self._image_changed)
        panel.points_layer.layer_changed.connect(layers.set_points)
        panel.shapes_layer.layer_changed.connect(layers.set_shapes)
        panel.labels_layer.layer_changed.connect(self._labels_changed)
        panel.axis.currentIndexChanged.connect(self._space_changed)
        panel.model_box.chosen.connect(self._model_chosen)
        panel.model_box.failed.connect(self._failed)
        panel.object_table.object_selected.connect(self._select)
        panel.object_table.object_renamed.connect(self._rename)
        panel.object_table.object_shown.connect(self._show_object)
        panel.live_preview.toggled.connect(self._live_changed)
        panel.threshold.valueChanged.connect(self._threshold_changed)
        panel.doubt.currentIndexChanged.connect(self._restart_doubts)
        panel.score_plot.frame_clicked.connect(self._go_to)
        panel.track_box.asked.connect(self._track)
        panel.track_box.cancelled.connect(self.controller.stop)
        panel.track_box.resumed.connect(self._resume)
        for name, action in self._actions().items():
            if name in panel.buttons:
                panel.buttons[name].clicked.connect(lambda _=False, action=action: action())
        layers.layer_added.connect(self._layer_added)
        layers.label_selected.connect(self._select)
        self._connect_controller()
        self._viewer.dims.events.current_step.connect(self._slider_moved)
        keymap.bind(self._viewer, self._actions())
        # Not a method of this widget: those are gone when it is destroyed.
        self.destroyed.connect(self.controller.close)

    def _connect_controller(self) -> None:
        controller = self.controller
        controller.preview_shown.connect(self.preview_shown)
        controller.tracking_finished.connect(self._tracking_ended)
        controller.tracking_stepped.connect(self._tracking_stepped)
        controller.results_changed.connect(self._results_changed)
        controller.model_changed.connect(self.panel.model_box.show_status)
        controller.failed.connect(self._failed)
        controller.refused.connect(show_warning)
        controller.exported.connect(show_info)

    def _actions(self) -> dict[str, Callable[[], None]]:
        track, tools = self.panel.track_box, self.tools
        actions: dict[str, Callable[[], None]] = {
            "new_object": tools.new_object,
            "remove_object": tools.remove_object,
            "switch_sign": tools.switch_sign,
            "take_labels": tools.take_labels,
            "take_window": self.controller.reopen,
            "undo": self._undo,
            "redo": self._redo,
            "next_doubtful": self._next_doubtful,
            "export": self._export,
            "track_both": lambda: track.ask("both"),
            "update": lambda: track.ask("update"),
            "new_points": lambda: self._make(self.layers.need_points),
            "new_shapes": lambda: self._make(self.layers.need_shapes),
            "new_labels": lambda: self._make(self.layers.need_labels),
            "tool_click": tools.start_clicking,
            "tool_paint": tools.start_painting,
        }
        return actions | {tool: partial(tools.start_drawing, mode) for tool, mode in SHAPE_TOOLS.items()}

    # Image and layers

    def _accepts(self, layer: Any) -> bool:
        """Whether a layer can go with the image."""
        if not hasattr(self, "panel") or self.layers.image is None or self.layers.space is None:
            return False
        if isinstance(layer, Points | Shapes):
            return bool(layer.ndim == self.layers.image.ndim)
        return fits(layer, self.layers.space)

    def _image_changed(self, image: Any) -> None:
        layers = self.layers
        if layers.image is not None:
            layers.image.events.contrast_limits.disconnect(self._contrast_changed)
        for combo in (self.panel.points_layer, self.panel.shapes_layer, self.panel.labels_layer):
            combo.choose(None)
        layers.image, layers.space = image, None
        self.objects.clear()
        self._show_axes()
        if image is not None:
            image.events.contrast_limits.connect(self._contrast_changed)
            layers.space = current_space(image, self.panel.axis.currentData(), self._viewer)
            layers.frame = current_frame(image, layers.space, self._viewer)
            self._set_track_frames()
        for combo in self.panel.combos[1:]:
            combo.refresh()
        for combo in self.panel.combos[1:4]:
            self._choose_own(combo)
        self.controller.axis_name = self.panel.axis.currentText()
        self.controller.open_image()

    def _choose_own(self, combo: Any) -> None:
        """Choose a layer that was made for this image; any other stays the user's own until chosen by hand."""
        for layer in self._viewer.layers:
            if combo.offers(layer) and is_made_for(layer, self.layers.image):
                combo.choose(layer)

    def _show_axes(self) -> None:
        axes = [] if self.layers.image is None else choosable_axes(self.layers.image)
        combo = self.panel.axis
        combo.blockSignals(True)
        combo.clear()
        for axis, name in axes:
            combo.addItem(name if name.isidentifier() else f"axis {axis}", axis)
        combo.blockSignals(False)
        for part in (combo, self.panel.axis_label):
            part.setVisible(len(axes) > 1)

    def _set_track_frames(self) -> None:
        if self.layers.space is not None:
            self.panel.track_box.set_frames(self.layers.space.n_frames)
            self.panel.track_box.set_frame(self.layers.frame)

    def _space_changed(self) -> None:
        """Look at other frames: along another axis, or at another place on the axes that stand still."""
        image = self.layers.image
        if image is None:
            return
        self.layers.space = current_space(image, self.panel.axis.currentData(), self._viewer)
        self.layers.frame = current_frame(image, self.layers.space, self._viewer)
        self.controller.axis_name = self.panel.axis.currentText()
        self._set_track_frames()
        self.controller.open_space()

    def _labels_changed(self, layer: Any) -> None:
        self.layers.set_labels(layer)
        if layer is not None:
            self.objects.apply(layer)
            keymap.bind(layer, self._actions(), tuple(keymap.undo_keys()))
            self.controller.draw_again()
        self.view.show()

    def _layer_added(self, layer: Any) -> None:
        combos = {"Points": self.panel.points_layer, "Shapes": self.panel.shapes_layer}
        combos.get(type(layer).__name__, self.panel.labels_layer).choose(layer)

    def _make(self, need: Callable[[], Any]) -> None:
        if self.layers.image is None:
            show_warning("Open an image first: the new layer must fit it.")
            return
        combo = {"need_points": "points_layer", "need_shapes": "shapes_layer"}.get(need.__name__, "labels_layer")
        getattr(self.panel, combo).choose(None)
        need()

    def _contrast_changed(self, _event: Any = None) -> None:
        self._window_rest.start()

    def _window_settled(self) -> None:
        # Prompts and tracks were made with the window of then; before there are any, it follows the eye.
        if not self.controller.has_work and self.controller.engine is not None:
            self.controller.reopen()
        self.view.show_window()

    # Model

    def _model_chosen(self) -> None:
        self.controller.load_model(self.panel.model_box.choice)

    # Objects and tools

    def _select(self, object_id: int) -> None:
        if object_id == self.layers.selected and object_id in self.objects.names:
            return
        self.objects.add(object_id)
        self.layers.select(object_id)
        self._doubt_at = -1
        self.view.show()

    def _rename(self, object_id: int, name: str) -> None:
        self.objects.rename(object_id, name)
        self.view.show()

    def _show_object(self, object_id: int, shown: bool) -> None:
        self.objects.show(object_id, shown, self.layers.labels)

    # Frames

    def _slider_moved(self, _event: Any = None) -> None:
        image, space = self.layers.image, self.layers.space
        if image is None or space is None:
            return
        if current_space(image, space.axis, self._viewer) != space:
            self._space_changed()
            return
        self.layers.frame = current_frame(image, space, self._viewer)
        self.panel.track_box.set_frame(self.layers.frame)
        self.panel.score_plot.show_frame(self.layers.frame)
        self.view.show_frame_note()
        self._rest.start()

    def _go_to(self, frame: int) -> None:
        if self.layers.image is not None and self.layers.space is not None:
            go_to_frame(self.layers.image, self.layers.space, self._viewer, frame=frame)

    def _restart_doubts(self, _index: int = 0) -> None:
        self._doubt_at = -1

    def _next_doubtful(self) -> None:
        frames = self.controller.results.doubtful(self.layers.selected, self.panel.doubt.currentData())
        if frames:
            self._doubt_at = (self._doubt_at + 1) % len(frames)
            self._go_to(frames[self._doubt_at])

    # Tracking

    def _track(self, plan: Any) -> None:
        if self.controller.is_running:
            return
        self._latest = None
        self.panel.track_box.restart_progress()
        self.controller.track(plan)
        if self.controller.is_running:
            self.panel.track_box.show_running()
        self.view.show_undo()

    def _resume(self) -> None:
        self.controller.resume()
        self.panel.track_box.show_running()
        self.view.show_undo()

    def _tracking_stepped(self, tracked: Tracked) -> None:
        self._latest = tracked

    def _results_changed(self) -> None:
        self.view.show()
        if self._latest is not None and self.controller.is_running:
            self.panel.track_box.show_progress(self._latest.done, self._latest.total)

    def _tracking_ended(self, complete: bool) -> None:
        self._restart_doubts()
        if complete:
            self.panel.track_box.show_complete()
        resumable = self.controller.worker.can_resume
        self.panel.track_box.show_idle(can_resume=resumable, text="Done." if complete else "Stopped.")
        self.view.show()
        self.tracking_finished.emit(complete)

    # Undo

    def _undo(self) -> None:
        self.controller.undo()
        self.panel.track_box.show_idle(can_resume=self.controller.worker.can_resume)

    def _redo(self) -> None:
        self.controller.redo()

    # Settings and files

    def _export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for labels.tif, scores.csv and prompts.json")
        if folder:
            self.controller.export(folder)

    def _live_changed(self, live: bool) -> None:
        self.controller.live = live
        remember("prompts", "live_preview", live)
        if live:
            self.controller.sync()

    def _threshold_changed(self, threshold: float) -> None:
        remember("results", "threshold", threshold)
        self.controller.set_threshold(threshold)

    def _failed(self, error: Exception) -> None:
        show_error(explain(error))

    # The end

    def changeEvent(self, event: QEvent) -> None:
        """Notice that the dock was closed: napari takes the widget out of it and keeps it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self._shut_down()
            self._was_docked = self.parent() is not None

    def _shut_down(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.controller.close()
        self.panel.model_box.close_down()
        self.layers.close()
        keymap.unbind(self._viewer)
        self._viewer.dims.events.current_step.disconnect(self._slider_moved)
        if self.layers.image is not None:
            self.layers.image.events.contrast_limits.disconnect(self._contrast_changed)
        for combo in self.panel.combos:
            combo.disconnect_viewer()
