"""A volume tracked along each of its axes: the view turns, clicks count in it, and results lie as the image does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtTest import QTest

from napari_sam2 import Session, load_model
from napari_sam2.data.images.stack import Stack

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]


@pytest.fixture
def volume(frames: np.ndarray) -> np.ndarray:
    """(Z, Y, X), no two axes of one size."""
    return np.concatenate([frames, frames[::-1]])[:, 10:26, 10:42].copy()


@pytest.fixture
def turned(open_desk: Opener, volume: np.ndarray, checkpoint: Path) -> Desk:
    """A desk on which the volume is tracked along Y."""
    desk = open_desk(volume, axis_labels=("z", "y", "x"), scale=(2, 1, 1), checkpoint=checkpoint)
    choose(desk, "y")
    return desk


def choose(desk: Desk, axis: str) -> None:
    desk.find("axis").setCurrentText(axis)
    desk.until(lambda: desk.widget.session is not None, "the session")
    desk.settle()
    desk.viewer.reset_view()
    QTest.qWait(20)


@pytest.mark.parametrize("axis", ["y", "x"])
def test_results_are_those_of_a_session_on_the_turned_stack(
    open_desk: Opener, volume: np.ndarray, checkpoint: Path, axis: str
) -> None:
    desk = open_desk(volume, axis_labels=("z", "y", "x"), checkpoint=checkpoint)
    combo = desk.find("axis")
    assert [combo.itemText(i) for i in range(combo.count())] == ["z", "y", "x"]
    choose(desk, axis)
    at = "zyx".index(axis)
    rest = [i for i in range(3) if i != at]
    assert list(desk.viewer.dims.displayed) == rest
    desk.viewer.dims.set_point(at, 7)
    desk.press("new_object")
    desk.click_shown(12, 10)
    assert desk.track()
    session = desk.widget.session
    (prompt,) = session.prompts
    assert prompt.frame == 7
    np.testing.assert_allclose(prompt.points, [[12, 10]], atol=1)
    stack = Stack.from_array(np.moveaxis(volume, at, 0), "z")
    limits = desk.widget.layers.image.contrast_limits
    alone = Session(load_model(checkpoint=checkpoint), stack, contrast_limits=limits)
    alone.add_points(7, 1, prompt.points, [1])
    for _ in alone.propagate(direction="outward"):
        pass
    assert desk.labels.shape == volume.shape
    np.testing.assert_array_equal(np.moveaxis(desk.labels, at, 0), alone.labels.to_array())
    desk.widget.panel.score_plot.frame_clicked.emit(9)
    assert desk.viewer.dims.current_step[at] == 9


def test_each_axis_keeps_its_prompts_results_and_layers(turned: Desk) -> None:
    desk, layers = turned, turned.widget.layers
    desk.press("new_object")
    desk.click_shown(12, 10)
    desk.track()
    along_y, across, clicks = desk.widget.session, layers.labels, layers.points
    assert across.name == "image: objects along y"
    kept = across.data.copy()
    choose(desk, "z")
    assert tuple(desk.viewer.dims.displayed) == (1, 2)
    assert desk.widget.session is not along_y
    assert not desk.widget.session.prompts
    assert not across.visible
    assert not clicks.visible
    desk.press("new_object")
    desk.click_shown(8, 20)
    desk.track()
    assert layers.labels is not across
    assert layers.labels.name == "image: objects"
    np.testing.assert_array_equal(across.data, kept)
    choose(desk, "y")
    assert desk.widget.session is along_y
    assert layers.labels is across
    assert layers.points is clicks
    assert across.visible
    np.testing.assert_array_equal(across.data, kept)
    assert len(along_y.prompts) == 1


def test_the_line_says_so_where_the_view_shows_other_planes(turned: Desk) -> None:
    desk = turned
    desk.viewer.dims.order = (0, 1, 2)
    desk.until(lambda: "The view shows y and x, and frames are z and x" in desk.find("status_line").text())
    desk.press("new_object")
    desk.click(12, 10)
    desk.settle()
    assert any("Frames are planes of z and x" in one.message for one in notification_manager.records)
    # The axis chosen once more turns the view back.
    desk.find("axis").activated.emit(1)
    assert tuple(desk.viewer.dims.displayed) == (0, 2)
    desk.until(lambda: "The view shows" not in desk.find("status_line").text())
    assert not desk.find("draw_region").isEnabled()
    # What is no volume any more is tracked along time.
    desk.widget.layers.image.axis_labels = ("t", "y", "x")
    assert desk.widget.layers.space.layer_axis == 0
    assert tuple(desk.viewer.dims.displayed) == (1, 2)
    desk.until(lambda: desk.find("draw_region").isEnabled())


def test_strokes_boxes_and_undo_in_the_turned_view(turned: Desk) -> None:
    desk = turned
    desk.viewer.dims.set_point(1, 5)
    desk.press("new_object")
    desk.press("tool_box")
    desk.drag((6, 8), (18, 24))
    desk.until(lambda: desk.previews)
    (prompt,) = desk.widget.session.prompts
    assert prompt.frame == 5
    np.testing.assert_allclose(prompt.box, (6, 8, 18, 24), atol=1)
    desk.press("tool_paint")
    desk.widget.layers.labels.brush_size = 3
    before = desk.labels.copy()
    desk.drag((2, 4), (4, 8))
    desk.settle()
    drawn = np.argwhere(desk.labels != before)
    assert {5} == set(drawn[:, 1])
    (painted,) = desk.widget.session.prompts
    assert painted.mask is not None
    assert painted.mask[3, 6]
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, before)


def test_exports_lie_as_the_image_does(turned: Desk, volume: np.ndarray, tmp_path: Path) -> None:
    desk = turned
    desk.press("new_object")
    desk.click_shown(12, 10)
    desk.track()
    exporting = desk.widget.files.exporting
    reasons = {choice.name: choice.reason for choice in exporting.choices()}
    assert "across" in reasons["prompts"]
    assert not reasons["tiff"]
    for name, file in (("tiff", "labels.tif"), ("csv", "scores.csv")):
        exporting.write(name, tmp_path / file)
        desk.until(lambda: not exporting.is_running, name)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), desk.labels)
    # The table counts the frames that were tracked.
    rows = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + volume.shape[1]
    found: list[np.ndarray] = []
    exporting.add_tracks(lambda centres, material: found.append(centres))
    desk.until(lambda: found, "the centres")


def test_a_saved_session_is_brought_back_along_its_axis(
    turned: Desk, open_desk: Opener, volume: np.ndarray, tmp_path: Path
) -> None:
    desk = turned
    desk.viewer.dims.set_point(1, 5)
    desk.press("new_object")
    desk.click_shown(12, 10)
    desk.track()
    labels, folder = desk.labels.copy(), tmp_path / "plant.napari-sam2"
    desk.widget.files.keeping.save(folder)
    desk.until(lambda: desk.widget.session.folder == folder.resolve(), "saving")
    desk.settle()
    desk.viewer.window.remove_dock_widget("all")
    other = open_desk(volume, axis_labels=("z", "y", "x"))
    other.until(lambda: other.widget.session is not None)
    other.widget.files.open(str(folder))
    other.until(lambda: other.widget.session is not None and other.widget.session.folder is not None, "opening")
    other.settle()
    assert other.find("axis").currentText() == "y"
    assert tuple(other.viewer.dims.displayed) == (0, 2)
    assert other.viewer.dims.current_step[1] == 5
    np.testing.assert_array_equal(other.labels, labels)
    assert len(other.widget.layers.points.data) == 1
