"""The table in the Objects section: name, prompts and scores of each object, and whether it is drawn."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_sam2.plugin.state.object_row import ObjectRow

COLUMNS = ("id", "name", "prompts", "seen", "lowest", "show")
# Six columns in a narrow dock: the tips say the rest.
_HEADINGS = ("id", "name", "prompts", "found", "lowest", "show")
_STYLE = "QHeaderView::section { font-weight: normal; padding: 2px 3px; }"
_TIPS = (
    "The object's colour and its number: its label in the result",
    "Double-click to give the object a name",
    "Prompted frames: how many have a prompt for this object",
    "Frames found: on how many the object is seen",
    "Lowest confidence over all frames, 0 to 1",
    "Untick to hide the object in the viewer",
)


class ObjectTable(QTableWidget):
    """One row per object; the selected row is the object that clicks are about."""

    # All with the object's id; renamed with its new name, shown with whether it is to be drawn.
    object_selected = Signal(int)
    object_renamed = Signal(int, str)
    object_shown = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(_HEADINGS)
        for column, tip in enumerate(_TIPS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setAlternatingRowColors(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(30)
        self.verticalHeader().setDefaultSectionSize(24)
        self.setStyleSheet(_STYLE)
        self.setFixedHeight(128)
        # The rows shown last, to leave the table alone where nothing is new; None after the user has changed it.
        self._shown: tuple[list[ObjectRow], int | None] | None = None
        self.itemSelectionChanged.connect(self._selection_changed)
        self.itemChanged.connect(self._item_changed)

    @property
    def object_ids(self) -> list[int]:
        """The objects, from top to bottom."""
        return [self._id_at(row) for row in range(self.rowCount())]

    @property
    def selected_id(self) -> int | None:
        """The selected object."""
        rows = self.selectionModel().selectedRows()
        return self._id_at(rows[0].row()) if rows else None

    def show_rows(self, rows: list[ObjectRow], selected: int | None) -> None:
        """Show objects in place of those there were, one of them selected."""
        # A name that is being typed must not be overwritten by results that come meanwhile.
        if self.state() == QAbstractItemView.State.EditingState or (rows, selected) == self._shown:
            return
        self._shown = (rows, selected)
        # Filling is not choosing or renaming.
        self.blockSignals(True)
        self.setRowCount(len(rows))
        for index, row in enumerate(rows):
            self._fill(index, row)
            if row.object_id == selected:
                self.selectRow(index)
        if selected not in [row.object_id for row in rows]:
            self.clearSelection()
        self.blockSignals(False)

    def _fill(self, index: int, row: ObjectRow) -> None:
        swatch = QPixmap(12, 12)
        swatch.fill(QColor(*row.colour))
        icon = QIcon()
        # Qt would tint it in the selected row, and the colour is the point.
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
            icon.addPixmap(swatch, mode)
        number = QTableWidgetItem(icon, str(row.object_id))
        number.setData(Qt.ItemDataRole.UserRole, row.object_id)
        name = QTableWidgetItem(row.name)
        name.setToolTip(row.name)
        lowest = "-" if row.lowest is None else f"{row.lowest:.2f}"
        texts = [QTableWidgetItem(text) for text in (str(row.prompts), str(row.seen), lowest)]
        show = QTableWidgetItem()
        show.setCheckState(Qt.CheckState.Checked if row.shown else Qt.CheckState.Unchecked)
        # Only names can be edited, and only the last column ticked.
        locked = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        for item in (number, *texts):
            item.setFlags(locked)
        for item in texts:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        show.setFlags(locked | Qt.ItemFlag.ItemIsUserCheckable)
        for column, item in enumerate((number, name, *texts, show)):
            self.setItem(index, column, item)

    def _id_at(self, row: int) -> int:
        return int(self.item(row, 0).data(Qt.ItemDataRole.UserRole))

    def _selection_changed(self) -> None:
        self._shown = None
        if self.selected_id is not None:
            self.object_selected.emit(self.selected_id)

    def _item_changed(self, item: QTableWidgetItem) -> None:
        self._shown = None
        object_id = self._id_at(item.row())
        if item.column() == COLUMNS.index("name"):
            self.object_renamed.emit(object_id, item.text().strip())
        elif item.column() == COLUMNS.index("show"):
            self.object_shown.emit(object_id, item.checkState() == Qt.CheckState.Checked)
