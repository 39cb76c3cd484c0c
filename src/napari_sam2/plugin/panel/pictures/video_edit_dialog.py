"""What becomes of the background of an exported video: a choice, and the frame on show as it would be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import QColorDialog, QComboBox, QDialog, QLabel, QPushButton, QSlider, QWidget

from napari_sam2.data.pictures.backgrounds import cut_out, on_blur, on_colour
from napari_sam2.plugin.panel.arrange import column, row
from napari_sam2.plugin.state.export_choice import VideoEdit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2.plugin.state.export_choice import ExportChoice

    Shown = tuple[NDArray[np.uint8], NDArray[Any]]

# Longer side of the preview in pixels, and of a field of the chessboard that is seen through it.
_PREVIEW, _FIELD = 420, 8
_LIGHT, _DARK = 200, 150
# The slider counts in fifths of a percent of a frame's longer side.
_BLUR_STEPS = 500


class VideoEditDialog(QDialog):
    """Asks what is to become of the background, and shows it on the frame on show."""

    # With the `VideoEdit`.
    asked = Signal(object)

    def __init__(self, choices: Sequence[ExportChoice], shown: Callable[[], Shown | None], parent: QWidget) -> None:
        """Offer formats; ``shown`` gives the frame on show, (Y, X, 3) uint8, and its labels."""
        super().__init__(parent)
        self._shown = shown
        self._colour = QColor(*VideoEdit.colour)
        self.kind, self.blur, self.preview = QComboBox(), QSlider(Qt.Orientation.Horizontal), QLabel()
        self.colour, self.export, self.cancel = QPushButton("Colour…"), QPushButton("Export…"), QPushButton("Cancel")
        self._name_and_explain()
        for choice in choices:
            self.kind.addItem(choice.title, choice)
        self._blur_row = row(QLabel("Blur"), self.blur)
        column(self.kind, self.preview, self.colour, self._blur_row, row(self.cancel, self.export), into=self)
        self.layout().setContentsMargins(12, 12, 12, 12)
        self.kind.currentIndexChanged.connect(lambda _: self.refresh())
        self.blur.valueChanged.connect(lambda _: self.refresh())
        self.colour.clicked.connect(lambda _=False: self._ask_for_colour())
        self.cancel.clicked.connect(lambda _=False: self.close())
        self.export.clicked.connect(lambda _=False: self._accept())

    @property
    def edit(self) -> VideoEdit:
        """What is chosen."""
        colour = self._colour.red(), self._colour.green(), self._colour.blue()
        return VideoEdit(self.kind.currentData(), colour, self.blur.value() / _BLUR_STEPS)

    def choose(self, name: str) -> None:
        """Choose a format by its name."""
        names = [self.kind.itemData(index).name for index in range(self.kind.count())]
        self.kind.setCurrentIndex(names.index(name))
        self.refresh()

    def set_colour(self, colour: QColor) -> None:
        """Choose the colour of the ground."""
        self._colour = colour
        self.refresh()

    def refresh(self) -> None:
        """Show the frame on show as it would be written."""
        edit = self.edit
        self.colour.setVisible(edit.choice.name == "cutout-mp4")
        self._blur_row.setVisible(edit.choice.name == "blur-mp4")
        swatch = QPixmap(16, 16)
        swatch.fill(self._colour)
        self.colour.setIcon(QIcon(swatch))
        shown = self._shown()
        if shown is None:
            self.preview.setText("There is no result on show any more.")
            return
        self.preview.setPixmap(_pixmap(edited(edit, *_small(*shown))))

    def _accept(self) -> None:
        edit = self.edit
        self.close()
        self.asked.emit(edit)

    def _ask_for_colour(self) -> None:
        # Opened without waiting, so that the preview follows.
        dialog = QColorDialog(self._colour, self)
        dialog.currentColorChanged.connect(self.set_colour)
        dialog.open()

    def _name_and_explain(self) -> None:
        names = {"kind": "edit_kind", "blur": "edit_blur", "preview": "edit_preview", "colour": "edit_colour"}
        names |= {"export": "edit_export", "cancel": "edit_cancel"}
        for name, text in names.items():
            getattr(self, name).setObjectName(text)
        self.setObjectName("video_edit")
        self.setWindowTitle("Export without the background")
        self.kind.setToolTip("What everything but the objects becomes")
        self.colour.setToolTip("The colour of everything but the objects")
        self.blur.setToolTip("How strongly everything but the objects is blurred")
        self.export.setToolTip("Choose a file and write all frames")
        self.preview.setToolTip("The frame on show, as it would be")
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setMinimumSize(_PREVIEW, _PREVIEW // 3)
        self.blur.setRange(1, _BLUR_STEPS // 10)
        self.blur.setValue(round(VideoEdit.blur * _BLUR_STEPS))
        self.export.setDefault(True)


def edited(edit: VideoEdit, image: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.uint8]:
    """A frame as it would be written, (Y, X, 3), before a chessboard where it is transparent."""
    if edit.choice.name == "cutout-mp4":
        return on_colour(image, labels, edit.colour)
    if edit.choice.name == "blur-mp4":
        return on_blur(image, labels, edit.blur)
    cut = cut_out(image, labels)
    rows, columns = (np.arange(length) // _FIELD for length in labels.shape)
    board = np.where((rows[:, None] + columns) % 2, np.uint8(_DARK), np.uint8(_LIGHT))
    return np.where(cut[..., 3:] > 0, cut[..., :3], board[..., None])


def _small(image: NDArray[np.uint8], labels: NDArray[Any]) -> Shown:
    """Scaled to the preview's size, so that the blur of a large frame is quick, too."""
    scale = _PREVIEW / max(labels.shape)
    size = [max(1, round(length * scale)) for length in labels.shape]
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, labels.shape, strict=True))
    small = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(small), labels[np.ix_(rows, columns)]


def _pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    height, width = picture.shape[:2]
    data = np.ascontiguousarray(picture).tobytes()
    return QPixmap.fromImage(QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888))
