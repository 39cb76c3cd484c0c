"""A click and its mask are painted together, and no click holds the window up for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from conftest import Desk


def _draws(desk: Desk) -> list[int]:
    """Number of previews shown at each painting of the canvas, from now on."""
    draws: list[int] = []
    canvas = desk.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _event: draws.append(len(desk.previews)), position="last")
    return draws


def test_a_click_is_painted_once_with_its_mask(desk: Desk) -> None:
    desk.press("new_object")
    desk.settle()
    QTest.qWait(200)
    draws = _draws(desk)
    desk.widget.layers.points.add([(0, 20, 30)])
    desk.until(lambda: draws, "the canvas")
    assert draws[0] == 1
    assert not desk.widget._paint_hold.is_on


def test_a_window_waits_for_a_late_answer_only_for_a_moment(desk: Desk) -> None:
    desk.press("new_object")
    desk.settle()
    QTest.qWait(200)
    draws = _draws(desk)
    hold = desk.widget._paint_hold
    # As when the frame under the click is not encoded yet.
    hold.start()
    desk.viewer.window._qt_viewer.canvas.native.update()
    assert hold.is_on
    desk.until(lambda: draws, "the canvas")
    assert not hold.is_on


def test_a_window_that_waits_can_be_closed(desk: Desk) -> None:
    desk.press("new_object")
    desk.settle()
    desk.widget.layers.points.add([(0, 20, 30)])
    desk.until(lambda: desk.widget._paint_hold.is_on or desk.previews)
    desk.viewer.window.remove_dock_widget(desk.widget)
    assert not desk.widget._paint_hold.is_on
