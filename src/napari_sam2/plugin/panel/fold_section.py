"""A section of the panel that folds: a title, and the controls below it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

_STYLE = "QToolButton { border: none; background: transparent; font-weight: bold; padding: 4px 0px; text-align: left; }"


class FoldSection(QWidget):
    """A title to click on, and what unfolds below it."""

    unfolded = Signal()

    def __init__(self, title: str, content: QWidget, *, name: str = "", is_open: bool = False) -> None:
        super().__init__()
        self.setObjectName(f"section_{(name or title).lower()}")
        self.content = content
        self.title = QToolButton()
        self.title.setCheckable(True)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setStyleSheet(_STYLE)
        # A long title is cut, and never makes the dock wider.
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.set_title(title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(content)
        self.title.toggled.connect(self._unfold)
        self.title.setChecked(is_open)
        self._unfold(is_open)

    def set_title(self, title: str) -> None:
        """Show another title."""
        if title != self.title.text():
            self.title.setText(title)
            self.title.setToolTip(f"Fold or unfold {title}")

    def unfold(self) -> None:
        """Show the content."""
        self.title.setChecked(True)

    def _unfold(self, open_: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.content.setVisible(open_)
        if open_:
            self.unfolded.emit()
