"""A newcomer at the widget, for the stories: real mouse and keys, and a count of what is done."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before napari is imported: what is measured must not depend on anybody's settings, nor on work that was not saved.
os.environ["NAPARI_SAM2_HOME"] = tempfile.mkdtemp()
os.environ["NAPARI_CONFIG"] = str(Path(os.environ["NAPARI_SAM2_HOME"], "settings.yaml"))

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QLineEdit,
    QMenu,
    QWidget,
)

from napari_sam2.plugin.widget import Sam2Widget

PATIENCE_S = 900
# Of pictures: of the dock, in pixels, and of the window.
WIDTHS, THEMES = (300, 500), ("light", "dark")
CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QAbstractItemView)


@dataclass
class Newcomer:
    """A viewer with the widget, a hand on the mouse, and a count of what it does."""

    viewer: napari.Viewer
    widget: Sam2Widget
    # Where pictures of it go that are taken on the way.
    pictures: Path | None = None
    actions: list[str] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.widget.preview_shown.connect(self.shown.append)
        self.widget.tracking_finished.connect(self.ended.append)

    def wait(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                said = self.widget.panel.status.text()
                raise TimeoutError(f"after {self.actions[-3:]} the widget did not get there; it says: {said}")
            QTest.qWait(10)

    def press(self, name: str) -> None:
        part = self.widget.findChild(QWidget, name)
        if not part.isVisible() or part.visibleRegion().isEmpty():
            raise RuntimeError(f"{name} is not in sight")
        # The box of a check box is on its left.
        place = QPoint(10, part.height() // 2) if part.inherits("QCheckBox") else part.rect().center()
        QTest.mouseClick(part, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        self._did(f"press {name}")

    def choose(self, name: str, text: str) -> None:
        """Choose an entry of a combo box with the arrow keys."""
        combo = self.widget.findChild(QComboBox, name)
        if not combo.isVisible() or combo.visibleRegion().isEmpty():
            raise RuntimeError(f"{name} is not in sight")
        steps = combo.findText(text) - combo.currentIndex()
        for _ in range(abs(steps)):
            QTest.keyClick(combo, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
        self._did(f"choose {text}")
        self.wait(lambda: self.widget.session is not None and self.widget.layers.is_settled)
        self.viewer.reset_view()

    def key(self, key: Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.native, key, held)
        self._did(f"key {key.name}")

    def click(self, y: float, x: float) -> None:
        """Click, and wait until the mask is shown or another object is selected: a mask that was there already."""
        before, place, selected = len(self.shown), self._place(y, x), self.widget.layers.selected
        QTest.mouseMove(self.native, place)
        QTest.mouseClick(self.native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        self._did("click")
        self.wait(lambda: len(self.shown) > before or self.widget.layers.selected < selected)

    def select(self, object_ids: list[int]) -> None:
        """Click on rows of the table, with Ctrl from the second on."""
        table = self.widget.panel.object_table
        for object_id in object_ids:
            item = table.item(table.object_ids.index(object_id), 1)
            if not table.viewport().rect().contains(table.visualItemRect(item)):
                table.scrollToItem(item)
                self._did("scroll the table")
            is_first = object_id == object_ids[0]
            held = Qt.KeyboardModifier.NoModifier if is_first else Qt.KeyboardModifier.ControlModifier
            QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, held, table.visualItemRect(item).center())
            self._did(f"click on the row of {object_id}")

    def export(self, name: str, path: Path) -> None:
        """Press Export, choose a format from its menu, and type a file's name into Qt's own dialog."""
        # Menu and dialog have event loops of their own: what is done in them is called from there.
        QTimer.singleShot(0, lambda: self._choose_format(name, path))
        self.press("export")
        self.wait(lambda: path.exists() and not self.widget.files.exporting.is_running)

    def _choose_format(self, name: str, path: Path) -> None:
        menu = self.widget.findChild(QMenu, "export_formats")
        self.wait(menu.isVisible)
        action = next(one for one in menu.actions() if one.objectName() == f"export_{name}")
        QTimer.singleShot(0, lambda: self._type_name(path))
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())
        self._did(f"choose {name}")

    def _type_name(self, path: Path) -> None:
        self.wait(lambda: isinstance(QApplication.activeModalWidget(), QFileDialog))
        # It takes no key before its own event loop runs.
        QTest.qWait(500)
        line = QApplication.activeModalWidget().findChild(QLineEdit)
        # Its list of names that begin so would take the key at the end.
        line.setCompleter(None)
        line.selectAll()
        QTest.keyClicks(line, str(path))
        QTest.keyClick(line, Qt.Key.Key_Return)
        self._did("name the file")

    def track(self) -> None:
        before = len(self.ended)
        self.key(Qt.Key.Key_K)
        self.wait(lambda: len(self.ended) > before)

    @property
    def native(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def controls(self) -> int:
        """Number of controls in sight."""
        parts = [part for part in self.widget.findChildren(QWidget) if isinstance(part, CONTROLS) and part.isVisible()]
        inner = (QComboBox, QAbstractSpinBox, QAbstractItemView)
        return sum(not isinstance(part.parent(), inner) for part in parts)

    def picture(self, what: str) -> None:
        """Take pictures of the window, where they are asked for: with a narrow and a wide dock, dark and light."""
        if self.pictures is None:
            return
        self.pictures.parent.mkdir(parents=True, exist_ok=True)
        window = self.viewer.window._qt_window
        (dock,) = [one for one in window.findChildren(QDockWidget) if one.isAncestorOf(self.widget)]
        before = dock.width()
        for width in WIDTHS:
            window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
            for theme in THEMES:
                self.viewer.theme = theme
                QTest.qWait(600)
                path = self.pictures.with_name(f"{self.pictures.name}-{what}-{width}-{theme}.png")
                self.viewer.screenshot(path, canvas_only=False, flash=False)
        # Whoever goes on clicks on the canvas of before.
        window.resizeDocks([dock], [before], Qt.Orientation.Horizontal)

    def _did(self, what: str) -> None:
        self.actions.append(what)
        QTest.qWait(20)

    def _place(self, y: float, x: float) -> QPoint:
        canvas, camera, layer = self.viewer.window._qt_viewer.canvas, self.viewer.scene.camera, self.viewer.layers[0]
        shown, position = list(self.viewer.dims.displayed), np.zeros(layer.ndim)
        position[shown] = y, x
        world = np.asarray(layer.data_to_world(position))[shown]
        # A scan is shown with the head up and the right on the left.
        signs = np.array([1 if way in ("down", "right") else -1 for way in camera.orientation2d])
        row, column = (world - camera.center[-2:]) * signs * camera.zoom + np.array(canvas.size) / 2
        return QPoint(round(column), round(row))
