"""Layers that lie on each other as the colours that the viewer makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox

from napari_sam2.plugin.layers.shown_colours import ChannelLook

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]


@pytest.fixture
def channels(open_desk: Opener, frames: np.ndarray, checkpoint: Path) -> Desk:
    """Two channels on each other, a third elsewhere, and the model."""
    desk = open_desk(frames[:5], axis_labels=("t", "y", "x"), colormap="green", contrast_limits=(20, 200))
    shared = {"axis_labels": ("t", "y", "x"), "blending": "additive"}
    desk.viewer.add_image(frames[:5, ::-1], name="second", colormap="magenta", contrast_limits=(0, 255), **shared)
    desk.viewer.add_image(frames[:5], name="elsewhere", translate=(0, 9, 0), **shared)
    desk.widget.panel.image_layer.choose(desk.viewer.layers["image"])
    desk.load(checkpoint)
    return desk


def choose(desk: Desk, *, together: bool) -> None:
    combo = desk.find("colours")
    assert isinstance(combo, QComboBox)
    combo.setCurrentIndex(combo.findData(together))
    desk.until(lambda: desk.widget.session is not None, "the session")
    desk.settle()


def test_the_model_sees_what_the_viewer_shows(channels: Desk) -> None:
    desk = channels
    assert desk.find("colours").isVisibleTo(desk.widget)
    choose(desk, together=True)
    stack = desk.widget.session.stack
    assert stack.is_rgb
    assert desk.find("window_note").text() == "model sees 2 layers in colour"
    seen = stack.read(2)
    first, second = desk.viewer.layers["image"], desk.viewer.layers["second"]
    green = np.clip((first.data[2].astype(float) - 20) / 180, 0, 1) * 255
    magenta = second.data[2].astype(float)
    np.testing.assert_allclose(seen, np.stack([magenta, green, magenta], -1), atol=2)
    # One that is hidden is not seen; alone, the layer is grey again.
    second.visible = False
    desk.until(lambda: desk.widget.session is not None and not desk.widget.session.stack.is_rgb, "grey")
    second.visible = True
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.stack.is_rgb, "colours")
    choose(desk, together=False)
    assert not desk.widget.session.stack.is_rgb
    assert desk.find("window_note").text() == "model sees 20 to 200"


def test_colours_are_fixed_with_the_first_prompt(channels: Desk) -> None:
    desk = channels
    choose(desk, together=True)
    desk.press("new_object")
    desk.click_shown(20, 30)
    session = desk.widget.session
    desk.viewer.layers["second"].contrast_limits = (50, 100)
    button = desk.find("take_window")
    desk.until(lambda: button.isVisibleTo(button.parentWidget()), "the button")
    assert desk.widget.session is session
    button.click()
    desk.until(lambda: desk.widget.session not in (None, session))
    desk.settle()
    assert desk.widget.session.prompts
    assert not button.isVisibleTo(button.parentWidget())
    assert desk.track()
    # Another choice keeps the prompts; results wait for an update.
    choose(desk, together=False)
    assert not desk.widget.session.stack.is_rgb
    assert desk.widget.session.prompts
    assert desk.widget.controller.results.is_outdated


def test_nothing_is_offered_for_a_layer_alone(desk: Desk, frames: np.ndarray) -> None:
    combo = desk.find("colours")
    assert not combo.isVisibleTo(desk.widget)
    desk.viewer.add_image(np.stack([frames] * 3, -1), name="rgb", visible=False)
    desk.viewer.add_image(frames[:3], name="shorter", visible=False)
    desk.widget.panel.image_layer.choose(desk.viewer.layers["image"])
    assert not combo.isVisibleTo(desk.widget)
    desk.viewer.add_image(frames, name="other")
    desk.widget.panel.image_layer.choose(desk.viewer.layers["image"])
    assert combo.isVisibleTo(desk.widget)
    desk.viewer.layers.remove("other")
    assert not combo.isVisibleTo(desk.widget)


def test_a_session_in_colours_is_brought_back(
    channels: Desk, open_desk: Opener, frames: np.ndarray, tmp_path: Path
) -> None:
    desk, folder = channels, tmp_path / "two.napari-sam2"
    choose(desk, together=True)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    labels = desk.labels.copy()
    desk.widget.files.keeping.save(folder)
    desk.until(lambda: desk.widget.session.folder == folder.resolve(), "saving")
    desk.settle()
    desk.viewer.window.remove_dock_widget("all")
    other = open_desk(frames[:5], axis_labels=("t", "y", "x"))
    other.viewer.add_image(frames[:5, ::-1], name="second", axis_labels=("t", "y", "x"))
    other.widget.files.open(str(folder))
    other.until(lambda: other.widget.session is not None and other.widget.session.folder is not None, "opening")
    other.settle()
    assert other.widget.session.stack.is_rgb
    assert other.find("colours").currentText() == "all shown layers"
    # Frames of a session that was opened are drawn in turns.
    other.until(lambda: np.array_equal(other.labels, labels), "the results")


@pytest.mark.parametrize(
    "damage", [{"window": [3, 1]}, {"window": [0, "nan"]}, {"table": "00"}, {"table": "x"}, {"window": [1]}]
)
def test_damaged_colours_are_refused(damage: dict[str, object]) -> None:
    look = ChannelLook("one", (0, 1), bytes(768))
    assert ChannelLook.from_json(look.to_json()) == look
    with pytest.raises(ValueError):
        ChannelLook.from_json(look.to_json() | damage)
