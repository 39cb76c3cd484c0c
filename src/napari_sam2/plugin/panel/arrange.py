"""Helpers that make buttons with tooltips, and rows and columns of controls."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.plugin.commands import tip


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
