"""What is in sight at first, and what the line at the top says as the work goes on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QWidget

if TYPE_CHECKING:
    from conftest import Desk

CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QAbstractItemView)
# The line for words is there with the extra for them.
MOST_CONTROLS = 14 + (importlib.util.find_spec("transformers") is not None)
FIRST = ("status_line", "image_layer", "section_model", "new_object", "find_objects", "tool_click", "tool_box")
FIRST += ("one_object_per_click", "object_table", "track_both", "save_session", "export")


def controls(widget: QWidget) -> list[Any]:
    """All that can be pressed, chosen or filled in, and is in sight."""
    parts = (part for part in widget.findChildren(QWidget) if isinstance(part, CONTROLS) and part.isVisible())
    return [part for part in parts if not isinstance(part.parent(), QComboBox | QAbstractSpinBox | QAbstractItemView)
            and not isinstance(part.parent().parent(), QAbstractItemView)]  # fmt: skip


def check_first_sight(desk: Desk) -> None:
    """Few controls are in sight, and what the work needs is, whole, in a window of 900 pixels."""
    # Scroll bars and headings of the table are no controls.
    seen = [part for part in controls(desk.widget) if part.objectName() or isinstance(part.parent(), QWidget)]
    assert len(seen) <= MOST_CONTROLS, [part.objectName() for part in seen]
    assert desk.viewer.window._qt_window.height() <= 900
    for name in FIRST:
        part = desk.find(name)
        assert part.visibleRegion().boundingRect().size() == part.size(), name
        assert part.mapTo(desk.widget, QPoint(0, part.height())).y() <= desk.widget.height()
    assert desk.widget.panel.verticalScrollBar().maximum() == 0


def test_few_controls_are_in_sight_and_none_is_below_the_fold(desk: Desk) -> None:
    desk.viewer.window.resize(1200, 900)
    QTest.qWait(50)
    check_first_sight(desk)


def test_few_controls_are_in_sight_with_several_axes_and_channels(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path
) -> None:
    planes = frames.reshape(3, 4, *frames.shape[1:])
    desk = open_desk(planes, axis_labels=("t", "z", "y", "x"))
    desk.viewer.add_image(planes, name="other", axis_labels=("t", "z", "y", "x"), blending="additive")
    desk.load(checkpoint)
    desk.viewer.window.resize(1200, 900)
    QTest.qWait(50)
    assert {"axis", "colours"} < {part.objectName() for part in controls(desk.widget)}
    check_first_sight(desk)
    # It comes with something to paint.
    desk.press("new_object")
    desk.until(lambda: desk.find("tool_paint").isVisible())


def test_line_speaks_from_the_first_click_to_the_end(desk: Desk) -> None:
    line = desk.find("status_line")
    assert line.text() == "Press New object (N), then click on it in the image."
    desk.press("new_object")
    desk.until(lambda: line.text() == "Next click: on object 1 (Q: off it).", line.text())
    assert desk.find("tool_click").isChecked()
    native = desk.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_Q)
    desk.until(lambda: line.text() == "Next click: off object 1 (Q: on it).", line.text())
    QTest.keyClick(native, Qt.Key.Key_Q)
    desk.click_shown(20, 30)
    said = "Next click: on object 1 (Q: off it). N: next object. 1 object, not tracked: Track (K)."
    desk.until(lambda: line.text() == said, line.text())
    said_meanwhile: list[str] = []
    desk.widget.controller.tracking_stepped.connect(lambda _: said_meanwhile.append(line.text()))
    assert desk.track()
    assert all("Tracking. Next click: on object 1" in text for text in said_meanwhile)
    assert "N: next object. Tracked: expected overlap 0." in line.text()
    assert line.text().endswith("J: the next.")
    desk.viewer.dims.set_point(0, 6)
    desk.click_shown(30, 12)
    assert line.text().endswith("5 frames out of date: Update (U).")
    desk.press("tool_box")
    desk.until(lambda: line.text().startswith("Next box: around object 1."), line.text())
    assert [name for name in ("tool_click", "tool_box", "tool_paint") if desk.find(name).isChecked()] == ["tool_box"]
    desk.viewer.dims.ndisplay = 3
    desk.until(lambda: "turn to 2-D to click" in line.text(), line.text())


def test_problem_stays_until_something_else_is_done(desk: Desk) -> None:
    line = desk.find("status_line")
    desk.widget.controller.failed.emit(ValueError("the image has no pixels: choose another"))
    assert "the image has no pixels: choose another" in line.text()
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert "no pixels" not in line.text()


def test_problem_goes_with_what_was_on_show(desk: Desk) -> None:
    line = desk.find("status_line")
    desk.press("new_object")
    desk.viewer.dims.order = (1, 0, 2)
    desk.click(2, 30)
    desk.until(lambda: "SAM 2 takes the last two axes of image" in line.text(), line.text())
    desk.viewer.dims.order = (0, 1, 2)
    desk.until(lambda: line.text().startswith("Next click: on object 1"), line.text())
    desk.widget.controller.failed.emit(ValueError("the image has no pixels: choose another"))
    desk.viewer.layers.remove("image")
    desk.until(lambda: line.text().startswith("Open an image to begin"), line.text())


def test_tools_show_the_layer_that_they_draw_in(desk: Desk) -> None:
    line, layers = desk.find("status_line"), desk.widget.layers
    desk.press("new_object")
    desk.click_shown(20, 30)
    # napari takes no clicks in a layer that is hidden.
    layers.points.visible = False
    desk.until(lambda: line.text().startswith("image: clicks is hidden and takes nothing"), line.text())
    desk.press("tool_click")
    desk.until(lambda: line.text().startswith("Next click: on object 1"), line.text())
    desk.click_shown(40, 10)
    assert len(layers.points.data) == 2


def test_a_click_in_the_volume_view_is_not_taken(desk: Desk) -> None:
    line, layers = desk.find("status_line"), desk.widget.layers
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.viewer.dims.ndisplay = 3
    desk.until(lambda: "turn to 2-D to click" in line.text(), line.text())
    native = desk.viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, native.rect().center())
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, native.rect().center())
    desk.settle()
    assert len(layers.points.data) == 1
    # The tool is there again.
    desk.viewer.dims.ndisplay = 2
    desk.until(lambda: line.text().startswith("Next click: on object 1"), line.text())
    desk.click_shown(40, 10)
    assert len(layers.points.data) == 2


def test_what_a_tool_refuses_is_said_in_the_line(desk: Desk) -> None:
    line, mine = desk.find("status_line"), desk.viewer.add_points([[0, 20, 30]], name="mine")
    desk.find("points_layer").setCurrentText("mine")
    desk.widget.act("switch_sign")
    assert "mine is your own layer and stays as it is" in line.text()
    desk.viewer.layers.remove(mine)
    desk.widget.act("take_labels")
    assert "Choose a Labels layer to take prompts from." in line.text()


def test_run_that_was_stopped_says_where(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.controller.tracking_stepped.connect(lambda step: step.done == 4 and desk.press("cancel"))
    assert not desk.track()
    assert "Stopped after frame" in desk.find("status_line").text()
    assert desk.find("resume").isVisible()
    assert not desk.find("cancel").isVisible()


def test_a_long_line_is_readable_in_a_narrow_dock(desk: Desk) -> None:
    line = desk.find("status_line")
    desk.widget.view.say("The image is not there any more: " + "look for it where it was. " * 8)
    desk.until(lambda: line.height() >= line.heightForWidth(line.width()), "the whole text")
    desk.widget.view.say("")
    desk.until(lambda: line.height() == line.minimumHeight(), "two lines again")
