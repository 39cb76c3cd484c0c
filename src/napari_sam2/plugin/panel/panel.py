"""The panel: all controls of the dock widget. What the work needs is in sight, the rest is folded where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Points, Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QLabel,
    QLineEdit,
    QMessageBox,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.commands import help_text, tip
from napari_sam2.plugin.state.doubts import DOUBT_KINDS
from napari_sam2.plugin.state.panel_state import PARTS, PanelState, greyed, status_line, step_text
from napari_sam2.wording import counted

from .arrange import ResizeHandle, column, make_buttons, row
from .combos.layer_combo import LayerCombo
from .files_box import FilesBox
from .fold_section import FoldSection
from .frame_table import FrameTable
from .model_box import ModelBox
from .object_table import ObjectTable
from .population.find_box import FindBox
from .population.lineage_plot import LineagePlot
from .population.measure_box import MeasureBox
from .score_plot import ScorePlot
from .status_bar import StatusBar
from .teach_box import TeachBox
from .track_box import TrackBox

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from napari.components import ViewerModel

TOOLS = {
    "tool_click": ("Click", "Click on the object; Q switches to clicks off it"),
    "tool_box": ("Box", "Draw a box around the object"),
    "tool_outline": ("Outline", "Draw around the object: what is inside becomes its mask"),
    "tool_scribble": ("Line", "Draw a line on the object"),
    "tool_paint": ("Paint", "Paint or erase the object's pixels; they are kept exactly"),
}
# What `PanelState.tool` calls them.
_TOOL_NAMES = {"click": "tool_click", "box": "tool_box", "outline": "tool_outline", "line": "tool_scribble"}
_TOOL_NAMES |= {"paint": "tool_paint"}
_BUTTONS = {
    "new_points": ("new", "Make a Points layer that fits the image"),
    "new_shapes": ("new", "Make a Shapes layer that fits the image"),
    "new_labels": ("new", "Make a Labels layer that fits the image"),
    "draw_region": (
        "Draw",
        "Draw a rectangle: what is in it is tracked by itself, in more detail, and put in place",
    ),
    "whole_frame": ("Whole", "Track whole frames again; what was tracked in the region stays until then"),
    "take_window": ("Use", "Let the model see the image with its contrast limits of now; prompts stay, tracks do not"),
    "new_object": ("New object", "Start another object, and click on it"),
    "find_objects": ("Find objects", "Look for all objects on this frame; you choose which of them are taken"),
    "remove_object": ("Remove", "Remove the selected object with its prompts and its labels"),
    "take_labels": ("Take labels", "Take all labels of this frame as masks to track"),
    "take_tracks": (
        "Take tracks…",
        "Take objects with their lineage from a Challenge folder, a GEFF or TrackMate's XML",
    ),
    "undo": ("Undo", "Take back the last prompt, stroke or tracking run"),
    "redo": ("Redo", "Do again what was taken back"),
    "next_doubtful": ("Next doubtful", "Go to the next frame that deserves a look"),
    "candidates": ("Another mask", "Show the next mask that the model proposes for the clicks or the box here (Tab)"),
    "help": ("Help", "How it goes, step by step, and all keys"),
}
_TIPS = {
    "image_layer": "The image to segment: a time series, a z-stack or a single image, grey or colour",
    "points_layer": "Clicks on and off the objects",
    "shapes_layer": "Boxes, outlines and scribbles",
    "labels_layer": "Where the result is written",
    "source_labels": "Labels of yours to take as prompts: from a threshold, Cellpose or by hand",
    "axis": "The axis along which objects are tracked",
    "frames_are": "Whether frames are time points or slices, which the image does not say",
    "colours": "What the model sees: this layer, or the colours that all layers in sight on it make together",
    "doubt": "What makes a frame doubtful",
    "live_preview": "Show the mask on this frame after every prompt",
    "one_object_per_click": "For many objects: click on each in turn; a click on a mask selects its object",
    "threshold": "Objects are hidden where the confidence is below this. Below 0.5 the model gives no mask",
    "window_note": "Pixel values that the model sees as black and white, the same for the whole stack",
    "region_note": "The part of the frames that is tracked",
    "prompt_note": "What the last prompt was taken for, where that is not plain",
    "frame_note": "What there is to know about the frame on show",
    "colour_by_class": "Objects of one class get one colour; those without a class are grey",
    "object_filter": "List only objects with this in their name or number",
    "object_count": "How many objects there are",
    "object_table": "The objects; the selected one is the one that clicks are about",
    "score_plot": "How sure the model is that the object is there. Shaded: hidden. Hatched: out of date. "
    "Triangles: prompts. Green: accepted. Click to go to a frame",
    "lineage_plot": "A bar for each object, joined to the one it was born of; dashed where that is proposed. "
    "Click to go to an object and a frame",
}


# Of buttons that stand beside something that needs the room more.
_WIDTHS = {
    "new_points": 44,
    "new_shapes": 44,
    "new_labels": 44,
    "take_window": 44,
    "draw_region": 48,
    "whole_frame": 56,
    "remove_object": 68,
    "undo": 56,
    "redo": 56,
}

# What frames can be, as the user is asked.
FRAME_KINDS = {"": "time or depth?", "t": "time", "z": "depth"}
# A few clicks do the same.
_SELDOM = "tool_outline", "tool_scribble"
# Objects from which on a filter helps.
_MANY = 10
_TOOL_STYLE = (
    "QPushButton { padding: 4px 1px; } QPushButton:checked { font-weight: bold; border: 2px solid palette(highlight); }"
)


class Panel(QScrollArea):
    """All controls. `head` and `foot` stand above and below what scrolls, so that they are always in sight."""

    def __init__(
        self, viewer: ViewerModel, refusal: Callable[[Any], str], source_refusal: Callable[[Any], str]
    ) -> None:
        super().__init__()
        # An image is chosen as soon as there is one; prompts and labels may be none, and are made when needed.
        self.image_layer = LayerCombo(viewer, Image, optional=False)
        self.points_layer = LayerCombo(viewer, Points, refusal=refusal)
        self.shapes_layer = LayerCombo(viewer, Shapes, refusal=refusal)
        self.labels_layer = LayerCombo(viewer, Labels, refusal=refusal)
        self.source_labels = LayerCombo(viewer, Labels, refusal=source_refusal)
        self.axis, self.frames_are, self.doubt, self.colours = (QComboBox() for _ in range(4))
        self.live_preview = QCheckBox("Live preview")
        self.one_object_per_click = QCheckBox("Each click or box is a new object")
        self.object_filter, self.threshold = QLineEdit(), QDoubleSpinBox()
        self.colour_by_class = QCheckBox("Colour by class")
        self.window_note, self.frame_note, self.region_note = QLabel(), QLabel(), QLabel()
        self.object_count, self.prompt_note = QLabel(), QLabel()
        self.status = StatusBar()
        self.model_box, self.object_table = ModelBox(), ObjectTable()
        self.track_box, self.score_plot = TrackBox(), ScorePlot()
        self.frame_table, self.teach_box, self.files_box = FrameTable(), TeachBox(), FilesBox()
        self.find_box, self.lineage_plot, self.measure_box = FindBox(), LineagePlot(), MeasureBox()
        self.buttons = make_buttons({**TOOLS, **_BUTTONS})
        for name, width in _WIDTHS.items():
            self.buttons[name].setFixedWidth(width)
        # What buttons say where they can be pressed.
        self._tips = {name: button.toolTip() for name, button in self.buttons.items()}
        self._tips["find_objects"] += f"\n{hint}" if (hint := self.find_box.words.hint) else ""
        self._name_and_explain()
        self.head = column(self.files_box.recovery, self.status)
        # The dock's title bar lies over the first pixels.
        self.head.layout().setContentsMargins(0, 4, 0, 0)
        self.files_box.recovery.layout().setContentsMargins(6, 0, 6, 0)
        self.foot = column(self.files_box)
        self.foot.layout().setContentsMargins(6, 2, 6, 4)
        self._lay_out()
        self.show_state(PanelState())

    @property
    def combos(self) -> tuple[LayerCombo, ...]:
        """All combos of layers."""
        return self.image_layer, self.points_layer, self.shapes_layer, self.labels_layer, self.source_labels

    def show_prompt_note(self, text: str) -> None:
        """Say what the last prompt was taken for; nothing where that is plain."""
        self.prompt_note.setText(text)
        self.prompt_note.setVisible(bool(text))

    def show_state(self, state: PanelState) -> None:
        """Show what the next click means, which tool is on, and what can be done and what not."""
        self.status.show_status(status_line(state))
        for tool, name in _TOOL_NAMES.items():
            self.buttons[name].setChecked(state.tool == tool)
        reasons = greyed(state)
        for name, button in self.buttons.items():
            button.setEnabled(name not in reasons)
            button.setToolTip(reasons.get(name) or self._tips[name])
        for action, step in (("undo", state.undo_name), ("redo", state.redo_name)):
            if action not in reasons:
                self.buttons[action].setToolTip(tip(action, step_text(action, step)))
        if not state.has_image:
            self.track_box.show_impossible(reasons["track_both"])
        # What cannot be of use yet is not there yet.
        self.find_box.show_state(state)
        self.track_box.show_find_new(offered=state.n_frames > 1 and state.n_rows > 0 and not state.is_through_volumes)
        self.track_box.show_reasons({name: reasons[name] for name in PARTS} if state.is_through_volumes else {})
        for name in ("undo", "redo"):
            self.buttons[name].setVisible(bool(state.undo_name or state.redo_name))
        self.buttons["remove_object"].setVisible(state.n_rows > 0)
        self.buttons["tool_paint"].setVisible(state.n_rows > 0 or state.tool == "paint")
        self.object_filter.setVisible(state.n_rows > _MANY)
        self.object_count.setText(counted(state.n_rows, "object") if state.n_rows else "Objects")
        self.sections["Scores"].setVisible(state.is_tracked)
        self.sections["Lineage"].setVisible(state.is_tracked and state.n_rows > 1)
        self.sections["Model"].set_title(_model_title(state))
        if state.missing_model:
            self.sections["Model"].unfold()

    def show_help(self) -> None:
        """Show how it goes, and all keys."""
        # Opened without waiting, as a waiting dialog would stop the event loop; kept, or it would be gone at once.
        close = QMessageBox.StandardButton.Close
        self._help = QMessageBox(QMessageBox.Icon.NoIcon, "SAM 2", help_text(), close, self)
        self._help.setObjectName("help_text")
        self._help.open()

    def _name_and_explain(self) -> None:
        for name, text in _TIPS.items():
            control = getattr(self, name)
            control.setObjectName(name)
            # The table's header has tips of its own, which an own tip of the table would not hide.
            control.setToolTip(text)
        self.live_preview.setChecked(True)
        self.object_filter.setPlaceholderText("find by name or number")
        self.object_filter.textChanged.connect(self.object_table.narrow)
        self.threshold.setRange(0.5, 0.99)
        self.threshold.setSingleStep(0.05)
        for kind, text in DOUBT_KINDS.items():
            self.doubt.addItem(text, kind)
        for label in (self.window_note, self.frame_note, self.region_note, self.prompt_note):
            label.setWordWrap(True)
        for combo in (self.doubt, self.axis, self.colours):
            combo.setMinimumContentsLength(6)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for combo in (self.axis, self.colours):
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_prompt_note("")

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(6)
        # For later in the work, and for some of it: the dock is long enough without them.
        later = {
            "Layers": FoldSection("Layers and region", self._layers(), name="layers"),
            "Prompts": FoldSection("Prompts", self._prompts(), name="prompts"),
            "Range": FoldSection("Part of the stack", self.track_box.parts, name="range"),
            "Frames": FoldSection("Frames", self.frame_table),
            "Measurements": FoldSection("Measurements", self.measure_box),
            "Teach": FoldSection("Teach", self.teach_box),
            "Session": FoldSection(
                "Session and help", column(self.files_box.more, self.buttons["help"]), name="session"
            ),
        }
        # Sections are found by their title, also by the widget, which fills one when it unfolds.
        self.sections = {
            "Model": FoldSection("Model", self.model_box),
            "Scores": FoldSection("Confidence", self._scores(), name="scores", is_open=True),
            "Lineage": FoldSection("Lineage", self.lineage_plot),
            "More": FoldSection("More", column(*later.values())),
            **later,
        }
        for section in later.values():
            section.unfolded.connect(self.sections["More"].unfold)
        # In the order of the work: image, model, prompts, tracking, checking.
        layout.addWidget(self._image())
        layout.addWidget(self.sections["Model"])
        layout.addWidget(self._objects(), 1)
        for part in (self.track_box, *(self.sections[name] for name in ("Scores", "Lineage", "More"))):
            layout.addWidget(part)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _image(self) -> QWidget:
        form = _form(content := QWidget())
        form.addRow("image", self.image_layer)
        self.colours_label = QLabel("colours of")
        form.addRow(self.colours_label, self.colours)
        self.axis_label = QLabel("along")
        form.addRow(self.axis_label, self.axis)
        self.frames_are_label = QLabel("frames are")
        form.addRow(self.frames_are_label, self.frames_are)
        for kind, text in FRAME_KINDS.items():
            self.frames_are.addItem(text, kind)
        return content

    def _layers(self) -> QWidget:
        form = _form(content := QWidget())
        form.addRow("clicks", row(self.points_layer, self.buttons["new_points"]))
        form.addRow("shapes", row(self.shapes_layer, self.buttons["new_shapes"]))
        form.addRow("result", row(self.labels_layer, self.buttons["new_labels"]))
        form.addRow("hide below", self.threshold)
        form.addRow("region", row(self.region_note, self.buttons["draw_region"], self.buttons["whole_frame"]))
        self.window_row = row(self.window_note, self.buttons["take_window"])
        form.addRow(self.window_row)
        return content

    def _objects(self) -> QWidget:
        tools = row(*(self.buttons[name] for name in TOOLS if name not in _SELDOM), spacing=3)
        for name in TOOLS:
            self.buttons[name].setCheckable(True)
            # They must stand side by side in a narrow dock; the one that is on is framed, too.
            self.buttons[name].setStyleSheet(_TOOL_STYLE)
        return column(
            row(self.buttons["new_object"], self.buttons["find_objects"]),
            self.find_box.words,
            self.find_box,
            tools,
            self.prompt_note,
            self.one_object_per_click,
            row(
                self.object_count, self.buttons["remove_object"], self.buttons["undo"], self.buttons["redo"], fill=True
            ),
            self.object_filter,
            self.colour_by_class,
            self.object_table,
            ResizeHandle(self.object_table, "object_table_height"),
        )

    def _prompts(self) -> QWidget:
        return column(
            self.live_preview,
            row(*(self.buttons[name] for name in _SELDOM)),
            self.buttons["candidates"],
            row(self.source_labels, self.buttons["take_labels"]),
            self.buttons["take_tracks"],
        )

    def _scores(self) -> QWidget:
        walk = row(self.buttons["next_doubtful"], self.doubt)
        # What makes a frame doubtful is said in full.
        walk.layout().setStretch(1, 1)
        return column(self.frame_note, self.score_plot, walk)


def _form(content: QWidget) -> QFormLayout:
    form = QFormLayout(content)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form


def _model_title(state: PanelState) -> str:
    if state.missing_model:
        return f"{state.missing_model} (not here yet)"
    return state.model or ("Loading the model…" if state.is_loading else "No model")
