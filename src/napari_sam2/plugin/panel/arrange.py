"""Helpers that make buttons with tooltips, and rows and columns of controls; and a handle to resize one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.plugin.commands import tip

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QMouseEvent

# Pixels for each press of an arrow key.
_STEP = 24
_HANDLE_HEIGHT = 10


def make_buttons(kinds: Mapping[str, tuple[str, str]]) -> dict[str, QPushButton]:
    """Make buttons of (text, what it does), by name; the tooltip shows the key, too."""
    buttons = {}
    for name, (text, what) in kinds.items():
        buttons[name] = QPushButton(text)
        buttons[name].setObjectName(name)
        buttons[name].setToolTip(tip(name, what))
    return buttons


def row(*parts: QWidget, spacing: int = 6, fill: bool = False) -> QWidget:
    """Put controls beside each other; ``fill`` lets labels take the room that is left."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for part in parts:
        # Labels take what they need, the others share the rest; none may make the dock wider.
        is_label = isinstance(part, QLabel) and not part.wordWrap()
        if isinstance(part, QPushButton):
            part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout.addWidget(part, 0 if is_label and not fill else 1)
    return widget


def column(*parts: QWidget, into: QWidget | None = None) -> QWidget:
    """Put controls below each other, into a widget that is there already or a new one."""
    widget = QWidget() if into is None else into
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for part in parts:
        layout.addWidget(part)
    return widget


class ResizeHandle(QLabel):
    """A bar below a part that makes it taller or shorter: dragged, or with the arrow keys."""

    def __init__(self, part: QWidget, name: str) -> None:
        # As napari shows where its own parts can be resized.
        super().__init__("•••")
        self._part = part
        self._least = part.minimumHeight()
        # What the mouse's place on the screen is more than the height, while the button is down.
        self._offset = 0.0
        self.setObjectName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedHeight(_HANDLE_HEIGHT)
        self.setCursor(Qt.CursorShape.SizeVerCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolTip("Drag for a taller table, or use the arrow keys; double-click for the usual one")
        self.setAccessibleName("height of the table")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of it."""
        self._offset = event.globalPosition().y() - self._part.height()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go with the mouse, whose button is down."""
        self._resize_to(round(event.globalPosition().y() - self._offset))

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        """Go back to the usual height."""
        self._resize_to(self._least)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go up or down a step."""
        if event.key() == Qt.Key.Key_Down:
            self._resize_to(self._part.height() + _STEP)
        elif event.key() == Qt.Key.Key_Up:
            # It may be taller than it must be.
            self._resize_to(self._part.minimumHeight() - _STEP)
        else:
            super().keyPressEvent(event)

    def _resize_to(self, height: int) -> None:
        # The panel scrolls where it does not fit any more.
        self._part.setMinimumHeight(max(height, self._least))
