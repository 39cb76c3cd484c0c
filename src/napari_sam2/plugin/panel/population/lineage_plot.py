"""The lineage view: a bar for each track, mothers joined to their daughters, in step with the slider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal

from napari_sam2.plugin.panel.score_plot import style_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtCore import QEvent

    from napari_sam2.plugin.state.family_tree import TrackRow

    Colour = tuple[int, int, int]

_BAR = 0.7
# More rows than this have no number, and are not higher than so many pixels.
_MOST_NUMBERED, _ROW_HEIGHT = 40, 14
_LEAST_HEIGHT, _MOST_HEIGHT = 90, 320
# A click this near to an event, as a share of all frames, means the event.
_NEAR = 0.02


class LineagePlot(pg.PlotWidget):
    """Tracks from top to bottom, frames from left to right; a click goes to a track's begin, end or frame."""

    # With frame and object.
    event_clicked = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[TrackRow] = []
        self.n_frames = 1
        # What was drawn last: even what looks the same makes Qt draw the whole window.
        self._drawn: object = None
        self._selected: int | None = None
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        plot.hideButtons()
        # Frames are always all in sight; many rows are scrolled and zoomed into.
        plot.setMouseEnabled(False, True)
        plot.getViewBox().setDefaultPadding(0.0)
        plot.getViewBox().invertY(True)
        self._bars = pg.BarGraphItem(x0=[], x1=[], y=[], height=_BAR, pen=None)
        self._frame = pg.BarGraphItem(x0=[], x1=[], y=[], height=_BAR, brush=None)
        self._joins, self._proposed = pg.PlotCurveItem(connect="pairs"), pg.PlotCurveItem(connect="pairs")
        self._cursor = pg.InfiniteLine(angle=90)
        # What is added later covers what is there.
        for part in (self._joins, self._proposed, self._bars, self._frame, self._cursor):
            self.addItem(part)
        self.scene().sigMouseClicked.connect(self._clicked)
        self._restyle()

    def sizeHint(self) -> QSize:
        """As high as its rows need, within reason."""
        return QSize(280, self.minimumHeight())

    def show_rows(
        self,
        rows: Sequence[TrackRow],
        n_frames: int,
        *,
        colours: Mapping[int, Colour],
        proposed: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        """Draw tracks; ``proposed`` are divisions that nobody has confirmed: frame, mother, daughter."""
        drawn = (list(rows), n_frames, dict(colours), list(proposed))
        if drawn == self._drawn:
            return
        self._drawn, self.rows, self.n_frames = drawn, list(rows), n_frames
        at = {one.object_id: index for index, one in enumerate(rows)}
        self._bars.setOpts(
            x0=[one.begin - 0.5 for one in rows], x1=[one.end + 0.5 for one in rows], y=list(range(len(rows))),
            height=_BAR, brushes=[pg.mkBrush(colours[one.object_id]) for one in rows], pens=None,
        )  # fmt: skip
        joins = [(one.begin - 0.5, at[one.parent], at[one.object_id]) for one in rows if one.parent is not None]
        _join(self._joins, joins)
        _join(self._proposed, [(t - 0.5, at[a], at[b]) for t, a, b in proposed if a in at and b in at])
        numbers = [[(index, str(one.object_id)) for index, one in enumerate(rows)]]
        self.getPlotItem().getAxis("left").setTicks(numbers if len(rows) <= _MOST_NUMBERED else [[]])
        height = 30 + _ROW_HEIGHT * max(len(rows), 1)
        self.setFixedHeight(min(max(height, _LEAST_HEIGHT), _MOST_HEIGHT))
        self.setXRange(-0.5, max(n_frames - 0.5, 0.5), padding=0)
        self.getPlotItem().getViewBox().setLimits(yMin=-1, yMax=len(rows))
        self.setYRange(-0.7, max(len(rows) - 0.3, 0.7), padding=0)
        self._mark_selected()

    def show_selected(self, object_id: int) -> None:
        """Mark a track."""
        if object_id != self._selected:
            self._selected = object_id
            self._mark_selected()

    def show_frame(self, frame: int) -> None:
        """Move the cursor."""
        self._cursor.setValue(frame)

    def changeEvent(self, event: QEvent) -> None:
        """Take over the theme's colours."""
        super().changeEvent(event)
        if event.type() == event.Type.StyleChange and hasattr(self, "_cursor"):
            self._restyle()

    def target(self, x: float, y: float) -> tuple[int, int] | None:
        """Frame and object that a click at a frame and a row goes to."""
        if not self.rows or not -0.5 <= y < len(self.rows) - 0.5:
            return None
        one = self.rows[round(y)]
        # A division is a daughter's begin and her mother's end, and both rows have one.
        near = max(_NEAR * self.n_frames, 0.5)
        event = min((one.begin, one.end), key=lambda frame: abs(frame - x))
        frame = event if abs(event - x) <= near else round(x)
        return min(max(frame, one.begin), one.end), one.object_id

    def _mark_selected(self) -> None:
        marked = [(index, one) for index, one in enumerate(self.rows) if one.object_id == self._selected]
        self._frame.setOpts(
            x0=[one.begin - 0.5 for _, one in marked], x1=[one.end + 0.5 for _, one in marked],
            y=[index for index, _ in marked], height=_BAR,
        )  # fmt: skip

    def _restyle(self) -> None:
        ink, faint = style_plot(self)
        self._joins.setPen(pg.mkPen(faint, width=1.5))
        self._proposed.setPen(pg.mkPen(ink, width=1.5, style=Qt.PenStyle.DashLine))
        self._frame.setOpts(pen=pg.mkPen(ink, width=2))
        self._cursor.setPen(pg.mkPen(ink, width=1))

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self.getPlotItem().getViewBox().mapSceneToView(event.scenePos())
        if (target := self.target(place.x(), place.y())) is not None:
            self.event_clicked.emit(*target)


def _join(curve: pg.PlotCurveItem, lines: Sequence[tuple[float, int, int]]) -> None:
    """Draw upright lines, each at a place from one row to another."""
    curve.setData([x for x, _, _ in lines for _ in range(2)], [y for _, a, b in lines for y in (a, b)])
