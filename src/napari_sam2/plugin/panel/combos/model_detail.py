"""What stands beside a model in the list of models."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtGui import QPainter, QPalette
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from napari_sam2.weights.catalog import CATALOG, format_size, is_available


class DetailBeside(QStyledItemDelegate):
    """Writes beside a model in the list how large it is, and whether it is on this machine."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw the entry, and the detail at its right."""
        super().paint(painter, option, index)
        name = index.data(Qt.ItemDataRole.UserRole)
        if painter is not None and name is not None:
            room = option.rect.adjusted(0, 0, -8, 0)
            painter.setPen(option.palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(room, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), detail_of(name))


def detail_of(name: str) -> str:
    """What there is to know of a model in a few words: its size, and whether it is here."""
    entry = CATALOG[name]
    if entry.bundled:
        return "bundled"
    size = "" if entry.size_bytes is None else format_size(entry.size_bytes)
    return ", ".join(part for part in (size, "" if is_available(name) else "not here") if part)
