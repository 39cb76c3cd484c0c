"""Files for other programs, from the Export button."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Tracks
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import Qt

from napari_sam2.data import open_stack
from napari_sam2.data.formats import FORMATS
from napari_sam2.data.formats.tiff_and_tables import read_scores_csv
from napari_sam2.data.prompts.prompt import read_prompts
from napari_sam2.plugin.files import exporter as exports
from napari_sam2.plugin.files.napari_writer import write_imagej_tiff

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def tracked(open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path) -> Desk:
    """An object tracked in an image with pixel sizes, under a name."""
    micron = {"units": ("second", "um", "um"), "scale": (2, 0.5, 0.25), "axis_labels": ("t", "y", "x")}
    made = open_desk(frames, **micron, checkpoint=checkpoint)
    made.press("new_object")
    made.click_shown(20, 30)
    made.track()
    made.find("object_table").item(0, 1).setText("nucleus")
    made.settle()
    return made


def write(desk: Desk, name: str, path: Path) -> None:
    desk.widget.files.exporting.write(name, path)
    desk.until(lambda: not desk.widget.files.exporting.is_running, name)


def actions(desk: Desk) -> dict[str, tuple[bool, str]]:
    box = desk.widget.panel.files_box
    box.formats.aboutToShow.emit()
    return {one.objectName().removeprefix("export_"): (one.isEnabled(), one.toolTip()) for one in box.formats.actions()}


def test_every_format_is_offered_or_says_why_not(tracked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None if name == "nibabel" else object())
    offered = actions(tracked)
    assert set(offered) == {*FORMATS, "prompts", "tracks-layer"}
    assert {name for name, (enabled, _) in offered.items() if not enabled} == {"nifti", "dicom-seg", "nnunet"}
    assert 'pip install "napari-sam2[medical]"' in offered["nifti"][1]
    assert "DICOM" in offered["dicom-seg"][1]
    assert "names, scores" in offered["tiff"][1]


def test_nothing_can_be_written_before_there_is_a_result(desk: Desk) -> None:
    assert not any(enabled for enabled, _ in actions(desk).values())


def test_formats_hold_labels_scores_sizes_names_and_prompts(tracked: Desk, tmp_path: Path) -> None:
    for name, file in (("tiff", "a.tif"), ("csv", "a.csv"), ("prompts", "a.json"), ("ctc", "ctc"), ("coco", "c.json")):
        write(tracked, name, tmp_path / file)
    stack = open_stack(tmp_path / "a.tif")
    np.testing.assert_array_equal([stack.read(t) for t in range(12)], tracked.labels)
    assert (stack.pixel_size, stack.unit, stack.step, stack.step_unit) == ((0.5, 0.25), "um", 2, "s")
    stack.close()
    assert len(read_scores_csv(tmp_path / "a.csv")) == 12
    (prompt,) = read_prompts(tmp_path / "a.json")
    np.testing.assert_allclose(prompt.points, tracked.widget.session.prompts[0].points)
    assert "nucleus" in (tmp_path / "ctc" / "objects.csv").read_text(encoding="utf-8")
    assert "nucleus" in (tmp_path / "c.json").read_text(encoding="utf-8")


def test_export_shows_the_frame_it_is_at_and_gives_way_to_nothing(tracked: Desk, tmp_path: Path) -> None:
    shown: list[tuple[str, int, int]] = []
    tracked.widget.files.exporting.progressed.connect(lambda *said: shown.append(said))
    tracked.widget.files.exporting.write("gif", tmp_path / "a.gif")
    assert not tracked.find("export").isEnabled()
    assert tracked.find("export_progress").isVisible()
    tracked.until(lambda: not tracked.widget.files.exporting.is_running)
    assert {frame for name, frame, n_frames in shown if (name, n_frames) == ("a.gif", 12)} == set(range(1, 13))
    assert tracked.find("export").isEnabled()
    assert not tracked.find("export_progress").isVisible()


def test_a_cancelled_export_leaves_the_older_file_and_nothing_else(tracked: Desk, tmp_path: Path) -> None:
    exporting, shown = tracked.widget.files.exporting, []

    def cancel(name: str, frame: int, _n_frames: int) -> None:
        # On the writer's thread, in the middle: every frame is read once for the copy, then for most files.
        shown.append(frame)
        if len(shown) == 6 + 12 * (name != "scores.csv"):
            exporting.cancel()

    for one in FORMATS.values():
        if one.name in ("dicom-seg", "nifti"):
            continue
        folder = tmp_path / "exports" / one.name
        write(tracked, one.name, folder / one.filename)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        notification_manager.records.clear()
        shown.clear()
        exporting.progressed.connect(cancel, Qt.ConnectionType.DirectConnection)
        write(tracked, one.name, folder / one.filename)
        exporting.progressed.disconnect(cancel)
        (record,) = notification_manager.records
        assert "cancelled" in record.message, one.name
        assert record.severity == NotificationSeverity.INFO
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, one.name
    assert tracked.find("export").isEnabled()
    write(tracked, "tiff", tmp_path / "exports" / "tiff" / "labels.tif")
    assert "Written" in notification_manager.records[-1].message


def test_the_cancel_button_shows_while_something_is_written(tracked: Desk, tmp_path: Path) -> None:
    assert not tracked.find("cancel_export").isVisible()
    tracked.widget.files.exporting.write("tiff", tmp_path / "a.tif")
    assert tracked.find("cancel_export").isVisible()
    tracked.press("cancel_export")
    tracked.until(lambda: not tracked.widget.files.exporting.is_running)
    assert not tracked.find("cancel_export").isVisible()


def test_failure_is_one_notification_and_leaves_nothing(tracked: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    notification_manager.records.clear()
    write(tracked, "tiff", tmp_path / "file" / "labels.tif")
    (record,) = notification_manager.records
    assert str(tmp_path / "file") in record.message
    assert str(tmp_path / "file") in tracked.find("status_line").text()
    assert tracked.find("export").isEnabled()


def test_centres_become_a_tracks_layer_on_the_image(tracked: Desk) -> None:
    tracked.widget.files.exporting.add_tracks(tracked.widget.files._add_tracks)
    tracked.until(lambda: any(isinstance(layer, Tracks) for layer in tracked.viewer.layers))
    layer = tracked.viewer.layers["image: tracks"]
    assert isinstance(layer, Tracks)
    rows, columns = np.nonzero(tracked.labels[5])
    (here,) = layer.data[layer.data[:, 1] == 5]
    np.testing.assert_allclose(here, (1, 5, rows.mean(), columns.mean()))
    np.testing.assert_allclose(layer.scale, (2, 0.5, 0.25))


def test_results_that_are_out_of_date_are_told_before_and_after(tracked: Desk, tmp_path: Path) -> None:
    said: list[str] = []
    tracked.widget.files.exporting.wrote.connect(said.append)
    assert "caution" not in actions(tracked)
    write(tracked, "tiff", tmp_path / "a.tif")
    assert said == [f"Written to {tmp_path / 'a.tif'}"]
    tracked.viewer.dims.set_current_step(0, 6)
    tracked.click_shown(30, 12)
    assert tracked.find("status_line").text().endswith("5 frames out of date: Update (U).")
    assert actions(tracked)["caution"][0] is False
    (first, *_) = tracked.widget.panel.files_box.formats.actions()
    assert first.text() == "5 frames out of date: Update (U) first"
    write(tracked, "tiff", tmp_path / "b.tif")
    assert said[1] == f"Written to {tmp_path / 'b.tif'}. 5 frames out of date: Update (U), then export again"
    # napari's own way to save the layer says so, too.
    tracked.widget.view.catch_up()
    layer = tracked.widget.layers.labels
    with pytest.warns(UserWarning, match="c.labels.tif: 5 frames out of date: update, then export again"):
        write_imagej_tiff(str(tmp_path / "c.labels.tif"), layer.data, layer.as_layer_data_tuple()[1])
    assert tracked.track("update")
    assert "caution" not in actions(tracked)
    write(tracked, "tiff", tmp_path / "a.tif")
    assert said[2] == said[0]


def test_a_file_that_is_written_from_a_run_that_was_stopped_says_so(tracked: Desk, tmp_path: Path) -> None:
    said: list[str] = []
    tracked.widget.files.exporting.wrote.connect(said.append)
    tracked.widget.controller.tracking_stepped.connect(lambda step: step.done == 4 and tracked.press("cancel"))
    assert not tracked.track()
    write(tracked, "tiff", tmp_path / "a.tif")
    assert said[0].endswith("a.tif. Tracking was stopped: Continue, then export again")
