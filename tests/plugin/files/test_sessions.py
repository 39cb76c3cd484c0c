"""Work in folders: saved as it goes, brought back in another window, gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager

from napari_sam2 import Session, load_model

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

    from conftest import Desk

Opener = Callable[..., "Desk"]


@pytest.fixture
def file(frames: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "data" / "cells.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    return path


@pytest.fixture
def readers(npe2pm: TestPluginManager) -> Iterator[None]:
    """Make napari able to open files, as it is outside of tests."""
    with npe2pm.tmp_plugin(package="napari"):
        yield


def notices() -> list[str]:
    return [record.message for record in notification_manager.records]


def save(desk: Desk, folder: Path) -> None:
    desk.widget.files.keeping.save(folder)
    desk.until(lambda: desk.widget.session.folder == folder.resolve(), "saving")
    desk.settle()


def open_session(desk: Desk, folder: Path) -> None:
    done: list[object] = []
    desk.widget.files.keeping.opened.connect(lambda *what: done.append(what))
    desk.widget.files.open(str(folder))
    desk.until(lambda: done, "the session")
    desk.settle()


def work(desk: Desk) -> None:
    """Click on an object twice, draw another as an ellipse, track some frames, and name the first."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.click_shown(26, 36)
    desk.press("new_object")
    corners = np.array([(0, 5, 5), (0, 5, 15), (0, 15, 15), (0, 15, 5)], float)
    desk.widget.layers.need_shapes().add(corners, shape_type="ellipse")
    desk.settle()
    desk.find("range_last").setValue(5)
    desk.track("track_range")
    desk.find("object_table").item(0, 1).setText("nucleus")
    desk.settle()


def close(desk: Desk) -> None:
    desk.viewer.window.remove_dock_widget("all")
    desk.until(lambda: desk.widget._closed)


def test_work_comes_back_in_another_window_and_goes_on(
    readers: None, open_desk: Opener, file: Path, checkpoint: Path, tmp_path: Path
) -> None:
    first = open_desk(None)
    first.viewer.open(str(file), plugin="napari")
    first.viewer.dims.set_point(0, 0)
    first.load(checkpoint)
    work(first)
    folder = tmp_path / "data" / "cells.napari-sam2"
    save(first, folder)
    assert first.find("session_folder").text() == "Saved as you work, in cells.napari-sam2"
    # What comes after saving is saved, too.
    first.viewer.dims.set_point(0, 3)
    first.widget.layers.select(1)
    first.widget.layers.points.add([3, 22, 33])
    first.settle()
    labels, points = first.labels.copy(), first.widget.layers.points.data.copy()
    close(first)

    second = open_desk(None)
    notification_manager.records.clear()
    open_session(second, folder)
    assert notices() == []
    layers, session = second.widget.layers, second.widget.session
    assert layers.image.name == "cells"
    assert session.folder == folder.resolve()
    assert second.find("model_status").text().startswith("Ready: small_for_tests")
    np.testing.assert_array_equal(second.labels, labels)
    np.testing.assert_array_equal(layers.points.data, points)
    assert layers.points.features["object"].tolist() == [1, 1, 1]
    assert list(layers.shapes.shape_type) == ["ellipse"]
    assert [second.find("object_table").item(row, 1).text() for row in (0, 1)] == ["nucleus", "object 2"]
    assert second.widget.controller.results.stale_frames() == first.widget.controller.results.stale_frames() == [4, 5]
    assert second.find("session_folder").text() == "Saved as you work, in cells.napari-sam2"

    # Nothing was prompted anew, and what is tracked from here is what a session alone would track.
    assert session.stale == first.widget.session.stale
    second.track("track_both")
    alone = Session.open(folder.rename(tmp_path / "data" / "copy.napari-sam2"))
    np.testing.assert_array_equal(alone.labels.to_array(), second.labels)
    for _ in first.widget.session.propagate(direction="outward"):
        pass
    np.testing.assert_array_equal(first.widget.session.labels.to_array(), second.labels)


def test_steps_taken_before_can_be_undone_and_done_again(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path, tmp_path: Path
) -> None:
    first = open_desk(frames, checkpoint=checkpoint)
    first.press("new_object")
    first.click_shown(20, 30)
    points = first.widget.layers.points
    points.data = points.data + np.array([0, 4, 4])
    first.settle()
    first.press("new_object")
    first.click_shown(40, 10)
    first.press("undo")
    first.settle()
    save(first, tmp_path / "a.napari-sam2")
    assert first.find("undo").toolTip().startswith("Undo change a prompt of object 1")
    assert first.find("redo").toolTip().startswith("Redo click on object 2")
    close(first)

    second = open_desk(frames)
    open_session(second, tmp_path / "a.napari-sam2")
    shown = second.labels.copy()
    np.testing.assert_allclose(second.widget.layers.points.data, [[0, 24, 34]], atol=0.2)
    second.press("redo")
    second.settle()
    assert len(second.widget.layers.points.data) == 2
    assert second.widget.session.object_ids == (1, 2)
    second.press("undo")
    second.settle()
    np.testing.assert_array_equal(second.labels, shown)
    second.press("undo")
    second.settle()
    np.testing.assert_allclose(second.widget.layers.points.data, [[0, 20, 30]], atol=0.2)
    ((y, x),) = second.widget.session.prompts[0].points
    np.testing.assert_allclose((y, x), (20, 30), atol=0.2)
    second.press("undo")
    second.settle()
    assert second.widget.session.prompts == ()
    assert not second.labels.any()
    assert not second.find("undo").isEnabled()


def test_run_that_was_cut_short_is_continued(
    open_desk: Opener, frames: np.ndarray, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cut.napari-sam2"
    session = Session(load_model(checkpoint=checkpoint), frames, folder=folder)
    session.add_points(0, 1, [(20, 30)], [1])
    for result in session.propagate():
        if result.frame == 4:
            break
    session.close()
    whole = Session(load_model(checkpoint=checkpoint), frames)
    whole.add_points(0, 1, [(20, 30)], [1])
    for _ in whole.propagate():
        pass

    desk = open_desk(frames)
    open_session(desk, folder)
    assert desk.find("track_status").text() == "7 frames are left of the last run: press Continue."
    before = len(desk.finished)
    desk.press("resume")
    desk.until(lambda: len(desk.finished) > before)
    np.testing.assert_array_equal(desk.labels, whole.labels.to_array())
    assert not desk.find("resume").isVisible()
    np.testing.assert_allclose(desk.widget.layers.points.data, [[0, 20, 30]])


def test_moved_image_is_asked_for(
    readers: None, open_desk: Opener, file: Path, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "s.napari-sam2"
    first = open_desk(None)
    first.viewer.open(str(file), plugin="napari")
    first.load(checkpoint)
    work(first)
    save(first, folder)
    labels = first.labels.copy()
    close(first)
    moved = file.rename(tmp_path / "moved.tif")
    tifffile.imwrite(tmp_path / "other.tif", tifffile.imread(moved)[::-1])

    second = open_desk(None)
    asked: list[tuple[Path, str]] = []
    second.widget.files.keeping.missing.disconnect()
    second.widget.files.keeping.missing.connect(lambda *what: asked.append(what))
    second.widget.files.open(str(folder))
    second.until(lambda: asked)
    assert asked == [(folder, str(file))]
    notification_manager.records.clear()
    files = second.widget.files
    files.keeping.open(folder, files._open_image(tmp_path / "other.tif", None), find=None)
    second.until(notices)
    assert notices() == [
        "SAM 2: This is not the image of the session s.napari-sam2: it has another size, or other pixels."
    ]
    done: list[object] = []
    files.keeping.opened.connect(lambda *what: done.append(what))
    files.keeping.open(folder, files._open_image(moved, None), find=None)
    second.until(lambda: done)
    second.settle()
    np.testing.assert_array_equal(second.labels, labels)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "session.json").write_text("{", encoding="utf-8"), "session.json is not valid JSON"),
        (lambda folder: (folder / "session.json").unlink(), "is no session folder: it has no session.json"),
        (
            lambda folder: (folder / "widget.json").write_text('{"image": 3}', encoding="utf-8"),
            "widget.json is damaged",
        ),
        (
            lambda folder: next(folder.glob("journal-*.jsonl")).write_text("x\n", encoding="utf-8"),
            "not all is as it was",
        ),
    ],
)
def test_damaged_folder_is_one_notice_in_clear_words(
    desk: Desk, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "s.napari-sam2"
    desk.press("new_object")
    desk.click_shown(20, 30)
    save(desk, folder)
    session = desk.widget.session
    desk.widget.controller.reopen()
    desk.until(lambda: desk.widget.session not in (None, session))
    desk.settle()
    spoil(folder)
    notification_manager.records.clear()
    desk.widget.files.open(str(folder))
    desk.until(notices)
    (text,) = notices()
    assert said in text


def test_what_the_widget_wrote_is_read_with_care(desk: Desk, tmp_path: Path) -> None:
    work(desk)
    save(desk, tmp_path / "s.napari-sam2")
    written = json.loads((tmp_path / "s.napari-sam2" / "widget.json").read_text(encoding="utf-8"))
    assert written["names"]["1"] == "nucleus"
    from napari_sam2.plugin.files.widget_state import WidgetState

    notes, problems = WidgetState.read(tmp_path / "s.napari-sam2")
    assert problems == []
    assert notes == desk.widget.files.keeping.notes()
    for key, value in (
        ("pending", [["Click", [[0, 0, {}]]]]),
        ("selected", -1),
        ("names", {"x": "y"}),
        ("image", {"shape": []}),
    ):
        (tmp_path / "s.napari-sam2" / "widget.json").write_text(json.dumps(written | {key: value}), encoding="utf-8")
        notes, problems = WidgetState.read(tmp_path / "s.napari-sam2")
        assert notes == WidgetState()
        assert len(problems) == 1
