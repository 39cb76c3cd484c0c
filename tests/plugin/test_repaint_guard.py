"""A click and its mask are painted together, and no click holds the window up for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Desk


def _draws(desk: Desk) -> list[bool]:
    """Whether the window was to wait, at each painting of the canvas from now on."""
    draws: list[bool] = []
    canvas = desk.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _event: draws.append(desk.widget._paint_hold.is_on), position="last")
    return draws


@pytest.mark.parametrize("floating", [False, True])
def test_a_click_is_painted_with_its_mask(desk: Desk, floating: bool) -> None:
    desk.viewer.window._wrapped_dock_widgets["SAM 2"].setFloating(floating)
    desk.press("new_object")
    desk.settle()
    hold = desk.widget._paint_hold
    # Machines that have much else to do take longer than the window waits.
    hold._limit.setInterval(60_000)
    waits: list[bool] = []
    desk.widget.controller.preview_near.connect(lambda: waits.append(hold.is_on))
    draws = _draws(desk)
    desk.widget.layers.points.add([(0, 20, 30)])
    desk.until(lambda: desk.previews, "the preview")
    assert waits == [True]
    assert not hold.is_on
    # The window waits from the click on, so this is the first time it is painted with it: perhaps it was, by now.
    desk.until(lambda: draws, "the canvas")
    assert True not in draws


def test_a_window_waits_for_a_late_answer_only_for_a_moment(desk: Desk) -> None:
    desk.press("new_object")
    desk.settle()
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
