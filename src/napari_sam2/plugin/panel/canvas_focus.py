"""Lets the shortcuts reach the canvas although the mouse was used in the panel last."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLayout,
    QMainWindow,
    QScrollArea,
    QSpinBox,
    QTableView,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class CanvasFocus(QObject):
    """Gives the keys back to the canvas when a control was used with the mouse; tables pass on what is not theirs."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        # Made after the buttons' own actions are connected. A button that those have disabled has passed the focus on
        # to the next control already, which would take the shortcuts for its own.
        for button in panel.findChildren(QAbstractButton):
            button.clicked.connect(lambda _=False, button=button: self._used(button))
        for combo in panel.findChildren(QComboBox):
            combo.activated.connect(lambda _index, combo=combo: self._used(combo))
        # The mouse does not take the keys to them: one that has them was reached with the Tab key.
        for part in (*panel.findChildren(QAbstractButton), *panel.findChildren(QComboBox)):
            if part.focusPolicy() & Qt.FocusPolicy.ClickFocus:
                part.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        _order_tabs(panel)
        # Here one goes on with the arrows or with digits; letters mean nothing in them.
        for part in (panel, *panel.findChildren(QTableView), *panel.findChildren(QSpinBox)):
            part.installEventFilter(self)

    def watch_canvas(self, watcher: QObject, keys: QObject) -> None:
        """Let objects see the events of the canvas before napari does; ``keys`` those that the panel passes on, too."""
        viewer = self._viewer
        if viewer is None:
            return
        viewer.installEventFilter(keys)
        for canvas in viewer.findChildren(QOpenGLWidget):
            canvas.installEventFilter(watcher)
            canvas.installEventFilter(keys)

    def eventFilter(self, part: QObject, event: QEvent) -> bool:
        """Pass shortcuts on to the canvas."""
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        viewer = self._viewer
        is_undo = event.key() == Qt.Key.Key_Z and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if viewer is None or not (event.text().isalpha() or (is_undo and not isinstance(part, QSpinBox))):
            return False
        QCoreApplication.sendEvent(viewer, event)
        return True

    @property
    def _viewer(self) -> QWidget | None:
        """Napari's view of the layers, which passes keys on to its canvas."""
        window = self._panel.window()
        centre = window.centralWidget() if isinstance(window, QMainWindow) else None
        layout = None if centre is None else centre.layout()
        item = None if layout is None else layout.itemAt(0)
        return None if item is None else item.widget()

    def _used(self, part: QWidget) -> None:
        # Whoever works with the keys goes on from there: letters are passed on to the canvas in any case.
        viewer = self._viewer
        if viewer is not None and not part.hasFocus():
            viewer.setFocus()


def _order_tabs(panel: QWidget) -> None:
    """Have the Tab key go from control to control as they are laid out, and not as they were made."""
    stops = [part for part in _laid_out(panel) if part.focusPolicy() & Qt.FocusPolicy.TabFocus]
    for one, other in pairwise(stops):
        QWidget.setTabOrder(one, other)


def _laid_out(part: QWidget | QLayout) -> Iterator[QWidget]:
    """All that is in a widget or layout, from top to bottom, and from left to right beside each other."""
    if isinstance(part, QWidget):
        yield part
        inside = part.widget() if isinstance(part, QScrollArea) else part.layout()
        if inside is not None:
            yield from _laid_out(inside)
        return
    for item in (part.itemAt(index) for index in range(part.count())):
        if item is not None and (found := item.widget() or item.layout()) is not None:
            yield from _laid_out(found)
