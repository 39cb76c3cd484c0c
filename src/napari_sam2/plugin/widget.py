"""The dock widget: makes the parts of the plugin, connects their signals, and shuts them down."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2.plugin.actions.drawing.candidate_walk import CandidateWalk
from napari_sam2.plugin.actions.drawing.crop_tool import CropTool
from napari_sam2.plugin.actions.drawing.draw_tools import DrawTools
from napari_sam2.plugin.actions.drawing.many_objects import ManyObjects
from napari_sam2.plugin.actions.drawing.prompt_guide import PromptGuide
from napari_sam2.plugin.actions.drawing.tool_watcher import ToolWatcher
from napari_sam2.plugin.actions.file_dialogs import FileDialogs
from napari_sam2.plugin.actions.images.image_follower import ImageFollower
from napari_sam2.plugin.actions.images.result_choice import ResultChoice
from napari_sam2.plugin.actions.object_menu import ObjectMenu
from napari_sam2.plugin.actions.population.division_actions import DivisionActions
from napari_sam2.plugin.actions.population.find_actions import FindActions
from napari_sam2.plugin.actions.teaching.finetuning import Teaching
from napari_sam2.plugin.actions.teaching.teach_actions import TeachActions
from napari_sam2.plugin.actions.track_actions import TrackActions
from napari_sam2.plugin.layers.session_layers import SessionLayers
from napari_sam2.plugin.panel.canvas_focus import CanvasFocus
from napari_sam2.plugin.panel.panel import Panel
from napari_sam2.plugin.state.object_names import ObjectNames

from . import commands as keymap
from .controller import Controller
from .error_text import explain
from .preferences import remember, remembered
from .presenter import Presenter
from .repaint_guard import RepaintGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from qtpy.QtGui import QShowEvent

    from napari_sam2.session.session import Session


class Sam2Widget(QWidget):
    """Prompts in, tracked labels and object scores out.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in.

    Attributes
    ----------
    preview_shown : Signal(int)
        The answer to a prompt is in the Labels layer; with the index of its frame.
    tracking_finished : Signal(bool)
        A tracking run is over and its results are shown; with False where it was stopped or failed.
    objects : ObjectNames
        Names of the objects, and which are hidden.
    layers : SessionLayers
        The image, prompt and Labels layers in use.
    controller : Controller
        Sends prompts and tracking runs to the model, and results to the layers.
    teaching : Teaching
        Fine-tuning on accepted frames.
    panel : Panel
        All controls.
    view : Presenter
        Shows results in the panel.
    tools : DrawTools
        What the buttons for objects do.
    images : ImageFollower
        Follows the chosen image and the viewer's sliders.
    result_choice : ResultChoice
        Looks at a Labels layer of the user's before results go into it.
    region : CropTool
        Lets the user draw the region that is tracked.
    files : FileDialogs
        Saves, opens and exports.
    """

    preview_shown = Signal(int)
    tracking_finished = Signal(bool)

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        # napari hands plugins a proxy, whose layers are never the same object twice.
        self._viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._was_docked = self._closed = False
        # From those that need nothing to those that need the others; the panel is full before anything listens to it.
        viewer, objects = self._viewer, ObjectNames()
        self.objects = objects
        self.layers = SessionLayers(viewer)
        self.controller = controller = Controller(self.layers)
        self.teaching = Teaching(controller)
        self.panel = panel = Panel(viewer, self.layers.refusal, self.layers.source_refusal)
        self.watcher = ToolWatcher(viewer, self.layers)
        self.view = Presenter(controller, panel, objects=objects, teaching=self.teaching, tools=self.watcher)
        say = self.view.say
        self.track_actions = TrackActions(controller, panel, self.view.reader, say=say)
        self.teach_actions = TeachActions(controller, self.teaching, panel)
        self.tools = DrawTools(viewer, controller, panel=panel, objects=objects, select=self._select)
        self.guide = PromptGuide(controller, objects, self._select)
        self.many = ManyObjects(viewer, controller, panel=panel, objects=objects, watcher=self.watcher)
        self.candidates = CandidateWalk(controller, say=say)
        self.divisions = DivisionActions(viewer, controller, watcher=self.watcher, say=say)
        self.menu = ObjectMenu(controller, panel.object_table, tools=self.tools, divisions=self.divisions, say=say)
        self.images = ImageFollower(viewer, controller, panel=panel, objects=objects)
        self.finding = FindActions(viewer, controller, box=panel.find_box, images=self.images, say=say)
        self.result_choice = ResultChoice(controller, panel)
        self.region = CropTool(viewer, self.layers, self.images)
        self.files = FileDialogs(viewer, controller, panel=panel, images=self.images, objects=objects, say=say)
        self._paint_hold = RepaintGuard(self)
        self._lay_out()
        # Loading torch would hold up the window's opening; and model and device may change together.
        self._load_soon = QTimer(self, singleShot=True)
        self._load_soon.timeout.connect(self._load_model)
        # Settings are read before the connections are made, as reading is no change; the image is opened after, so that
        # all hear of it.
        self._recall()
        self._connect()
        self.images.open(self.panel.image_layer.layer)
        self._load_soon.start()

    @property
    def session(self) -> Session | None:
        """The session of the stack on show; None before a model is loaded."""
        return self.controller.session

    # Putting together

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.panel.head, self.panel, self.panel.foot):
            layout.addWidget(part, 1 if part is self.panel else 0)

    def _recall(self) -> None:
        panel = self.panel
        panel.live_preview.setChecked(remembered("prompts", "live_preview", True))
        panel.threshold.setValue(remembered("results", "threshold", 0.5))
        self.controller.edits.live = panel.live_preview.isChecked()
        self.controller.threshold = panel.threshold.value()
        self._read_session_settings()

    def _connect(self) -> None:
        self._connect_choices()
        self._connect_objects()
        self._connect_controller()
        self._connect_napari()
        # Qt passes on whether a button is down, which no action wants to know.
        actions = {name: partial(self.act, name) for name in self._actions()}
        for name in actions.keys() & self.panel.buttons.keys():
            self.panel.buttons[name].clicked.connect(lambda _=False, action=actions[name]: action())
        self._canvas_focus = CanvasFocus(self)
        self._keyboard = keymap.Keyboard(actions)
        self._keyboard.follow(self._viewer)
        # Where the widget is destroyed and its dock never closed: its own methods are gone by then, so its parts
        # are closed. The controller comes first, because the files wait for its worker to end.
        self.destroyed.connect(self._keyboard.release_all)
        for part in (self.watcher, self.many, self.divisions, self.view, self.controller, self.files.keeping):
            self.destroyed.connect(part.close)

    def _connect_choices(self) -> None:
        panel, layers = self.panel, self.layers
        # Layers that the user chooses; the image is followed by `ImageFollower`.
        panel.points_layer.layer_changed.connect(layers.set_points)
        panel.shapes_layer.layer_changed.connect(layers.set_shapes)
        self.result_choice.chosen.connect(self._labels_changed)
        for combo in panel.combos:
            combo.refused.connect(show_warning)
        # The model. Through the timer, so that two changes at once load one model.
        panel.model_box.chosen.connect(self._load_soon.start)
        panel.model_box.session_settings_changed.connect(self._session_settings_changed)
        panel.model_box.failed.connect(self._failed)
        panel.live_preview.toggled.connect(self._live_changed)
        panel.one_object_per_click.toggled.connect(self._switched)
        panel.threshold.valueChanged.connect(self._threshold_changed)

    def _connect_objects(self) -> None:
        panel = self.panel
        # Objects: what the table shows of them is changed in all other places, too.
        panel.object_table.object_selected.connect(self._select)
        panel.object_table.object_renamed.connect(self._rename)
        panel.object_table.object_shown.connect(lambda i, shown: self.objects.show(i, shown, self.layers.labels))
        self.guide.said.connect(panel.show_prompt_note)
        self.candidates.changed.connect(self.view.show_candidates)
        self.finding.changed.connect(self.view.show_proposals)
        self.divisions.changed.connect(self.view.show_daughters)
        # Ways to go to a frame. The table of frames is filled only while it is unfolded, so unfolding fills it.
        panel.doubt.currentIndexChanged.connect(lambda _index: self.view.restart_doubts())
        panel.score_plot.frame_clicked.connect(self.images.go_to)
        for chosen in (panel.frame_table.row_chosen, panel.lineage_plot.event_clicked, panel.measure_box.row_chosen):
            chosen.connect(self._row_chosen)
        panel.frame_table.narrowed.connect(self.view.show_rows)
        panel.frame_table.failed.connect(self._failed)
        panel.sections["Frames"].unfolded.connect(self.view.show_rows)
        panel.sections["Lineage"].unfolded.connect(self.view.show_lineage)

    def _connect_napari(self) -> None:
        self.layers.label_selected.connect(self._label_picked)
        self.layers.labels_left.connect(show_warning)
        self.layers.unusable.connect(self._refused)
        self.images.frame_changed.connect(self.view.show_frame)
        self.images.image_changed.connect(self.view.show)
        self.images.image_changed.connect(self.panel.measure_box.forget)

    def _connect_controller(self) -> None:
        controller = self.controller
        # The window waits for an answer from the first to the second of these; the guard has a limit of its own. It
        # ends before the signal is repeated, so that a listener finds the window as usual.
        controller.preview_near.connect(self._paint_hold.start)
        controller.preview_shown.connect(lambda _frame: self._paint_hold.end())
        controller.preview_shown.connect(self.preview_shown)
        # Runs, and teaching, which makes them wait.
        self.track_actions.busy_changed.connect(self.view.show_undo)
        self.track_actions.ended.connect(self._tracking_ended)
        self.teach_actions.busy_changed.connect(self.view.show_undo)
        self.teaching.accepted_changed.connect(self.view.show_accepted)
        controller.results_changed.connect(self._results_changed)
        controller.model_changed.connect(self.panel.model_box.show_status)
        controller.model_loaded.connect(self.panel.model_box.model_loaded)
        controller.model_changed.connect(lambda _text: self.view.show_state())
        controller.failed.connect(self._failed)
        controller.refused.connect(self._refused)

    def _actions(self) -> dict[str, Callable[[], None]]:
        track, layers = self.panel.track_box, self.layers
        actions: dict[str, Callable[[], None]] = {
            "switch_sign": self._switch_sign,
            "take_window": self.controller.reopen,
            "draw_region": self.region.draw,
            "whole_frame": self.region.clear,
            "help": self.panel.show_help,
            "candidates": self.candidates.show_next,
            "undo": self.track_actions.undo,
            "redo": self.track_actions.redo,
            "next_doubtful": self._next_doubtful,
            "accept": lambda: self.divisions.accept(self.teach_actions.accept),
            "refuse_division": self.divisions.refuse,
            "track_both": lambda: track.ask("both"),
            "track_forward": lambda: track.ask("forward"),
            "track_backward": lambda: track.ask("backward"),
            "update": lambda: track.ask("update"),
            "update_both_ways": lambda: track.ask("update_both_ways"),
            "cancel": self.controller.stop,
            "resume": self.track_actions.resume,
            "save_session": self.files.ask_and_save,
            "open_session": self.files.ask_and_open,
            "new_points": lambda: self.images.make(layers.need_points),
            "new_shapes": lambda: self.images.make(layers.need_shapes),
            "new_labels": lambda: self.images.make(layers.need_labels),
        }
        return actions | self.tools.actions | self.finding.actions | self.menu.actions

    def act(self, name: str) -> None:
        """Do what a button or key of this name does; what went wrong before has been read."""
        self.view.say("")
        self._actions()[name]()

    # Layers, model, objects

    def _labels_changed(self, layer: Any) -> None:
        # Called when a Labels layer was chosen: by hand, or because one was made for results. Its own undo key would
        # only take strokes back, so keys are bound on it and given back when it is left.
        if self.layers.labels is not None:
            self._keyboard.release(self.layers.labels)
        self.layers.set_labels(layer)
        if layer is not None:
            self.objects.apply(layer)
            self._keyboard.bind(layer, keymap.undo_keys())
            self.controller.draw_again()
        self.view.show()

    def _load_model(self) -> None:
        if (choice := self.panel.model_box.choice) is not None:
            self.controller.load_model(choice)
        self.view.show_missing()

    def _read_session_settings(self) -> None:
        self.controller.zoom = self.panel.model_box.zoom_factor
        self.controller.memory = self.panel.model_box.memory.currentData()

    def _session_settings_changed(self) -> None:
        self._read_session_settings()
        self.controller.reopen()

    def _select(self, object_id: int) -> None:
        # What is selected in the table, the layer or a tool is selected in the others, which report it: this ends it.
        if object_id == self.layers.selected and object_id in self.objects.names:
            return
        self.objects.add(object_id)
        self.layers.select(object_id)
        self.view.restart_doubts()
        self.view.show()

    def _rename(self, object_id: int, name: str) -> None:
        self.objects.rename(object_id, name)
        self.view.show()
        self.view.catch_up()

    def _label_picked(self, object_id: int) -> None:
        # Selecting an object selects its label, which comes back here: an object without prompts gets no row by that.
        if object_id != self.layers.selected:
            self._select(object_id)

    def _switched(self, on: bool) -> None:
        self.many.switch(on, self.tools)
        self.view.show()

    def _switch_sign(self) -> None:
        self.tools.switch_sign()
        self.many.turn_sign()
        self.view.show()

    # Frames

    def _next_doubtful(self) -> None:
        if (doubt := self.view.next_doubt()) is not None:
            if doubt.object_id is not None:
                self._select(doubt.object_id)
            self.images.go_to(doubt.frame)
        self.view.show_doubt(doubt)

    def _row_chosen(self, frame: int, object_id: int) -> None:
        self._select(object_id)
        self.images.go_to(frame)

    # Tracking

    def _results_changed(self) -> None:
        # While a run goes on this comes once a second, not with each frame.
        self.view.show()
        self.track_actions.show_progress()

    def _tracking_ended(self, complete: bool) -> None:
        # Tables are written and listeners told last, so that they find everything as it will stay.
        self.controller.results.find_divisions()
        self.controller.results.review.restart()
        self.view.restart_doubts()
        self.view.show()
        self.view.catch_up()
        self.tracking_finished.emit(complete)

    # Settings and files

    def _live_changed(self, live: bool) -> None:
        self.controller.edits.live = live
        remember("prompts", "live_preview", live)
        if live:
            self.controller.edits.send()

    def _threshold_changed(self, threshold: float) -> None:
        remember("results", "threshold", threshold)
        self.controller.set_threshold(threshold)

    def _failed(self, error: Exception) -> None:
        show_error(explain(error))
        self.view.say(explain(error))

    def _refused(self, why: str) -> None:
        if self.view.say(why):
            show_warning(why)

    # The end

    def showEvent(self, event: QShowEvent) -> None:
        """Listen to the canvas, which there is by now."""
        super().showEvent(event)
        self._canvas_focus.watch_canvas(self.candidates, self._keyboard)

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
        # First what may still start something: timers and the worker, whose answers need the layers. Then the files,
        # which write down what the layers hold; and the layers and keys last.
        self._closed = True
        self._load_soon.stop()
        self._paint_hold.end()
        self.controller.close()
        self.files.keeping.close()
        self.panel.model_box.close_down()
        mouse = (self.finding, self.divisions, self.region, self.watcher, self.many)
        runs = (self.track_actions, self.teach_actions)
        for part in (*mouse, *runs, self.result_choice, self.view, self.images):
            part.close()
        self.layers.close()
        self._keyboard.release_all()
