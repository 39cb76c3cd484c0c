"""The table of objects: name, prompts and scores of each, whether it is drawn, and a menu of what to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelectionModel, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QSizePolicy, QTableWidget, QTableWidgetItem

from napari_sam2.plugin.state.object_row import ObjectRow
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from qtpy.QtGui import QContextMenuEvent, QKeyEvent, QResizeEvent

# What can be done with the selected objects: what the menu says, and what that means.
MENU = {
    "rename": ("Rename", "Give the object another name"),
    "classify": ("Class…", "Say what kind of object the selected ones are, such as nucleus; exports keep it"),
    "not_here": ("Not on this frame", "The object is not on the frame on show; a prompt that says so"),
    "ends_here": ("Ends here", "The object is not there from the frame on show on, wherever it is drawn"),
    "keep_largest": ("Keep largest piece", "Drop the smaller pieces of its mask on this frame"),
    "fill_holes": ("Fill holes", "Fill the holes of its mask on this frame"),
    "merge": ("Merge", "Make all selected objects one: the one that clicks are about"),
    "divides_here": (
        "Divides here",
        "From this frame on the other selected objects are its daughters; or its pieces; or what you click on next",
    ),
    "swap": ("Swap from here", "Exchange two objects from the frame on show on"),
    "split": ("Split", "Make the pieces of its mask on this frame objects of their own from here on"),
    "remove": ("Remove", "Remove the objects with their prompts and their labels"),
}
COLUMNS = ("id", "name", "prompts", "seen", "lowest", "show", "class")
# Columns in a narrow dock: the tips say the rest.
_HEADINGS = ("id", "name", "prompts", "found", "lowest", "", "class")
_NAME, _CLASS = COLUMNS.index("name"), COLUMNS.index("class")
# Columns that give way where names would be cut, in this order; the tip of a row says them, too.
_YIELDING = COLUMNS.index("prompts"), COLUMNS.index("seen")
# Names need no more than that, in pixels, nor do classes.
_WIDEST = 130
# Columns are as wide as what is in so many rows needs: asking all of a thousand takes too long.
_ROWS_ASKED = 60
# A heading and three rows; it takes whatever room there is beside.
_LEAST_HEIGHT = 104
_STYLE = "QHeaderView::section { font-weight: normal; padding: 2px 2px; }"
_TIPS = (
    "The object's colour and its number: its label in the result",
    "Double-click to give the object a name",
    "Prompted frames: how many have a prompt for this object",
    "Frames found: on how many the object is seen",
    "Lowest confidence over all frames, 0 to 1",
    "Untick to hide the object in the viewer",
    "What kind of object it is: double-click to change it, for all selected ones",
)


class ObjectTable(QTableWidget):
    """One row per object; the selected row is the object that clicks are about."""

    # All with the object's id; renamed with its new name, shown with whether it is to be drawn.
    object_selected = Signal(int)
    object_renamed = Signal(int, str)
    object_shown = Signal(int, bool)
    # With the ids of objects, and what kind of objects they are.
    classified = Signal(object, str)
    # With an action of `MENU`, and the ids of all selected objects, the one that clicks are about first.
    asked = Signal(str, object)

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(_HEADINGS)
        for column, tip in enumerate(_TIPS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setAlternatingRowColors(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        header = self.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setResizeContentsPrecision(_ROWS_ASKED)
        header.setMinimumSectionSize(24)
        # Beside the name, and only where objects have a class or are to get one.
        header.moveSection(_CLASS, 2)
        self.hideColumn(_CLASS)
        self.verticalHeader().setDefaultSectionSize(24)
        self.setStyleSheet(_STYLE)
        self.setMinimumHeight(_LEAST_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self._needle = ""
        # The rows shown last, to leave the table alone where nothing is new; None after the user has changed it.
        self._shown: tuple[list[ObjectRow], int | None] | None = None
        # What each row was filled with.
        self._filled: list[ObjectRow | None] = []
        # Widths of columns that the user has given them, and whether it is the table that does so now.
        self._resized: dict[int, int] = {}
        self._is_fitting = False
        header.sectionResized.connect(self._section_resized)
        self.itemSelectionChanged.connect(self._selection_changed)
        self.itemChanged.connect(self._item_changed)

    def sizeHint(self) -> QSize:
        """No more than it must have: what is left in the panel is given to it anyway."""
        return QSize(280, self.minimumHeight())

    @property
    def object_ids(self) -> list[int]:
        """The objects, from top to bottom."""
        return [self._id_at(row) for row in range(self.rowCount())]

    @property
    def selected_id(self) -> int | None:
        """The selected object."""
        ids = self.selected_ids
        return ids[0] if ids else None

    @property
    def selected_ids(self) -> list[int]:
        """All selected objects, the one chosen last first: clicks are about it."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        current = self.currentRow()
        if current in rows:
            rows = [current, *(row for row in rows if row != current)]
        return [self._id_at(row) for row in rows]

    def narrow(self, text: str) -> None:
        """List only objects with a text in their name or number."""
        self._needle = text.strip().lower()
        for row in range(self.rowCount()):
            words = f"{self._id_at(row)} {self.item(row, 1).text()}".lower()
            self.setRowHidden(row, self._needle not in words)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make the best of another width."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        """Give every column what it needs, and the rest to names; where that is too little for them, others yield."""
        self._is_fitting = True
        # A hidden column does not say how wide its heading is.
        for column in _YIELDING:
            self.showColumn(column)
        needed = {column: self._width_needed(column) for column in range(len(COLUMNS)) if column != _NAME}
        has_classes = not self.isColumnHidden(_CLASS)
        room = self.viewport().width() - sum(width for i, width in needed.items() if i != _CLASS or has_classes)
        missing = self._width_needed(_NAME) - room
        for column in _YIELDING:
            # The one that the user has given a width is wanted.
            is_in_the_way = missing > 0 and column not in self._resized
            self.setColumnHidden(column, is_in_the_way)
            missing -= needed[column] if is_in_the_way else 0
        if has_classes and missing > 0 and _CLASS not in self._resized:
            # Names come first, but classes keep half of what there is for both; a bar would lie over the rows.
            for_both = self._width_needed(_NAME) - missing + needed[_CLASS]
            needed[_CLASS] = max(needed[_CLASS] - missing, for_both // 2)
        for column, width in needed.items():
            self.setColumnWidth(column, width)
        self._is_fitting = False

    def _width_needed(self, column: int) -> int:
        if column in self._resized:
            return self._resized[column]
        needed: int = max(self.sizeHintForColumn(column), self.horizontalHeader().sectionSizeHint(column))
        return min(needed, _WIDEST) if column in (_NAME, _CLASS) else needed

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask what is to be done with the selected objects."""
        if self.selected_ids:
            self.menu().popup(event.globalPos())

    def menu(self) -> QMenu:
        """What can be done with the selected objects."""
        menu = QMenu(self)
        menu.setObjectName("object_menu")
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, (text, what) in MENU.items():
            action = menu.addAction(text)
            action.setObjectName(name)
            why = _unfit(name, len(self.selected_ids))
            action.setToolTip(why or what)
            action.setEnabled(not why)
            action.triggered.connect(lambda _=False, name=name: self._ask(name))
        return menu

    def _ask(self, name: str) -> None:
        if name == "rename":
            self.editItem(self.item(self.currentRow(), COLUMNS.index("name")))
        elif name == "classify":
            self.showColumn(_CLASS)
            self._fit_columns()
            self.editItem(self.item(self.currentRow(), _CLASS))
        else:
            self.asked.emit(name, self.selected_ids)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Remove objects with the Delete key."""
        if event.key() == Qt.Key.Key_Delete and self.selected_ids:
            self.asked.emit("remove", self.selected_ids)
        else:
            super().keyPressEvent(event)

    def show_rows(self, rows: list[ObjectRow], selected: int | None) -> None:
        """Show objects in place of those there were, one of them selected."""
        # A name that is being typed must not be overwritten by results that come meanwhile.
        if self.state() == QAbstractItemView.State.EditingState or (rows, selected) == self._shown:
            return
        self._shown = (rows, selected)
        self.setColumnHidden(_CLASS, not any(row.class_name for row in rows))
        # Several selected rows stay so, as long as the object that clicks are about is one of them.
        chosen = self.selected_ids if selected in self.selected_ids else [selected]
        # Filling is not choosing or renaming.
        self.blockSignals(True)
        self.setRowCount(len(rows))
        # Filling all of fifty rows takes longer than a click may.
        for index, row in enumerate(rows):
            if self._filled[index : index + 1] != [row]:
                self._fill(index, row)
        self._filled = list[ObjectRow | None](rows)
        self._select([index for index, row in enumerate(rows) if row.object_id in chosen], rows, selected)
        self.blockSignals(False)
        self.narrow(self._needle)
        self._fit_columns()

    def _select(self, indices: list[int], rows: list[ObjectRow], selected: int | None) -> None:
        self.clearSelection()
        model = self.selectionModel()
        flags = QItemSelectionModel.SelectionFlag
        for index in indices:
            place = self.model().index(index, 0)
            model.select(place, flags.Select | flags.Rows)
            if rows[index].object_id == selected:
                model.setCurrentIndex(place, flags.NoUpdate)
                self.scrollTo(place)

    def _fill(self, index: int, row: ObjectRow) -> None:
        swatch = QPixmap(12, 12)
        swatch.fill(QColor(*row.colour))
        icon = QIcon()
        # Qt would tint it in the selected row, and the colour is the point.
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
            icon.addPixmap(swatch, mode)
        number = QTableWidgetItem(icon, str(row.object_id))
        number.setData(Qt.ItemDataRole.UserRole, row.object_id)
        name, kind = QTableWidgetItem(row.name), QTableWidgetItem(row.class_name)
        name.setToolTip(_in_words(row))
        lowest = "-" if row.lowest is None else f"{row.lowest:.2f}"
        texts = [QTableWidgetItem(text) for text in (str(row.prompts), str(row.seen), lowest)]
        show = QTableWidgetItem()
        show.setCheckState(Qt.CheckState.Checked if row.shown else Qt.CheckState.Unchecked)
        # Only names and classes can be edited, and only what says whether it is shown can be ticked.
        locked = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        for item in (number, *texts):
            item.setFlags(locked)
        for item in texts:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        show.setFlags(locked | Qt.ItemFlag.ItemIsUserCheckable)
        for column, item in enumerate((number, name, *texts, show, kind)):
            self.setItem(index, column, item)

    def _section_resized(self, column: int, before: int, width: int) -> None:
        # What is left for names is not chosen, and a column that is hidden has no width, nor has it had one when it is
        # shown.
        if not self._is_fitting and column != _NAME and before and width:
            self._resized[column] = width

    def _id_at(self, row: int) -> int:
        return int(self.item(row, 0).data(Qt.ItemDataRole.UserRole))

    def _selection_changed(self) -> None:
        self._shown = None
        if self.selected_id is not None:
            self.object_selected.emit(self.selected_id)

    def _item_changed(self, item: QTableWidgetItem) -> None:
        # The row shows something else now than it was filled with.
        self._shown, self._filled[item.row()] = None, None
        object_id = self._id_at(item.row())
        if item.column() == COLUMNS.index("name"):
            self.object_renamed.emit(object_id, item.text().strip())
        elif item.column() == COLUMNS.index("show"):
            self.object_shown.emit(object_id, item.checkState() == Qt.CheckState.Checked)
        elif item.column() == _CLASS:
            chosen = self.selected_ids
            self.classified.emit(chosen if object_id in chosen else [object_id], item.text().strip())


def _unfit(action: str, n_selected: int) -> str:
    """Say why a choice of the menu cannot be made with so many objects selected; empty where it can."""
    if action == "merge" and n_selected < 2:
        return "Select two or more objects to merge: Ctrl+click on their rows"
    if action == "swap" and n_selected != 2:
        return "Select two objects to swap: Ctrl+click on their rows"
    return "Select one object: they are split one by one" if action == "split" and n_selected > 1 else ""


def _in_words(row: ObjectRow) -> str:
    """All that is known of an object, for what does not fit into the table."""
    lowest = "" if row.lowest is None else f"lowest confidence {row.lowest:.2f}"
    kind = f"class {row.class_name}" if row.class_name else ""
    frames = f"prompted on {counted(row.prompts, 'frame')}, found on {counted(row.seen, 'frame')}"
    return f"{row.name}\n{', '.join(part for part in (kind, frames, lowest) if part)}"
