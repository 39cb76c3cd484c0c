"""A line for words that name what is looked for, and the detector that knows them."""

from __future__ import annotations

import importlib.util

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QInputDialog, QLineEdit, QPushButton, QWidget

from napari_sam2.plugin.panel.arrange import column, row
from napari_sam2.plugin.preferences import remember, remembered

# Found out once: looking for a package takes a while.
_IS_INSTALLED = importlib.util.find_spec("transformers") is not None
_EXTRA = 'Words find objects, too, with the extra: pip install "napari-sam2[text]"'

# Of the button for the detector, in pixels.
_CHOOSE_WIDTH = 32


class TextFindBox(QWidget):
    """Beside *Find objects*: the same by words, where the extra for it is installed."""

    # With the words, and with the detector's folder or its name.
    asked = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.text, self.choose = QLineEdit(), QPushButton("…")
        self.source = str(remembered("prompts", "text_model", default=""))
        self.text.setObjectName("find_text")
        self.text.setPlaceholderText('find by words, such as "nucleus"')
        self.text.setToolTip("Look for what words name on this frame; commas between several")
        self.text.setAccessibleName("Find by words")
        self.choose.setObjectName("find_text_model")
        self.choose.setToolTip("Which detector finds what words name: the folder of an OWLv2 or Grounding DINO")
        self.choose.setAccessibleName("Detector")
        self.choose.setMaximumWidth(_CHOOSE_WIDTH)
        column(row(self.text, self.choose), into=self)
        self.text.returnPressed.connect(self._ask)
        # The panel shows few controls at a time: this one is of no use before there are words.
        self.choose.hide()
        self.text.textChanged.connect(lambda text: self.choose.setVisible(bool(text.strip())))
        self.choose.clicked.connect(lambda _=False: self.ask_for_source())
        if not _IS_INSTALLED:
            self.hide()

    @property
    def hint(self) -> str:
        """How to get what it takes; empty where that is installed."""
        return "" if _IS_INSTALLED else _EXTRA

    def show_usable(self, *, is_usable: bool) -> None:
        """Let words be typed, unless something is under way."""
        for part in (self.text, self.choose):
            part.setEnabled(is_usable)

    def ask_for_source(self) -> None:
        """Ask for the detector; where words wait for one, they are looked for then."""
        dialog = QInputDialog(self)
        dialog.setObjectName("text_model_question")
        dialog.setWindowTitle("Detector for words")
        dialog.setLabelText(
            "Folder of an OWLv2 or Grounding DINO, as transformers saves it;\n"
            "or its name at Hugging Face, from where it is downloaded then:"
        )
        dialog.setTextValue(self.source)
        dialog.textValueSelected.connect(self.set_source)
        # Without waiting, as a waiting dialog would stop the event loop of tests and scripts.
        dialog.open()

    def set_source(self, source: str) -> None:
        """Take another detector."""
        self.source = source.strip()
        remember("prompts", "text_model", self.source)
        if self.source:
            self._ask()

    def _ask(self) -> None:
        text = self.text.text().strip()
        if text and self.source:
            self.asked.emit(text, self.source)
        elif text:
            self.ask_for_source()
