"""The shortcuts work after the mouse was used in the panel."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QPoint, Qt
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


def test_whoever_works_with_the_keys_goes_on_from_there(desk: Desk) -> None:
    desk.viewer.window.activate()
    desk.press("new_object")
    desk.settle()
    image = QApplication.focusWidget()
    # Out of the image, whatever Tab means there.
    strike(desk, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert QApplication.focusWidget() not in (None, image)
    new, box = desk.find("new_object"), desk.find("tool_box")
    new.setFocus(Qt.FocusReason.TabFocusReason)
    strike(desk, Qt.Key.Key_Space)
    assert desk.find("object_table").object_ids == [1, 2]
    assert QApplication.focusWidget() is new
    for _ in range(9):
        if QApplication.focusWidget() is box:
            break
        strike(desk, Qt.Key.Key_Tab)
    strike(desk, Qt.Key.Key_Space)
    assert box.isChecked()
    assert QApplication.focusWidget() is box
    # Letters mean the same as in the image.
    strike(desk, Qt.Key.Key_N)
    assert desk.find("object_table").object_ids == [1, 2, 3]


@pytest.mark.parametrize("unfolded", [False, True])
def test_tab_goes_from_top_to_bottom(desk: Desk, *, unfolded: bool) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    for section in desk.widget.panel.sections.values():
        section.title.setChecked(unfolded)
    QTest.qWait(50)
    widget = desk.widget
    chain, part = [], widget.nextInFocusChain()
    while part is not widget:
        is_stop = bool(part.focusPolicy() & Qt.FocusPolicy.TabFocus) and part.isEnabled() and part.focusProxy() is None
        if is_stop and part.isVisible() and widget.isAncestorOf(part):
            chain.append(part)
        part = part.nextInFocusChain()
    assert len(chain) > (30 if unfolded else 15)
    places = [part.mapTo(widget, QPoint(0, 0)) for part in chain]
    names = [part.objectName() or type(part).__name__ for part in chain]
    wrong = []
    for at, (before, after) in enumerate(pairwise(places)):
        # Beside each other, from left to right.
        is_row = abs(before.y() - after.y()) < 10
        # What stands below the part that scrolls comes after all that is in it.
        scrolls = [widget.panel.widget().isAncestorOf(part) for part in chain[at : at + 2]]
        if scrolls != [True, False] and not (before.x() < after.x() if is_row else before.y() < after.y()):
            wrong.append((names[at], names[at + 1]))
    assert wrong == []


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
