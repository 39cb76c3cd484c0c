"""A section of the panel that folds: a title, and the controls below it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget

_STYLE = "QToolButton { border: none; background: transparent; font-weight: bold; padding: 4px 0px; }"


class FoldSection(QWidget):
    """A title to click on, and what unfolds below it."""

    unfolded = Signal()

    def __init__(self, title: str, content: QWidget, *, is_open: bool = True) -> None:
        super().__init__()
        self.setObjectName(f"section_{title.lower()}")
        self.content = content
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setCheckable(True)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setStyleSheet(_STYLE)
        self.title.setToolTip(f"Fold or unfold {title}")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(content)
        self.title.toggled.connect(self._unfold)
        self.title.setChecked(is_open)
        self._unfold(is_open)

    def _unfold(self, open_: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.content.setVisible(open_)
        if open_:
            self.unfolded.emit()
