"""Images of every kind: types, colours, scales, one frame, four axes, contrast limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_sam2 import Session, load_model
from napari_sam2.data.images.pixels.contrast import Window

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32", "rgb"])
def test_types_give_what_a_session_alone_gives(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path, kind: str
) -> None:
    if kind == "rgb":
        image = np.stack([frames, frames[:, ::-1], 255 - frames], axis=-1)
    else:
        image = (frames.astype(float) * {"uint8": 1, "uint16": 150, "int16": 100, "float32": 0.01}[kind]).astype(kind)
        image = image - image.dtype.type(500) if kind == "int16" else image
    desk = open_desk(image[:4], checkpoint=checkpoint)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    assert desk.labels.shape == (4, 48, 56)
    limits = None if kind == "rgb" else desk.widget.layers.image.contrast_limits
    alone = Session(load_model(checkpoint=checkpoint), image[:4], contrast_limits=limits)
    alone.add_points(0, 1, desk.widget.layers.points.data[:, 1:], [1])
    for _ in alone.propagate():
        pass
    np.testing.assert_array_equal(desk.labels, alone.labels.to_array())


def test_scaled_and_shifted_image(open_desk: Opener, frames: np.ndarray, checkpoint: Path) -> None:
    options = {"scale": (5, 0.5, 0.25), "translate": (10, -3, 8), "units": ("s", "um", "um")}
    desk = open_desk(frames, axis_labels=("t", "y", "x"), **options)
    desk.viewer.reset_view()
    desk.viewer.dims.set_current_step(0, 2)
    desk.load(checkpoint)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.press("new_shapes")
    for layer in (desk.widget.layers.points, desk.widget.layers.shapes, desk.widget.layers.labels):
        assert layer.ndim == 3
        np.testing.assert_allclose(layer.scale, options["scale"])
        np.testing.assert_allclose(layer.translate, options["translate"])
        assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]
        assert layer.axis_labels == ("t", "y", "x")
    (prompt,) = desk.widget.session.prompts
    assert prompt.frame == 2
    np.testing.assert_allclose(prompt.points, [[20, 30]], atol=1)
    desk.track()
    desk.widget.panel.score_plot.frame_clicked.emit(9)
    assert desk.viewer.dims.current_step[0] == 9
    assert desk.find("score_plot").cursor_frame == 9


def test_single_image_is_a_stack_of_one(open_desk: Opener, frames: np.ndarray, checkpoint: Path) -> None:
    desk = open_desk(frames[0], checkpoint=checkpoint)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.labels.shape == (48, 56)
    assert desk.labels.any()
    assert desk.track()
    assert len(desk.find("score_plot").scores) == 1


def test_four_axes_track_along_the_chosen_one_where_the_other_stands(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path
) -> None:
    image = np.stack([frames[:6], frames[6:, ::-1], frames[:6, :, ::-1]])
    desk = open_desk(image, axis_labels=("z", "t", "y", "x"), checkpoint=checkpoint)
    axis = desk.find("axis")
    assert axis.isVisibleTo(desk.widget)
    assert [axis.itemText(i) for i in range(axis.count())] == ["z", "t", "time and depth"]
    axis.setCurrentText("t")
    desk.viewer.dims.set_current_step(0, 1)
    desk.until(lambda: desk.widget.session is not None)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.widget.session.stack.shape == (6, 48, 56)
    assert desk.track()
    assert desk.labels.shape == image.shape
    assert desk.labels[1].any(axis=(1, 2)).sum() > 1
    assert not desk.labels[0].any()
    assert not desk.labels[2].any()
    # Back and forth: each place keeps its prompts and results.
    first = desk.widget.session
    desk.viewer.dims.set_current_step(0, 2)
    desk.until(lambda: desk.widget.session not in (None, first))
    assert desk.widget.session.prompts == ()
    desk.viewer.dims.set_current_step(0, 1)
    assert desk.widget.session is first
    axis.setCurrentText("z")
    desk.until(lambda: desk.widget.session not in (None, first))
    assert desk.widget.session.stack.shape == (3, 48, 56)
    assert desk.widget.session.stack.axis == "z"


def test_other_slider_moved_during_tracking(open_desk: Opener, frames: np.ndarray, checkpoint: Path) -> None:
    image = np.stack([frames, frames[:, ::-1]])
    desk = open_desk(image, axis_labels=("z", "t", "y", "x"), checkpoint=checkpoint)
    desk.find("axis").setCurrentText("t")
    desk.press("new_object")
    desk.click_shown(20, 30)
    session = desk.widget.session
    desk.press("track_both")
    desk.until(lambda: desk.widget.controller.results.table.get(3, 1) is not None)
    desk.viewer.dims.set_current_step(0, 1)
    desk.until(lambda: desk.widget.session not in (None, session))
    desk.settle()
    assert not desk.labels[1].any()
    desk.viewer.dims.set_current_step(0, 0)
    desk.until(lambda: desk.finished)
    desk.settle()
    assert desk.widget.session is session
    np.testing.assert_array_equal(desk.labels[0], session.labels.to_array())
    assert len(session.labels.frames_done) == 12


def test_contrast_limits_are_followed_until_there_is_a_prompt(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path
) -> None:
    desk = open_desk(frames.astype(np.uint16) * 10, contrast_limits=(0, 2000), checkpoint=checkpoint)
    assert desk.widget.session.encoder.window == Window(0, 2000)
    image, first = desk.widget.layers.image, desk.widget.session
    image.contrast_limits = (100, 1500)
    desk.until(lambda: desk.widget.session not in (None, first))
    assert desk.widget.session.encoder.window == Window(100, 1500)
    desk.press("new_object")
    desk.click_shown(20, 30)
    second = desk.widget.session
    image.contrast_limits = (0, 500)
    QTest.qWait(500)
    assert desk.widget.session is second
    assert desk.find("window_note").text() == "model sees 100 to 1500"
    desk.press("take_window")
    desk.until(lambda: desk.widget.session not in (None, second))
    desk.settle()
    assert desk.widget.session.encoder.window == Window(0, 500)
    assert len(desk.widget.session.prompts) == 1


def test_a_labels_layer_of_another_shape_is_not_offered(desk: Desk) -> None:
    desk.viewer.add_labels(np.zeros((3, 9, 9), int), name="small")
    desk.viewer.add_labels(np.zeros((12, 48, 56), int), name="fits")
    combo = desk.find("labels_layer")
    assert [combo.itemText(i) for i in range(combo.count())] == ["none", "fits"]
    # The open list has it, too, greyed and with the reason.
    combo.showPopup()
    desk.until(combo.view().isVisible)
    listed = [combo.model().item(i) for i in range(combo.count())]
    assert [(one.text(), one.isEnabled()) for one in listed] == [("none", True), ("fits", True), ("small", False)]
    assert "results cannot go into small" in listed[2].toolTip()
    QTest.keyClick(combo.view(), Qt.Key.Key_Down)
    QTest.keyClick(combo.view(), Qt.Key.Key_Down)
    QTest.keyClick(combo.view(), Qt.Key.Key_Return)
    desk.until(lambda: not combo.view().isVisible())
    assert [combo.itemText(i) for i in range(combo.count())] == ["none", "fits"]
    assert combo.currentText() in ("none", "fits")


def exported(desk: Desk, path: Path) -> tuple[int, ...]:
    """The shape of an export as NIfTI."""
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    desk.widget.files.exporting.write("nifti", path)
    desk.until(lambda: path.exists() and not desk.widget.files.exporting.is_running)
    return tuple(nibabel.load(path).shape)


def test_a_stack_without_a_name_asks_once_whether_it_is_time_or_depth(
    desk: Desk, frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    combo = desk.find("frames_are")
    assert combo.isVisibleTo(desk.widget)
    assert combo.currentText() == "time or depth?"
    n_frames, height, width = frames.shape
    # A script that does not answer gets slices, and is told so.
    assert exported(desk, tmp_path / "a.nii.gz") == (width, height, n_frames)
    assert any("time or depth" in record.message for record in notification_manager.records)
    # The menu asks before the file's name; the answer names the axis of the image and of what lies on it.
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_args, **_options: (str(tmp_path / "b.nii.gz"), ""))
    )
    choice = next(one for one in desk.widget.files.exporting.choices() if one.name == "nifti")
    desk.widget.files._export(choice)
    question = desk.widget.files._question
    next(button for button in question.buttons() if "Time" in button.text()).click()
    desk.until(lambda: (tmp_path / "b.nii.gz").exists() and not desk.widget.files.exporting.is_running)
    assert exported(desk, tmp_path / "c.nii.gz") == (width, height, 1, n_frames)
    assert {layer.axis_labels[0] for layer in desk.viewer.layers} == {"t"}
    assert combo.currentText() == "time"
    # It can be said otherwise.
    notification_manager.records.clear()
    combo.setCurrentIndex(combo.findData("z"))
    assert exported(desk, tmp_path / "d.nii.gz") == (width, height, n_frames)
    assert not any("time or depth" in record.message for record in notification_manager.records)
    assert desk.widget.session.prompts


def test_a_stack_that_names_its_axis_is_not_asked(open_desk: Callable[..., Desk], frames: np.ndarray) -> None:
    desk = open_desk(frames, axis_labels=("depth", "y", "x"))
    assert not desk.find("frames_are").isVisibleTo(desk.widget)
    assert desk.widget.controller.axis == "z"


def test_data_of_the_same_shape_are_tracked_anew_with_the_same_prompts(
    desk: Desk, frames: np.ndarray, checkpoint: Path
) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.widget.teaching.accept([0])
    before = desk.widget.session
    image = desk.viewer.layers["image"]
    image.data = np.ascontiguousarray(frames[:, ::-1, ::-1])
    desk.until(lambda: desk.widget.session not in (None, before))
    desk.settle()
    assert any("The data of image were replaced" in one.message for one in notification_manager.records)
    assert desk.widget.controller.results.is_outdated
    assert not desk.widget.controller.results.is_accepted(0)
    desk.track()
    alone = Session(load_model(checkpoint=checkpoint), image.data, contrast_limits=image.contrast_limits)
    ((_, y, x),) = desk.widget.layers.points.data
    alone.add_points(0, 1, [(y, x)], [1])
    for _ in alone.propagate():
        pass
    np.testing.assert_array_equal(desk.labels, alone.labels.to_array())


def test_data_of_another_shape_start_over(desk: Desk, frames: np.ndarray) -> None:
    desk.widget.images.set_region((4, 4, 40, 44))
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    old = desk.widget.layers.labels
    kept = old.data.copy()
    desk.viewer.layers["image"].data = frames[:6, :36]
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.stack.shape == (6, 36, 56))
    desk.settle()
    assert any("The data of image were replaced" in one.message for one in notification_manager.records)
    desk.track()
    assert desk.labels.shape == (6, 36, 56)
    assert desk.labels.any()
    np.testing.assert_array_equal(old.data, kept)
