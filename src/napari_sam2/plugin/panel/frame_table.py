"""The Frames section: a table of all scores, to sort, filter, click on, and write to a file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.data.files.atomic_files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.plugin.state.result_store import ResultStore

HEADINGS = ("frame", "id", "score", "IoU", "area", "state")
# As the user reads them.
_TITLES = ("frame", "id", "confidence", "shape", "area", "state")
FILE_COLUMNS = ("frame", "object", "object_score", "predicted_iou", "area", "state", "accepted")
# As the band in the plot.
_LOCK = "#3ddc84"
# As files have them, which other programs read, and as the user reads them.
STATES = ("seen", "hidden", "prompt", "stale")
STATE_WORDS = (*STATES[:-1], "out of date")
SEEN, HIDDEN, PROMPT, STALE = range(4)
_TIPS = (
    "Click to go to the frame; through time and depth it is time · plane",
    "The object",
    "Confidence: how sure the model is that the object is there, 0 to 1",
    "Shape quality: how well the model thinks its mask fits, 0 to 1",
    "Pixels",
    "Seen, hidden, prompted by you, or out of date; ✓ and a lock where you accepted it",
)
# The last one takes the rest, and must not ask for more.
_WIDTHS = (40, 26, 68, 42, 52, 40)
_FILTERS = ("all frames", *STATE_WORDS, "accepted")
_ALIGN = {
    "number": Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
    "text": Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
}


@dataclass(frozen=True, eq=False)
class FrameRows:
    """Rows of the table, a column each."""

    # (N,) frame, object id, score, predicted IoU, area, and state as an index of `STATES`.
    columns: tuple[NDArray[Any], ...]
    # (N,) bool.
    accepted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.accepted)

    def __getitem__(self, rows: NDArray[Any]) -> FrameRows:
        return FrameRows(tuple(column[rows] for column in self.columns), self.accepted[rows])


def frame_rows(results: ResultStore, object_ids: Iterable[int], threshold: float) -> FrameRows:
    """Collect what is known of some objects on all frames."""
    ids = list(object_ids)
    parts = [_rows_of(results, object_id, threshold) for object_id in ids]
    columns = tuple(np.concatenate([np.empty(0), *column]) for column in zip(*parts, strict=True)) or _NO_COLUMNS
    locks = (results.locks(object_id)[part[0].astype(int)] for object_id, part in zip(ids, parts, strict=True))
    return FrameRows(columns, np.concatenate([np.empty(0, bool), *locks]))


_NO_COLUMNS = (np.empty(0),) * len(HEADINGS)


def _rows_of(results: ResultStore, object_id: int, threshold: float) -> tuple[NDArray[Any], ...]:
    score = results.series(object_id, "object_score")
    frames = np.flatnonzero(~np.isnan(score))
    # Later states win: a frame that is stale is shown as stale, prompted or not.
    state = np.where(score[frames] < threshold, HIDDEN, SEEN)
    state[np.isin(frames, results.state.prompted.get(object_id, ()))] = PROMPT
    state[results.stale(object_id)[frames]] = STALE
    measured = (score, results.series(object_id, "predicted_iou"), results.series(object_id, "area"))
    return (frames, np.full(len(frames), object_id), *(values[frames] for values in measured), state)


class _FrameModel(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows = FrameRows(_NO_COLUMNS, np.empty(0, bool))
        # Of a volume, where frames are the planes of volumes over time.
        self.n_planes: int | None = None
        self._order: tuple[int, Qt.SortOrder] = (0, Qt.SortOrder.AscendingOrder)

    def show_rows(self, rows: FrameRows) -> None:
        same = len(rows) == len(self.rows)
        self.rows = rows
        self._arrange()
        # Where only values have changed the view keeps its selection and its place.
        if same:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(HEADINGS) - 1))
        else:
            self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        return {Qt.ItemDataRole.DisplayRole: _TITLES, Qt.ItemDataRole.ToolTipRole: _TIPS}.get(
            Qt.ItemDataRole(role), (None,) * len(HEADINGS)
        )[section]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGN["text" if column == 5 else "number"]
        if role == Qt.ItemDataRole.DecorationRole and column == 5 and self.rows.accepted[index.row()]:
            return lock_picture()
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.rows.columns[column][index.row()]
        if column == 0 and self.n_planes:
            return "{} · {}".format(*divmod(int(value), self.n_planes))
        if column == 5:
            return STATE_WORDS[int(value)] + (" ✓" if self.rows.accepted[index.row()] else "")
        return f"{value:.2f}" if column in (2, 3) else str(int(value))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._order = (column, order)
        self._arrange()
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        column, order = self._order
        values = self.rows.columns[column]
        descending = order == Qt.SortOrder.DescendingOrder
        self.rows = self.rows[np.argsort(-values if descending else values, kind="stable")]


@cache
def lock_picture() -> QPixmap:
    """A padlock."""
    picture = QPixmap(12, 12)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setPen(QPen(QColor(_LOCK), 1.5))
    painter.drawArc(3, 1, 6, 8, 0, 180 * 16)
    painter.fillRect(2, 5, 8, 6, QColor(_LOCK))
    painter.end()
    return picture


class FrameTable(QWidget):
    """The table, the filters above it, and the button that writes it."""

    # With frame and object.
    row_chosen = Signal(int, int)
    # A filter was changed: `refresh` is to be called.
    narrowed = Signal()
    # With what kept the rows from being written.
    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.objects, self.state, self.export = QComboBox(), QComboBox(), QPushButton("Save as CSV…")
        self.objects.addItems(("selected object", "all objects"))
        self.state.addItems(_FILTERS)
        self.view, self._model = QTableView(), _FrameModel()
        names = {"objects": self.objects, "state": self.state, "view": self.view, "export": self.export}
        for name, part in names.items():
            part.setObjectName("frame_table" if name == "view" else f"frame_table_{name}")
        self.objects.setToolTip("Whose frames are listed")
        self.state.setToolTip("Which frames are listed")
        self.export.setToolTip("Write the rows listed, in this order, to a CSV file")
        self._style()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        row = QHBoxLayout()
        row.addWidget(self.objects, 1)
        row.addWidget(self.state, 1)
        layout.addLayout(row)
        layout.addWidget(self.view)
        layout.addWidget(self.export)
        self.export.clicked.connect(lambda _=False: self._ask_and_write())
        self.objects.currentIndexChanged.connect(self.narrowed)
        self.state.currentIndexChanged.connect(self.narrowed)
        # By the mouse, or by the arrow keys and Enter.
        self.view.clicked.connect(self._chosen)
        self.view.activated.connect(self._chosen)

    @property
    def rows(self) -> FrameRows:
        """The rows, in the order shown."""
        return self._model.rows

    def refresh(self, results: ResultStore, selected: int, threshold: float) -> None:
        """Read the results again, unless the table is folded away."""
        if not self.isVisible():
            return
        wanted = results.object_ids if self.objects.currentIndex() else [selected]
        rows = frame_rows(results, wanted, threshold)
        self._model.n_planes = results.n_planes
        kind = self.state.currentText()
        if kind == "accepted":
            rows = rows[rows.accepted]
        elif kind in STATE_WORDS:
            rows = rows[rows.columns[5] == STATE_WORDS.index(kind)]
        self.view.setColumnHidden(HEADINGS.index("id"), self.objects.currentIndex() == 0)
        self._model.show_rows(rows)

    def _ask_and_write(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the rows listed", "frames.csv", "Tables (*.csv)")
        if path:
            try:
                self.write(path)
            except OSError as error:
                self.failed.emit(error)

    def write(self, path: str | Path) -> None:
        """Write the rows listed, in their order, as CSV; whole or not at all."""
        with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(FILE_COLUMNS)
            for frame, object_id, score, iou, area, state, accepted in zip(
                *self.rows.columns, self.rows.accepted, strict=True
            ):
                measured = (f"{score:.6g}", f"{iou:.6g}", int(area))
                writer.writerow((int(frame), int(object_id), *measured, STATES[int(state)], int(accepted)))

    def _style(self) -> None:
        view = self.view
        view.setModel(self._model)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        view.setShowGrid(False)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(22)
        # Measuring every cell of a long table would take seconds.
        header = view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, width in enumerate(_WIDTHS):
            header.resizeSection(column, width)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(_ALIGN["text"])
        view.setStyleSheet("QHeaderView::section { font-weight: normal; padding: 2px 2px; }")
        view.setMinimumHeight(180)

    def _chosen(self, index: QModelIndex) -> None:
        frame, object_id = (int(column[index.row()]) for column in self.rows.columns[:2])
        self.row_chosen.emit(frame, object_id)
