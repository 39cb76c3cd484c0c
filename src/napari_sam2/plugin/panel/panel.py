"""The panel: all controls of the dock widget, with names and tooltips, arranged in sections."""

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
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.state.doubts import DOUBT_KINDS

from .arrange import column, make_buttons, row
from .files_box import FilesBox
from .fold_section import FoldSection
from .frame_table import FrameTable
from .layer_combo import LayerCombo
from .model_box import ModelBox
from .object_table import ObjectTable
from .score_plot import ScorePlot
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
    "remove_object": ("Remove", "Remove the selected object with its prompts and its labels"),
    "take_labels": ("Take labels", "Take all labels of this frame as masks to track"),
    "undo": ("Undo", "Take back the last prompt, stroke or tracking run"),
    "redo": ("Redo", "Do again what was taken back"),
    "next_doubtful": ("Next doubtful frame", "Go to the next frame that deserves a look"),
}


# Of buttons that stand beside something that needs the room more.
_WIDTHS = {
    "new_points": 44,
    "new_shapes": 44,
    "new_labels": 44,
    "take_window": 44,
    "draw_region": 48,
    "whole_frame": 56,
}

# What frames can be, as the user is asked.
FRAME_KINDS = {"": "time or depth?", "t": "time", "z": "depth"}

# For later in the work; the dock is long enough without them.
_FOLDED = ("Frames", "Teach")


class Panel(QScrollArea):
    """All controls, in sections that fold."""

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
        self.axis, self.frames_are, self.doubt = QComboBox(), QComboBox(), QComboBox()
        self.live_preview = QCheckBox("Live preview")
        self.threshold = QDoubleSpinBox()
        self.hint, self.window_note, self.frame_note, self.region_note = QLabel(), QLabel(), QLabel(), QLabel()
        self.prompt_note = QLabel()
        self.model_box, self.object_table = ModelBox(), ObjectTable()
        self.track_box, self.score_plot = TrackBox(), ScorePlot()
        self.frame_table, self.teach_box, self.files_box = FrameTable(), TeachBox(), FilesBox()
        self.buttons = make_buttons({**TOOLS, **_BUTTONS})
        for name, width in _WIDTHS.items():
            self.buttons[name].setFixedWidth(width)
        self._name_and_explain()
        self._lay_out()

    @property
    def combos(self) -> tuple[LayerCombo, ...]:
        """All combos of layers."""
        return self.image_layer, self.points_layer, self.shapes_layer, self.labels_layer, self.source_labels

    def show_prompt_note(self, text: str) -> None:
        """Say what the last prompt was taken for; nothing where that is plain."""
        self.prompt_note.setText(text)
        self.prompt_note.setVisible(bool(text))

    def _name_and_explain(self) -> None:
        tips = {
            "image_layer": "The image to segment: a time series, a z-stack or a single image, grey or colour",
            "points_layer": "Clicks on and off the objects",
            "shapes_layer": "Boxes, outlines and scribbles",
            "labels_layer": "Where the result is written",
            "source_labels": "Labels of yours to take as prompts: from a threshold, Cellpose or by hand",
            "axis": "The axis along which objects are tracked",
            "frames_are": "Whether frames are time points or slices, which the image does not say",
            "doubt": "What makes a frame doubtful",
            "live_preview": "Show the mask on this frame after every prompt",
            "threshold": "Objects are hidden where the confidence is below this. Below 0.5 the model gives no mask",
            "window_note": "Pixel values that the model sees as black and white, the same for the whole stack",
            "region_note": "The part of the frames that is tracked",
            "hint": "What to do first",
            "prompt_note": "What the last prompt was taken for, where that is not plain",
            "frame_note": "What there is to know about the frame on show",
            "object_table": "The objects; the selected one is the one that clicks are about",
            "score_plot": "How sure the model is that the object is there. Shaded: hidden. Hatched: out of date. "
            "Triangles: prompts. Green: accepted. Click to go to a frame",
        }
        for name, text in tips.items():
            control = getattr(self, name)
            control.setObjectName(name)
            # The table's header has tips of its own, which an own tip of the table would not hide.
            control.setToolTip(text)
        self.live_preview.setChecked(True)
        self.threshold.setRange(0.5, 0.99)
        self.threshold.setSingleStep(0.05)
        for kind, text in DOUBT_KINDS.items():
            self.doubt.addItem(text, kind)
        for label in (self.hint, self.window_note, self.frame_note, self.region_note, self.prompt_note):
            label.setWordWrap(True)
        self.show_prompt_note("")

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 4, 6, 6)
        column.setSpacing(4)
        # In the order of the work: image, model, prompts, tracking, checking, files.
        contents = {
            "Data": self._data(),
            "Model": self.model_box,
            "Objects": self._objects(),
            "Track": self.track_box,
            "Scores": self._scores(),
            "Files": self.files_box,
            "Frames": self.frame_table,
            "Teach": self.teach_box,
        }
        # Sections are found by their title, also by the widget, which fills one when it unfolds.
        self.sections = {
            title: FoldSection(title, part, is_open=title not in _FOLDED) for title, part in contents.items()
        }
        for section in self.sections.values():
            column.addWidget(section)
        column.addStretch(1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _data(self) -> QWidget:
        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("image", self.image_layer)
        self.axis_label = QLabel("along")
        form.addRow(self.axis_label, self.axis)
        self.frames_are_label = QLabel("frames are")
        form.addRow(self.frames_are_label, self.frames_are)
        for kind, text in FRAME_KINDS.items():
            self.frames_are.addItem(text, kind)
        form.addRow("clicks", row(self.points_layer, self.buttons["new_points"]))
        form.addRow("shapes", row(self.shapes_layer, self.buttons["new_shapes"]))
        form.addRow("result", row(self.labels_layer, self.buttons["new_labels"]))
        form.addRow("region", row(self.region_note, self.buttons["draw_region"], self.buttons["whole_frame"]))
        self.window_row = row(self.window_note, self.buttons["take_window"])
        form.addRow(self.window_row)
        return content

    def _objects(self) -> QWidget:
        tools = row(*(self.buttons[name] for name in TOOLS), spacing=3)
        for name in TOOLS:
            self.buttons[name].setCheckable(False)
            # Five of them must stand side by side in a narrow dock.
            self.buttons[name].setStyleSheet("padding: 4px 2px;")
        return column(
            self.hint,
            row(self.buttons["new_object"], self.buttons["remove_object"]),
            tools,
            self.prompt_note,
            self.object_table,
            row(self.live_preview, self.buttons["undo"], self.buttons["redo"]),
            row(self.source_labels, self.buttons["take_labels"]),
        )

    def _scores(self) -> QWidget:
        return column(
            self.frame_note,
            self.score_plot,
            row(self.buttons["next_doubtful"]),
            row(QLabel("by"), self.doubt),
            row(QLabel("hide below"), self.threshold),
        )
