"""The shortcuts work after the mouse was used in the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractItemView, QApplication

if TYPE_CHECKING:
    from conftest import Desk


def strike(desk: Desk, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Strike a key where the focus is."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, key, modifier)
    desk.settle()


def test_keys_reach_the_canvas_after_tracking_was_started_with_the_mouse(desk: Desk) -> None:
    desk.viewer.window.activate()
    desk.press("new_object")
    desk.click_shown(20, 30)
    first = desk.find("range_first").value()
    desk.track()
    assert desk.labels[5].any()
    strike(desk, Qt.Key.Key_5)
    assert desk.find("range_first").value() == first
    strike(desk, Qt.Key.Key_N)
    assert desk.find("object_table").object_ids == [1, 2]
    strike(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not desk.labels[5].any()


def test_keys_reach_the_canvas_after_any_button_or_combo_and_from_the_table(desk: Desk) -> None:
    desk.viewer.window.activate()
    desk.press("new_object")
    desk.click_shown(20, 30)
    table: QAbstractItemView = desk.find("object_table")
    spin = desk.find("range_last")
    clicks = [lambda name=name: desk.press(name) for name in ("tool_box", "undo", "redo", "tool_paint", "tool_click")]
    clicks += [
        lambda: QTest.mouseClick(desk.find("live_preview"), Qt.MouseButton.LeftButton),
        lambda: desk.widget.panel.doubt.activated.emit(1),
        lambda: QTest.mouseClick(
            table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(table.model().index(0, 0)).center()
        ),
    ]
    for number, click in enumerate(clicks, 2):
        spin.setFocus()
        click()
        desk.settle()
        strike(desk, Qt.Key.Key_N)
        assert desk.find("object_table").object_ids[-1] == number
    # The table and the range keep the focus, and what is theirs: arrows, and digits. A click beside the controls goes
    # to the panel itself.
    for number, part in enumerate((table, spin, desk.widget.panel), len(clicks) + 2):
        part.setFocus()
        strike(desk, Qt.Key.Key_N)
        assert desk.find("object_table").object_ids[-1] == number
    table.setFocus()
    strike(desk, Qt.Key.Key_Up)
    assert desk.widget.layers.selected == number - 1
    spin.setFocus()
    spin.selectAll()
    strike(desk, Qt.Key.Key_7)
    assert spin.value() == 7
