"""Which tool is on, and what keeps it from doing anything; with the real mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def clicked(desk: Desk) -> Desk:
    desk.press("new_object")
    desk.click_shown(20, 30)
    return desk


def says(desk: Desk, text: str) -> None:
    line = desk.find("status_line")
    desk.until(lambda: text in line.text(), line.text())


@pytest.mark.parametrize("tool", ["tool_click", "tool_box", "tool_paint"])
def test_the_tool_rests_in_the_volume_view_and_is_there_again(clicked: Desk, tool: str) -> None:
    desk, native = clicked, clicked.viewer.window._qt_viewer.canvas.native
    desk.press(tool)
    desk.until(lambda: desk.find(tool).isChecked(), tool)
    layer, before = desk.viewer.layers.selection.active, desk.labels.copy()
    mode = str(layer.mode)
    desk.viewer.dims.ndisplay = 3
    says(desk, "turn to 2-D to click")
    assert not desk.find(tool).isChecked()
    assert str(layer.mode) == "pan_zoom"
    # Also where it was chosen there.
    for chosen in ("pan_zoom", mode):
        layer.mode = chosen
        for place in (native.rect().center(), native.rect().center() / 1.2):
            QTest.mouseMove(native, place)
            QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        desk.settle()
        np.testing.assert_array_equal(desk.labels, before)
        assert len(desk.widget.session.prompts) == 1
    layer.mode = "pan_zoom"
    desk.viewer.dims.ndisplay = 2
    desk.until(lambda: str(layer.mode) == mode, mode)
    desk.until(lambda: desk.find(tool).isChecked(), tool)


def test_a_layer_that_takes_nothing_says_why(clicked: Desk) -> None:
    desk, layers = clicked, clicked.widget.layers
    told = len(notification_manager.records)
    for tool, layer in (("tool_click", "points"), ("tool_box", "shapes"), ("tool_paint", "labels")):
        desk.press(tool)
        chosen = getattr(layers, layer)
        before = desk.labels.copy()
        for attribute, why in (("visible", "is hidden and takes nothing"), ("editable", "is locked and takes nothing")):
            setattr(chosen, attribute, False)
            says(desk, f"{chosen.name} {why}")
            desk.drag((6, 40), (16, 50))
            desk.settle()
            if attribute == "editable":
                # No tool changes what somebody has locked.
                desk.press(tool)
                says(desk, f"{chosen.name} {why}")
            setattr(chosen, attribute, True)
        np.testing.assert_array_equal(desk.labels, before)
        assert len(desk.widget.session.prompts) == 1
        desk.press(tool)
        desk.until(lambda: "takes nothing" not in desk.find("status_line").text(), "the tool")
    assert len(notification_manager.records) == told


def test_results_go_on_in_a_layer_that_is_locked(clicked: Desk) -> None:
    desk = clicked
    for name in ("points", "labels"):
        getattr(desk.widget.layers, name).editable = False
    assert desk.track()
    desk.press("undo")
    desk.settle()
    desk.press("undo")
    desk.settle()
    assert not desk.labels.any()
    assert len(desk.widget.layers.points.data) == 0


def test_masks_that_are_hidden_are_told(clicked: Desk) -> None:
    desk, labels = clicked, clicked.widget.layers.labels
    labels.visible = False
    says(desk, "image: objects is hidden: masks are not seen.")
    labels.visible = True
    desk.until(lambda: "masks are not seen" not in desk.find("status_line").text(), "the line")


def test_drawing_in_a_layer_of_ones_own_is_told_to_be_no_prompt(clicked: Desk) -> None:
    desk = clicked
    mine = desk.viewer.add_points(ndim=3, name="mine")
    mine.mode = "add"
    says(desk, "mine is a layer of yours: nothing drawn in it is a prompt")
    desk.click(40, 10)
    desk.settle()
    assert len(mine.data) == 1
    assert len(desk.widget.session.prompts) == 1
    desk.find("points_layer").setCurrentText("mine")
    desk.settle()
    says(desk, "Next click: on object 1")
    assert len(desk.widget.session.prompts[0].points) == 2
