"""The line at the top of the panel that says what the next click means, what comes next, or what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_sam2.plugin.state.panel_state import BUSY, NEXT, PROBLEM, StatusText

if TYPE_CHECKING:
    from qtpy.QtCore import QEvent

# A sign beside the colour, as colours alone are not seen by all.
_SIGNS = {NEXT: "", BUSY: "… ", PROBLEM: "⚠ "}
# Readable on dark and light grounds.
_EDGES = {BUSY: "#35a7c9", PROBLEM: "#e0703a"}
_LINES = 2


class StatusBar(QLabel):
    """A few words, in the place where they are looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status_line")
        self.setToolTip("What the next click means, and what comes next")
        self.setAccessibleName("Status")
        self.setWordWrap(True)
        # Errors are long and worth copying.
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setTextFormat(Qt.TextFormat.PlainText)
        # No jumping between one line and two.
        self.setMinimumHeight(_LINES * self.fontMetrics().lineSpacing() + 12)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        # Long lines need a third where the dock is narrow.
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.status = StatusText("")
        self._restyle()

    def show_status(self, status: StatusText) -> None:
        """Show a line."""
        if status == self.status:
            return
        kind, self.status = self.status.kind, status
        self.setText(_SIGNS[status.kind] + status.text)
        if status.kind != kind:
            self._restyle()

    def changeEvent(self, event: QEvent) -> None:
        """Take over the theme's colours."""
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self._restyle()

    def _restyle(self) -> None:
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        edge = _EDGES.get(self.status.kind, "#5a8dee")
        # A trace of the text's colour sets the line off from the panel in any theme.
        ground = f"rgba({ink.red()}, {ink.green()}, {ink.blue()}, 22)"
        style = (
            f"#status_line {{ background: {ground}; border: none; border-left: 4px solid {edge}; padding: 4px 8px; }}"
        )
        # Setting a style changes the palette, which leads here again.
        if style != self.styleSheet():
            self.setStyleSheet(style)
