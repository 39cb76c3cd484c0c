"""Which way up scans are shown, seen in what the window draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari import Viewer

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

    from conftest import Desk

# Each begins at the patient's right, front and head, on the axes of its planes.
AXIAL = [[-0.5, 0, 0, 60], [0, -0.75, 0, -40], [0, 0, 3, -100], [0, 0, 0, 1]]
SAGITTAL = [[0, 0, 2, 5], [-0.5, 0, 0, 3], [0, -0.75, 0, -4], [0, 0, 0, 1]]


def bright_corner(viewer: Viewer) -> tuple[str, str]:
    """Where the bright corner of the image is in the window."""
    viewer.reset_view()
    image = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
    centre = np.argwhere(image > 200).mean(axis=0) > np.array(image.shape) / 2
    return ("bottom" if centre[0] else "top"), ("right" if centre[1] else "left")


@pytest.fixture
def scan() -> np.ndarray:
    voxels_zyx = np.full((4, 48, 56), 60, np.int16)
    voxels_zyx[:, :16, :16] = 255
    return voxels_zyx


@pytest.mark.parametrize("flipped", [False, True], ids=["as scanned", "in reverse order"])
@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL], ids=["axial", "sagittal"])
def test_scans_are_shown_head_or_front_up(
    npe2pm: TestPluginManager,
    open_desk: Callable[..., Desk],
    scan: np.ndarray,
    tmp_path: Path,
    affine: Any,
    flipped: bool,
) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    if flipped:
        # The same voxels in reverse order along x and y, which the affine says.
        flip = np.diag([-1.0, -1, 1, 1])
        flip[[0, 1], 3] = scan.shape[2] - 1, scan.shape[1] - 1
        scan, affine = scan[:, ::-1, ::-1], affine @ flip
    nibabel.save(nibabel.Nifti1Image(scan.transpose(2, 1, 0), np.array(affine)), tmp_path / "scan.nii.gz")
    desk = open_desk(None)
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(package="napari-sam2"):
        desk.viewer.open(str(tmp_path / "scan.nii.gz"), plugin="napari-sam2")
    desk.until(lambda: desk.widget.layers.image is not None)
    assert bright_corner(desk.viewer) == ("top", "left")
    # A photograph is shown as ever.
    photo = desk.viewer.add_image(scan * 1.0)
    desk.widget.panel.image_layer.choose(photo)
    desk.until(lambda: desk.widget.layers.image is photo)
    assert desk.viewer.scene.camera.orientation2d == ("down", "right")


def test_the_user_s_orientation_stays(open_desk: Callable[..., Desk], frames: np.ndarray) -> None:
    desk = open_desk(frames)
    desk.viewer.scene.camera.orientation2d = ("up", "right")
    other = desk.viewer.add_image(frames[::-1].copy())
    desk.widget.panel.image_layer.choose(other)
    desk.until(lambda: desk.widget.layers.image is other)
    assert desk.viewer.scene.camera.orientation2d == ("up", "right")
