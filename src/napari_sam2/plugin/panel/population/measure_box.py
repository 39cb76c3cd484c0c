"""The Measurements section: a column of the table of measurements over time, and the table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QTableView, QWidget

from napari_sam2.plugin.panel.arrange import column, make_buttons, row
from napari_sam2.plugin.panel.score_plot import style_plot

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from qtpy.QtCore import QEvent

    Colour = tuple[int, int, int]

_BUTTONS = {"measure": ("Measure", "Measure every object on every frame, as Export writes it")}
_TIPS = {
    "measure_column": "What is drawn over time",
    "measure_whose": "Frames of the selected object, or a row for each track",
    "measure_table": "What was measured; click on a row to go there",
    "measure_plot": "The selected object is drawn bold. Click to go to a frame",
}
# Columns that say which row it is, and the one that is drawn at first.
_KEYS, _FIRST = ("object", "name", "frame"), "area"
_THIN, _BOLD, _PALE = 1, 3, 110
_AXIS_WIDTH = 48


class _TableModel(QAbstractTableModel):
    """A table of pandas, as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.table: pd.DataFrame | None = None

    def show_table(self, table: pd.DataFrame | None) -> None:
        self.beginResetModel()
        self.table = table
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self.table is None else len(self.table)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self.table is None else len(self.table.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal or self.table is None:
            return None
        return str(self.table.columns[section]).replace("_", " ")

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or self.table is None:
            return None
        value = self.table.iat[index.row(), index.column()]
        if value is None or value != value:
            return ""
        return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


class MeasureBox(QWidget):
    """Measures when it is asked to, and shows what was measured until it is asked again."""

    asked = Signal()
    # With frame and object.
    row_chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = make_buttons(_BUTTONS)
        self.column, self.whose, self.view, self.plot = QComboBox(), QComboBox(), QTableView(), pg.PlotWidget()
        self.whose.addItems(("selected object", "all tracks"))
        for part, (name, text) in zip((self.column, self.whose, self.view, self.plot), _TIPS.items(), strict=True):
            part.setObjectName(name)
            part.setToolTip(text)
        self._model = _TableModel()
        self._rows: pd.DataFrame | None = None
        self._tracks: pd.DataFrame | None = None
        self._colours: Mapping[int, Colour] = {}
        self._selected = 1
        self._style()
        self._results = column(self.column, self.plot, self.whose, self.view)
        column(row(self.buttons["measure"]), self._results, into=self)
        self._results.setVisible(False)
        self.buttons["measure"].clicked.connect(lambda _=False: self.asked.emit())
        self.column.currentIndexChanged.connect(lambda _index: self._draw())
        self.whose.currentIndexChanged.connect(lambda _index: self._list())
        self.view.clicked.connect(self._chosen)
        self.view.activated.connect(self._chosen)
        self.plot.scene().sigMouseClicked.connect(self._plot_clicked)

    def show_measurements(
        self, rows: pd.DataFrame, tracks: pd.DataFrame, *, colours: Mapping[int, Colour], selected: int
    ) -> None:
        """Show a row per object and frame, and a row per track."""
        self._rows, self._tracks, self._colours, self._selected = rows, tracks, colours, selected
        numbers = [name for name in rows.select_dtypes("number").columns if name not in _KEYS]
        before = self.column.currentText() or _FIRST
        self.column.blockSignals(True)
        self.column.clear()
        self.column.addItems(numbers)
        self.column.setCurrentText(before if before in numbers else _FIRST)
        self.column.blockSignals(False)
        self._results.setVisible(True)
        self._draw()
        self._list()

    def show_selected(self, object_id: int) -> None:
        """Draw an object bold, and list its frames."""
        if object_id != self._selected and self._rows is not None:
            self._selected = object_id
            self._draw()
            self._list()

    def forget(self) -> None:
        """Show nothing: what was measured is of another image."""
        self._rows = self._tracks = None
        self._model.show_table(None)
        self._results.setVisible(False)

    def changeEvent(self, event: QEvent) -> None:
        """Take over the theme's colours."""
        super().changeEvent(event)
        if event.type() == event.Type.StyleChange and hasattr(self, "plot"):
            self._restyle()

    def _restyle(self) -> None:
        style_plot(self.plot)
        # Values are longer than those of scores.
        self.plot.getPlotItem().getAxis("left").setWidth(_AXIS_WIDTH)

    def _draw(self) -> None:
        self.plot.clear()
        name = self.column.currentText()
        if self._rows is None or not name:
            return
        # The selected one lies on top.
        groups = sorted(self._rows.groupby("object"), key=lambda group: group[0] == self._selected)
        for object_id, mine in groups:
            is_selected = object_id == self._selected
            colour = (*self._colours.get(int(object_id), (200, 200, 200)), 255 if is_selected else _PALE)
            pen = pg.mkPen(colour, width=_BOLD if is_selected else _THIN)
            values = mine[name].to_numpy(float)
            self.plot.plot(mine["frame"].to_numpy(float), values, pen=pen, connect="finite")

    def _list(self) -> None:
        if self._rows is None:
            return
        if self.whose.currentIndex():
            self._model.show_table(self._tracks)
        else:
            mine = self._rows[self._rows["object"] == self._selected]
            self._model.show_table(mine.drop(columns=["object", "name"], errors="ignore"))

    def _chosen(self, index: QModelIndex) -> None:
        table = self._model.table
        if table is None:
            return
        one = table.iloc[index.row()]
        if self.whose.currentIndex():
            self.row_chosen.emit(int(one["begin"]), int(one["object"]))
        else:
            self.row_chosen.emit(int(one["frame"]), self._selected)

    def _plot_clicked(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._rows is not None and len(self._rows):
            x = self.plot.getPlotItem().getViewBox().mapSceneToView(event.scenePos()).x()
            frame = min(max(round(x), 0), int(self._rows["frame"].max()))
            self.row_chosen.emit(frame, self._selected)

    def _style(self) -> None:
        plot, view = self.plot.getPlotItem(), self.view
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(False, False)
        self.plot.setFixedHeight(140)
        self._restyle()
        view.setModel(self._model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(22)
        view.horizontalHeader().setDefaultSectionSize(72)
        view.setStyleSheet("QHeaderView::section { font-weight: normal; padding: 2px 2px; }")
        view.setMinimumHeight(150)
