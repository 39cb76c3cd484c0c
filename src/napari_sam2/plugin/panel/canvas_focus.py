"""Lets the shortcuts reach the canvas although the mouse was used in the panel last."""

from __future__ import annotations

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QAbstractButton, QComboBox, QMainWindow, QSpinBox, QTableView, QWidget


class CanvasFocus(QObject):
    """Gives the keyboard back to the canvas after a button was pressed; tables pass on what is not theirs."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        # Made after the buttons' own actions are connected. A button that those have disabled has passed the focus on
        # to the next control already, which would take the shortcuts for its own.
        for button in panel.findChildren(QAbstractButton):
            button.clicked.connect(self._give_back)
        for combo in panel.findChildren(QComboBox):
            combo.activated.connect(self._give_back)
        # Here one goes on with the arrows or with digits; letters mean nothing in them.
        for part in (panel, *panel.findChildren(QTableView), *panel.findChildren(QSpinBox)):
            part.installEventFilter(self)

    def watch_canvas(self, watcher: QObject) -> None:
        """Let an object see the events of the canvas before napari does."""
        viewer = self._viewer
        for canvas in [] if viewer is None else viewer.findChildren(QOpenGLWidget):
            canvas.installEventFilter(watcher)

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

    def _give_back(self, _arg: object = None) -> None:
        viewer = self._viewer
        if viewer is not None:
            viewer.setFocus()
