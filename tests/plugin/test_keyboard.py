"""The widget's keys, whatever layer is chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Image, Labels, Layer, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton

from napari_sam2.plugin.commands import KEYS, Keyboard, undo_keys

if TYPE_CHECKING:
    from conftest import Desk

LAYERS = (lambda: Image(np.zeros((4, 4))), lambda: Labels(np.zeros((4, 4), int)), Points, Shapes)


@pytest.mark.parametrize("make", LAYERS, ids=("image", "labels", "points", "shapes"))
def test_keys_are_heard_while_any_layer_is_chosen(
    make_napari_viewer: Callable[..., Viewer], make: Callable[[], Layer]
) -> None:
    heard: list[str] = []
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_layer(make())
    other = viewer.add_layer(Points())
    keyboard = Keyboard({key.action: lambda name=key.action: heard.append(name) for key in KEYS})
    before = dict(layer.keymap)
    keyboard.follow(viewer)
    viewer.window._qt_viewer.canvas.native.installEventFilter(keyboard)
    viewer.layers.selection.active = layer
    undo = [*undo_keys()]
    keys = [key for key in KEYS if key not in undo]
    for key in keys:
        held = Qt.KeyboardModifier.ShiftModifier if "Shift" in key.key else Qt.KeyboardModifier.NoModifier
        native = viewer.window._qt_viewer.canvas.native
        QTest.keyClick(native, getattr(Qt.Key, f"Key_{key.key[-1]}"), held)
    assert heard == [key.action for key in keys]
    assert layer.keymap == before
    # A layer that is left has its own keys again, and so has all when the widget is closed.
    viewer.layers.selection.active = other
    assert layer.keymap == before
    keyboard.release_all()
    assert not other.keymap


def test_undo_on_a_layer_stays_when_another_is_chosen(make_napari_viewer: Callable[..., Viewer]) -> None:
    viewer = make_napari_viewer()
    image, clicks = viewer.add_layer(Image(np.zeros((4, 4)))), viewer.add_layer(Points())
    keyboard = Keyboard({key.action: lambda: None for key in KEYS})
    keyboard.follow(viewer)
    keyboard.bind(clicks, undo_keys())
    bound = {key for key in clicks.keymap if "Z" in str(key)}
    assert bound
    for layer in (image, clicks, image):
        viewer.layers.selection.active = layer
    assert bound <= clicks.keymap.keys()
    keyboard.release_all()
    assert not clicks.keymap


def test_help_lists_the_keys_that_are_heard_and_buttons_that_there_are(desk: Desk) -> None:
    desk.widget.act("help")
    text = desk.find("help_text").text()
    listed = re.findall(r"<b>(.*?)</b>", text)
    spelt = {key.key.replace("Control", "Ctrl").replace("-", "+"): key.key for key in KEYS}
    assert sorted(listed) == sorted([*spelt, "Tab", "Shift+Tab"])
    assert all(coerce_keybinding(key) in desk.viewer.keymap for key in spelt.values())
    # It is all in the program: nothing is fetched.
    assert "href" not in text
    buttons = " ".join(part.text() for part in desk.widget.findChildren(QAbstractButton))
    for name in ("New object", "Track both ways", "Update", "Save", "Export"):
        assert name in buttons
        assert name.lower() in text.lower()


def test_the_guide_lists_these_keys_and_no_others() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "widget.md").read_text(encoding="utf-8")
    table = guide.partition("| key | what it does |")[2].partition("\n\n")[0]
    listed = [key for line in table.splitlines() for key in re.findall("`(.*?)`", line.split("|")[1] if line else "")]
    spelt = [key.key.replace("Control", "Ctrl").replace("-", "+") for key in KEYS]
    assert sorted(listed) == sorted([*spelt, "Tab"])


def test_y_accepts_while_the_image_is_chosen_and_the_table_has_the_keys(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    frame, results = desk.widget.layers.frame, desk.widget.controller.results
    image = desk.widget.layers.image
    before = image.plane.normal
    desk.viewer.layers.selection.active = image
    for part in (desk.viewer.window._qt_viewer.canvas.native, desk.find("object_table")):
        accepted = results.is_accepted(frame)
        QTest.keyClick(part, Qt.Key.Key_Y)
        desk.settle()
        assert results.is_accepted(frame) is not accepted
    assert image.plane.normal == before
