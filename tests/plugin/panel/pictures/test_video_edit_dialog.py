"""Videos without their background, from the Export button to the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFileDialog
from superqt.utils import qimage_to_array

from napari_sam2.plugin.panel.pictures.video_edit_dialog import VideoEditDialog

if TYPE_CHECKING:
    from conftest import Desk

av = pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture
def painted(open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path) -> Desk:
    made = open_desk(frames, checkpoint=checkpoint)
    made.press("new_object")
    made.click_shown(20, 30)
    made.track()
    return made


def open_edit(desk: Desk, name: str) -> VideoEditDialog:
    box = desk.widget.panel.files_box
    box.formats.aboutToShow.emit()
    (action,) = [one for one in box.formats.actions() if one.objectName() == f"export_{name}"]
    action.trigger()
    dialog = desk.widget.files.video_edit
    assert dialog is not None
    assert dialog.isVisible()
    return dialog


def seen(dialog: VideoEditDialog) -> np.ndarray:
    """(Y, X, 3) of the preview."""
    return qimage_to_array(dialog.preview.pixmap().toImage())[..., :3]


def test_the_preview_shows_each_background_and_follows_the_slider(painted: Desk) -> None:
    inside = painted.labels[painted.viewer.dims.current_step[0]] > 0
    assert 0 < inside.mean() < 1
    dialog = open_edit(painted, "cutout-mp4")
    dialog.set_colour(QColor(255, 0, 255))
    share = (seen(dialog) == (255, 0, 255)).all(axis=-1).mean()
    assert share == pytest.approx(1 - inside.mean(), abs=0.02)
    assert dialog.colour.isVisible()
    assert not dialog.blur.isVisible()

    dialog.choose("blur-mp4")
    assert dialog.blur.isVisible()
    dialog.blur.setValue(dialog.blur.minimum())
    little = seen(dialog).astype(int)
    dialog.blur.setValue(dialog.blur.maximum())
    much = seen(dialog).astype(int)
    assert np.abs(little - much).max() > 5

    dialog.choose("cutout-mp4")
    for frame in (7, 2, 11):
        painted.viewer.dims.set_current_step(0, frame)
        share = (seen(dialog) == (255, 0, 255)).all(axis=-1).mean()
        assert share == pytest.approx((painted.labels[frame] == 0).mean(), abs=0.02)
    dialog.close()
    painted.viewer.dims.set_current_step(0, 3)


def test_what_is_chosen_is_written(painted: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "flat.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_args, **_options: (str(path), "")))
    dialog = open_edit(painted, "cutout")
    dialog.choose("cutout-mp4")
    dialog.set_colour(QColor(255, 0, 255))
    dialog.export.click()
    painted.until(lambda: path.exists() and not painted.widget.files.exporting.is_running, "the video")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    for frame, labels in zip(frames, painted.labels, strict=True):
        near = (np.abs(frame[: labels.shape[0], : labels.shape[1]] - (255, 0, 255)) < 40).all(axis=-1)
        # Videos share colours between neighbours.
        assert near[labels > 0].mean() < 0.2
        assert near[labels == 0].mean() > 0.6
