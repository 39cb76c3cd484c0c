"""Volumes over time in the widget: an object is followed through time and depth with one id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]
SHAPE = (3, 4, 40, 48)


@pytest.fixture
def volumes(frames: np.ndarray) -> np.ndarray:
    """(T, Z, Y, X)."""
    return frames[:, :40, :48].reshape(SHAPE).copy()


def begin(open_desk: Opener, volumes: np.ndarray, checkpoint: Path) -> Desk:
    desk = open_desk(volumes, axis_labels=("t", "z", "y", "x"), scale=(1, 2, 0.5, 0.5), checkpoint=checkpoint)
    desk.find("axis").setCurrentText("time and depth")
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.stack.n_planes == 4, "the session")
    desk.settle()
    return desk


@pytest.fixture
def desk(open_desk: Opener, volumes: np.ndarray, checkpoint: Path) -> Desk:
    return begin(open_desk, volumes, checkpoint)


def prompted(desk: Desk) -> Desk:
    """Click on the third plane of the second volume."""
    desk.viewer.dims.set_point((0, 1), (1, 4))
    desk.press("new_object")
    desk.click_shown(20, 24)
    return desk


def test_one_click_is_followed_through_time_and_depth(desk: Desk) -> None:
    combo = desk.find("axis")
    assert [combo.itemText(i) for i in range(combo.count())] == ["t", "z", "time and depth"]
    prompted(desk)
    (prompt,) = desk.widget.session.prompts
    assert divmod(prompt.frame, 4) == (1, 2)
    answer = desk.labels.copy()
    assert set(np.argwhere(answer)[:, 0]) == {1}
    assert desk.track()
    assert desk.labels.shape == SHAPE
    np.testing.assert_array_equal(desk.labels.reshape(-1, 40, 48), desk.widget.session.labels.to_array())
    known = {divmod(row.frame, 4) for row in desk.widget.session.outputs.scores}
    assert {t for t, _ in known} == {0, 1, 2}
    assert desk.find("status_line").text().endswith("Tracked. J: next doubtful frame.")
    # Results are told by time and plane.
    table = desk.widget.panel.frame_table
    desk.widget.panel.sections["Frames"].unfold()
    desk.until(lambda: len(table.rows) == len(known))
    model = table.view.model()
    assert model.data(model.index(0, 0)) == "0 · 0"
    desk.widget.view.catch_up()
    scores = desk.widget.layers.labels.metadata["object_scores"]
    assert set(zip(scores["t"], scores["z"], strict=True)) == known
    # Going to a frame moves both sliders.
    desk.widget.panel.score_plot.frame_clicked.emit(11)
    assert tuple(desk.viewer.dims.current_step[:2]) == (2, 3)
    assert desk.widget.layers.frame == 11
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, answer)
    desk.press("redo")
    desk.settle()
    assert set(np.argwhere(desk.labels)[:, 0]) > {1}


def test_a_run_is_left_and_continued_and_a_correction_updates_later_volumes(desk: Desk) -> None:
    prompted(desk)
    desk.widget.controller.tracking_stepped.connect(lambda step: step.done == 5 and desk.press("cancel"))
    assert not desk.track()
    line = desk.find("status_line")
    desk.until(lambda: line.text().startswith("Stopped after t "), line.text())
    assert "of 12): Continue." in line.text()
    desk.widget.controller.tracking_stepped.disconnect()
    desk.widget.controller.tracking_stepped.connect(desk.widget.track_actions._stepped)
    assert desk.track("resume")
    first = desk.labels[0].copy()
    desk.viewer.dims.set_point((0, 1), (2, 2))
    desk.click_shown(30, 12)
    assert "3 frames out of date: Update (U)" in line.text()
    assert desk.track("update")
    assert not desk.widget.controller.results.stale_frames()
    np.testing.assert_array_equal(desk.labels[0], first)


def test_what_means_nothing_here_is_grey_and_says_why(desk: Desk) -> None:
    prompted(desk)
    for name in ("track_forward", "track_backward", "track_range", "draw_region"):
        button = desk.find(name)
        assert not button.isEnabled(), name
        assert button.toolTip().startswith("Through time and depth"), name
    assert desk.find("find_new").isHidden()
    desk.widget.act("track_forward")
    assert "all volumes are tracked" in desk.find("status_line").text()
    assert not desk.widget.controller.is_running
    desk.find("axis").setCurrentText("t")
    desk.until(lambda: desk.find("track_forward").isEnabled())


def test_strokes_count_on_their_plane(desk: Desk) -> None:
    desk.viewer.dims.set_point((0, 1), (2, 2))
    desk.press("new_object")
    desk.press("tool_paint")
    desk.widget.layers.labels.brush_size = 3
    desk.drag((8, 8), (12, 20))
    desk.settle()
    (prompt,) = desk.widget.session.prompts
    assert divmod(prompt.frame, 4) == (2, 1)
    np.testing.assert_array_equal(prompt.mask, desk.labels[2, 1] > 0)


def test_objects_end_with_a_volume(desk: Desk) -> None:
    prompted(desk)
    assert desk.track()
    desk.viewer.dims.set_point((0, 1), (2, 4))
    desk.widget.menu.do("ends_here", [1])
    desk.settle()
    assert not desk.labels[2].any()
    assert desk.labels[1].any()
    desk.widget.menu.do("split", [1])
    assert "nothing is split" in desk.find("status_line").text()


def test_exports_have_time_and_depth(desk: Desk, tmp_path: Path) -> None:
    prompted(desk)
    desk.track()
    exporting = desk.widget.files.exporting
    reasons = {choice.name: choice.reason for choice in exporting.choices()}
    assert reasons["nifti"] == reasons["ctc"] == "it cannot hold volumes over time"
    assert "about one volume" in reasons["prompts"]
    for name, file in (("ome-tiff", "labels.ome.tif"), ("csv", "scores.csv"), ("ome-zarr", "labels.ome.zarr")):
        assert not reasons[name]
        exporting.write(name, tmp_path / file)
        desk.until(lambda: not exporting.is_running, name)
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as file:
        assert file.series[0].axes == "TZYX"
        np.testing.assert_array_equal(file.asarray(), desk.labels)
        assert 'PhysicalSizeZ="2.0"' in (file.ome_metadata or "")
    header, *rows = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("t,z,object")
    assert len(rows) == len({tuple(row.split(",")[:2]) for row in rows})
    found: list[np.ndarray] = []
    exporting.add_tracks(lambda centres, material: found.append(centres))
    desk.until(lambda: found, "the centres")
    assert found[0].shape[1] == 5


def test_a_saved_session_is_brought_back(open_desk: Opener, desk: Desk, volumes: np.ndarray, tmp_path: Path) -> None:
    prompted(desk)
    desk.track()
    labels, folder = desk.labels.copy(), tmp_path / "embryo.napari-sam2"
    desk.widget.files.keeping.save(folder)
    desk.until(lambda: desk.widget.session.folder == folder.resolve(), "saving")
    desk.settle()
    desk.viewer.window.remove_dock_widget("all")
    other = open_desk(volumes, axis_labels=("t", "z", "y", "x"))
    other.until(lambda: other.widget.session is not None)
    other.widget.files.open(str(folder))
    other.until(lambda: other.widget.session is not None and other.widget.session.folder is not None, "opening")
    other.settle()
    assert other.find("axis").currentText() == "time and depth"
    assert tuple(other.viewer.dims.current_step[:2]) == (1, 2)
    np.testing.assert_array_equal(other.labels, labels)
    assert len(other.widget.layers.points.data) == 1
    QTest.qWait(20)


def test_prompts_given_along_time_count_through_both(open_desk: Opener, volumes: np.ndarray, checkpoint: Path) -> None:
    desk = open_desk(volumes, checkpoint=checkpoint)
    combo = desk.find("axis")
    assert combo.itemText(2) == "axis 0 (time) and axis 1 (depth)"
    desk.viewer.dims.set_point((0, 1), (0, 3))
    desk.press("new_object")
    desk.click_shown(20, 24)
    combo.setCurrentIndex(2)
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.stack.n_planes == 4, "the session")
    desk.settle()
    assert [prompt.frame for prompt in desk.widget.session.prompts] == [3]
    combo.setCurrentIndex(0)
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.stack.n_planes is None, "the session")
    desk.settle()
    assert len(desk.widget.layers.points.data) == 1
    assert len(desk.widget.session.prompts) == 1
