"""The plot in the Scores section: one object's score over the frames, with marks for prompts and states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QPalette

from napari_sam2.plugin.state.result_store import stretches

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtCore import QEvent

# Scores end at 1; above them is room for the marks of prompts.
_TOP = 1.08
# Height and colour of the band under accepted frames.
_BAND = 0.05
_ACCEPTED = "#3ddc84"
# How strong axes and lines are, of 255.
_FAINT = 110


def style_plot(plot: pg.PlotWidget) -> tuple[QColor, QColor]:
    """Give a plot's ground and axes the colours of napari's theme; returns the ink, and a faint one for lines."""
    palette = plot.palette()
    ink = palette.color(QPalette.ColorRole.WindowText)
    faint = QColor(ink)
    faint.setAlpha(_FAINT)
    plot.setBackground(palette.color(QPalette.ColorRole.Window))
    for side in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(side)
        axis.setPen(faint)
        axis.setTextPen(ink)
        axis.setStyle(tickLength=-4)
    plot.getPlotItem().getAxis("left").setWidth(28)
    return ink, faint


class ScorePlot(pg.PlotWidget):
    """The curve, hidden stretches shaded, stale frames hatched, prompted and accepted frames marked.

    A cursor stands at the viewer's frame; a click asks to go to the frame clicked.
    """

    frame_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.n_frames = 1
        self.hidden: list[tuple[int, int]] = []
        self.stale: list[tuple[int, int]] = []
        self.prompted: list[int] = []
        self.accepted: list[tuple[int, int]] = []
        # No panning, zooming or menu: the plot always shows all frames, and a click goes to one.
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(False, False)
        plot.getViewBox().setDefaultPadding(0.0)
        self._hidden_bars = pg.BarGraphItem(x0=[], x1=[], y0=0, y1=_TOP, pen=None)
        self._stale_bars = pg.BarGraphItem(x0=[], x1=[], y0=0, y1=_TOP, pen=None)
        self._accepted_bars = pg.BarGraphItem(x0=[], x1=[], y0=0, y1=_BAND, pen=None, brush=_ACCEPTED)
        self._threshold = pg.InfiniteLine(angle=0)
        self._curve = pg.PlotDataItem(connect="finite")
        self._marks = pg.ScatterPlotItem(symbol="t", size=9)
        self._cursor = pg.InfiniteLine(angle=90)
        bars = (self._hidden_bars, self._stale_bars, self._accepted_bars)
        # What is added later covers what is there: shaded stretches lie at the bottom, the cursor on top.
        for part in (*bars, self._threshold, self._curve, self._marks, self._cursor):
            self.addItem(part)
        # What was drawn last, see `show_scores`.
        self._drawn: tuple[bytes, float, tuple[int, int, int]] | None = None
        self.setYRange(0, _TOP)
        self.setMinimumHeight(120)
        self.scene().sigMouseClicked.connect(self._clicked)
        self._restyle()

    @property
    def cursor_frame(self) -> int:
        """Frame the cursor stands at."""
        return int(self._cursor.value())

    @property
    def scores(self) -> NDArray[np.float64]:
        """(n_frames,) as drawn."""
        drawn: Any = self._curve.getData()[1]
        return np.empty(0) if drawn is None else np.asarray(drawn)

    def sizeHint(self) -> QSize:
        """A strip, not pyqtgraph's large square."""
        return QSize(280, 140)

    def show_scores(self, scores: NDArray[np.float64], threshold: float, *, colour: tuple[int, int, int]) -> None:
        """Draw an object's scores, (n_frames,), NaN where there is none."""
        drawn = (scores.tobytes(), threshold, colour)
        if drawn == self._drawn:
            # Even what looks the same makes Qt draw the whole window.
            return
        self._drawn = drawn
        self.n_frames = len(scores)
        with np.errstate(invalid="ignore"):
            self.hidden = stretches(scores < threshold)
        # Few points are drawn as dots, which a lone one needs; many would run together.
        known = np.count_nonzero(~np.isnan(scores))
        symbol = "o" if 0 < known <= 60 else None
        self._curve.setData(
            np.arange(len(scores)), scores, pen=pg.mkPen(colour, width=2), symbol=symbol, symbolSize=4,
            symbolBrush=pg.mkBrush(colour), symbolPen=None,
        )  # fmt: skip
        _place_bars(self._hidden_bars, self.hidden)
        self._threshold.setValue(threshold)
        self.getPlotItem().getAxis("bottom").setTicks([[(0, "0")]] if len(scores) == 1 else None)
        self.setXRange(-0.5, max(len(scores) - 0.5, 0.5), padding=0)

    def show_marks(self, prompted: list[int], stale: NDArray[np.bool_]) -> None:
        """Mark prompted frames, and stale ones, (n_frames,) bool."""
        if (prompted, stretches(stale)) == (self.prompted, self.stale):
            return
        self.prompted = list(prompted)
        self.stale = stretches(stale)
        self._marks.setData(x=self.prompted, y=[_TOP - 0.05] * len(self.prompted))
        _place_bars(self._stale_bars, self.stale)

    def show_accepted(self, accepted: NDArray[np.bool_]) -> None:
        """Mark accepted frames, (n_frames,) bool, with a band."""
        if stretches(accepted) == self.accepted:
            return
        self.accepted = stretches(accepted)
        _place_bars(self._accepted_bars, self.accepted)

    def show_frame(self, frame: int) -> None:
        """Move the cursor."""
        self._cursor.setValue(frame)

    def changeEvent(self, event: QEvent) -> None:
        """Take over the theme's colours."""
        super().changeEvent(event)
        if event.type() == event.Type.StyleChange and hasattr(self, "_cursor"):
            self._restyle()

    def _restyle(self) -> None:
        ink, faint = style_plot(self)
        self.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        shade, hatch = QColor(ink), QColor(ink)
        shade.setAlpha(45)
        hatch.setAlpha(150)
        self._hidden_bars.setOpts(brush=QBrush(shade))
        self._stale_bars.setOpts(brush=QBrush(hatch, Qt.BrushStyle.BDiagPattern))
        self._threshold.setPen(pg.mkPen(faint, style=Qt.PenStyle.DashLine))
        self._marks.setBrush(ink)
        self._marks.setPen(None)
        self._cursor.setPen(pg.mkPen(ink, width=1))

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        x = self.getPlotItem().getViewBox().mapSceneToView(event.scenePos()).x()
        self.frame_clicked.emit(int(np.clip(round(x), 0, self.n_frames - 1)))


def _place_bars(bars: pg.BarGraphItem, spans: list[tuple[int, int]]) -> None:
    bars.setOpts(x0=[a - 0.5 for a, _ in spans], x1=[b + 0.5 for _, b in spans])
