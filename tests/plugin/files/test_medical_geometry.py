"""The scanner's geometry, from the file to napari's layers and through Export and File > Save back to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2.data import open_stack

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

    from conftest import Desk

STRAIGHT = [[-0.5, 0, 0, 60], [0, -0.75, 0, -40], [0, 0, 3, -100], [0, 0, 0, 1]]
TILTED = [[-0.5, 0.02, 0, 60], [0.02, -0.7, 0.1, -40], [0, 0.1, 3, -100], [0, 0, 0, 1]]
SAGITTAL = [[0, 0, 2, 5], [-0.5, 0, 0, 3], [0, -0.75, 0, -4], [0, 0, 0, 1]]


@pytest.fixture
def opened(
    npe2pm: TestPluginManager, open_desk: Callable[..., Desk], checkpoint: Path
) -> Iterator[Callable[[Path], Desk]]:
    """Open a file through the plugin, in a viewer with the widget."""

    def make(path: Path) -> Desk:
        desk = open_desk(None)
        desk.viewer.open(str(path), plugin="napari-sam2")
        # The bundled model may be there first.
        desk.load(checkpoint)
        desk.settle()
        desk.until(lambda: desk.widget.session is not None)
        desk.viewer.dims.set_current_step(0, 0)
        return desk

    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(package="napari-sam2"):
        yield make


def write(path: Path, voxels_zyx: np.ndarray, affine: Any) -> Path:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    nibabel.save(nibabel.Nifti1Image(voxels_zyx.transpose(2, 1, 0).astype(np.int16), np.array(affine)), path)
    return path


def export(desk: Desk, name: str, path: Path) -> Path:
    said: list[Any] = []
    exporting = desk.widget.files.exporting
    exporting.wrote.connect(said.append)
    exporting.failed.connect(said.append)
    exporting.write(name, path)
    desk.until(lambda: said)
    assert path.exists(), said
    return path


@pytest.mark.parametrize("affine", [STRAIGHT, TILTED, SAGITTAL], ids=["straight", "tilted", "sagittal"])
def test_nifti_there_and_back(opened: Callable[[Path], Desk], frames: np.ndarray, tmp_path: Path, affine: Any) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    desk = opened(write(tmp_path / "scan.nii.gz", frames, affine))
    desk.widget.layers.need_points().add([[0, 20, 30]])
    desk.settle()
    labels = desk.widget.layers.labels
    written = export(desk, "nifti", tmp_path / "labels.nii.gz")
    desk.viewer.layers.selection = {labels}
    (saved,) = desk.viewer.layers.save(str(tmp_path / "saved.nii.gz"), selected=True)
    for path in (written, saved):
        image = nibabel.load(path)
        np.testing.assert_allclose(image.affine, affine, atol=1e-5)
        np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), labels.data)
        assert labels.data.any()


def test_the_scanner_s_world_is_napari_s(opened: Callable[[Path], Desk], frames: np.ndarray, tmp_path: Path) -> None:
    desk = opened(write(tmp_path / "scan.nii.gz", frames, STRAIGHT))
    layer = desk.viewer.layers[0]
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    np.testing.assert_allclose(layer.data_to_world((2, 5, 7)), (np.array(STRAIGHT) @ (7, 5, 2, 1))[2::-1], atol=1e-5)


@pytest.mark.parametrize("affine", [STRAIGHT, TILTED, SAGITTAL], ids=["straight", "tilted", "sagittal"])
def test_labels_that_run_the_other_way_are_taken_in_place(
    opened: Callable[[Path], Desk], frames: np.ndarray, tmp_path: Path, affine: Any
) -> None:
    desk = opened(write(tmp_path / "scan.nii.gz", frames, affine))
    mine = np.zeros(frames.shape, np.uint8)
    mine[0, 8:20, 30:50] = 5
    # The same voxels in reverse order along x and z, which the affine says.
    n_frames, _, width = frames.shape
    flip = np.diag([-1.0, 1, -1, 1])
    flip[[0, 2], 3] = width - 1, n_frames - 1
    desk.viewer.open(
        str(write(tmp_path / "mine.nii.gz", mine[::-1, :, ::-1], affine @ flip)),
        plugin="napari-sam2",
        layer_type="labels",
    )
    desk.widget.panel.source_labels.choose(desk.viewer.layers["mine"])
    desk.press("take_labels")
    desk.settle()
    (prompt,) = desk.widget.session.prompts
    np.testing.assert_array_equal(prompt.mask, mine[0] > 0)


def test_dicom_there_and_back(opened: Callable[[Path], Desk], tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    from pydicom.data import get_testdata_file

    one = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    x, y, z = one.ImagePositionPatient
    (tmp_path / "ct").mkdir()
    for number in range(3):
        one.ImagePositionPatient, one.InstanceNumber = [x, y, z + 4 * number], number + 1
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        one.save_as(tmp_path / "ct" / f"{number}.dcm")
    with open_stack(tmp_path / "ct") as stack:
        affine = stack.geometry.affine
    desk = opened(tmp_path / "ct")
    desk.widget.layers.need_points().add([[1, 64, 64]])
    desk.settle()
    reasons = {choice.name: choice.reason for choice in desk.widget.files.exporting.choices()}
    assert reasons["dicom-seg"] == ""
    np.testing.assert_allclose(nibabel.load(export(desk, "nifti", tmp_path / "l.nii.gz")).affine, affine, atol=1e-5)
    found = highdicom.seg.segread(export(desk, "dicom-seg", tmp_path / "l.dcm"))
    volume = found.get_volume(combine_segments=True)
    spot = np.argwhere(np.asarray(desk.widget.layers.labels.data))[0]
    place = (np.array(affine) @ (*spot[::-1], 1))[:3] * (-1, -1, 1)
    index = np.rint(volume.map_reference_to_indices(place[None])[0]).astype(int)
    assert volume.array[tuple(index)] == 1
