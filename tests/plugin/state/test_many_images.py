"""Several images, and images of every make: each has a session to come back to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import zarr

from napari_sam2.plugin.widget import Sam2Widget

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]


def go_to(desk: Desk, name: str) -> None:
    desk.find("image_layer").setCurrentText(name)
    desk.until(lambda: desk.widget.session is not None)
    desk.settle()


def test_each_image_keeps_its_session_layers_names_and_steps(desk: Desk, frames: np.ndarray) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    first, labels, plot = desk.widget.session, desk.labels.copy(), desk.find("score_plot").scores
    desk.find("object_table").item(0, 1).setText("nucleus")
    desk.viewer.add_image(frames[:5, ::-1], name="other")
    go_to(desk, "other")
    second = desk.widget.session
    assert second.prompts == ()
    assert desk.find("object_table").rowCount() == 0
    for place in ((10, 10), (40, 40)):
        desk.press("new_object")
        desk.click_shown(*place)
    assert second.object_ids == (1, 2)

    go_to(desk, "image")
    assert desk.widget.session is first
    assert desk.find("labels_layer").currentText() == "image: objects"
    np.testing.assert_array_equal(desk.labels, labels)
    np.testing.assert_array_equal(desk.find("score_plot").scores, plot)
    assert desk.find("object_table").item(0, 1).text() == "nucleus"
    desk.press("undo")
    desk.settle()
    assert not desk.labels[1:].any()

    go_to(desk, "other")
    assert desk.widget.session is second
    assert desk.widget.layers.labels.data.shape == (5, 48, 56)
    assert desk.widget.layers.selected == 2
    assert len(desk.widget.layers.points.data) == 2


def test_tracking_stops_when_another_image_is_chosen_and_what_is_done_is_there_later(
    desk: Desk, frames: np.ndarray
) -> None:
    desk.viewer.add_image(frames[:5], name="other")
    go_to(desk, "image")
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.controller.tracking_stepped.connect(
        lambda step: step.done == 4 and desk.find("image_layer").setCurrentText("other")
    )
    desk.press("track_both")
    desk.until(lambda: desk.finished == [False])
    assert not desk.widget.controller.is_running
    go_to(desk, "image")
    assert desk.labels.any(axis=(1, 2))[:4].all()
    np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())


def test_image_that_is_deleted_is_forgotten(desk: Desk, frames: np.ndarray) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.viewer.add_image(frames[:5], name="other")
    go_to(desk, "other")
    desk.viewer.layers.remove("image")
    go_to(desk, "other")
    desk.viewer.add_image(frames, name="image")
    go_to(desk, "image")
    assert desk.widget.session.prompts == ()
    assert len(desk.widget.controller.workspace.engines) == 2


def test_image_opened_while_the_model_loads(open_desk: Opener, frames: np.ndarray, checkpoint: Path) -> None:
    desk = open_desk(frames)
    desk.widget.panel.model_box.set_checkpoint(checkpoint)
    desk.viewer.add_image(frames[:5], name="other")
    go_to(desk, "other")
    assert desk.widget.session.stack.shape == (5, 48, 56)


@pytest.mark.parametrize("make", ["multiscale", "dask", "zarr"])
def test_images_that_are_not_plain_arrays(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path, tmp_path: Path, make: str
) -> None:
    image: Any = frames
    if make == "multiscale":
        image = [frames, frames[:, ::2, ::2]]
    elif make == "dask":
        image = dask.array.from_array(frames, chunks=(1, 48, 56))
    else:
        image = zarr.create_array(tmp_path / "frames.zarr", data=frames, chunks=(1, 48, 56))
    desk = open_desk(image, multiscale=make == "multiscale", contrast_limits=(0, 255), checkpoint=checkpoint)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    assert desk.labels.shape == frames.shape
    np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())
    assert desk.labels.any()


@pytest.mark.parametrize("rgb", [False, True])
def test_time_and_depth_track_along_either(open_desk: Opener, frames: np.ndarray, checkpoint: Path, rgb: bool) -> None:
    image = np.stack([frames[:6], frames[6:, ::-1], frames[:6, :, ::-1]])
    if rgb:
        image = np.stack([image, 255 - image, image], axis=-1)
    desk = open_desk(image, axis_labels=("t", "z", "y", "x"), rgb=rgb, checkpoint=checkpoint)
    for axis, n_frames, standing in (("t", 3, 2), ("z", 6, 1)):
        desk.find("axis").setCurrentText(axis)
        desk.viewer.dims.set_current_step(1 if axis == "t" else 0, standing)
        desk.until(lambda: desk.widget.session is not None)
        desk.settle()
        assert desk.widget.session.stack.n_frames == n_frames
        desk.press("new_object")
        desk.click_shown(20, 30)
        assert desk.track()
        place = (slice(None), standing) if axis == "t" else (standing,)
        np.testing.assert_array_equal(desk.labels[place], desk.widget.session.labels.to_array())
        assert desk.labels.shape == (3, 6, 48, 56)


def test_two_widgets_do_not_disturb_each_other(desk: Desk, checkpoint: Path) -> None:
    other = Sam2Widget(desk.viewer)
    desk.viewer.window.add_dock_widget(other, name="SAM 2 again")
    other.panel.model_box.set_checkpoint(checkpoint)
    desk.until(lambda: other.session is not None)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    labels = desk.labels.copy()
    other.panel.labels_layer.choose(None)
    desk.viewer.window.remove_dock_widget(other)
    desk.settle()
    np.testing.assert_array_equal(desk.labels, labels)
    desk.press("undo")
    desk.settle()
    assert not desk.labels[1:].any()
