"""What napari opens with the plugin's readers: images it cannot open by itself, and session folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.plugins import _npe2

from napari_sam2 import Session
from napari_sam2.data import open_stack
from napari_sam2.data.labels.placed_results import place_labels
from napari_sam2.data.pictures.video_file import write_video
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.plugin.files.napari_reader import get_reader
from napari_sam2.plugin.layers.labels_layer import SCORES_KEY
from small_model import build_small, drifting_textures

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

PLUGIN = "napari-sam2"


@pytest.fixture
def viewer(npe2pm: TestPluginManager) -> Iterator[ViewerModel]:
    """A viewer without a window, with napari's own readers and the plugin's."""
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(package=PLUGIN):
        yield ViewerModel()


def test_video(viewer: ViewerModel, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    frames = np.random.default_rng(0).integers(0, 255, (7, 32, 48, 3)).astype(np.uint8)
    write_video(tmp_path / "film.mp4", frames, rate=25)
    (layer,) = viewer.open(tmp_path / "film.mp4", plugin=PLUGIN)
    assert (layer.rgb, layer.data.shape, layer.axis_labels) == (True, (7, 32, 48, 3), ("t", "y", "x"))
    assert layer.scale[0] == pytest.approx(0.04)
    with open_stack(tmp_path / "film.mp4") as stack:
        np.testing.assert_array_equal(layer.data[5], stack.read(5))
        np.testing.assert_array_equal(layer.data[1:4:2, 3, -5:], np.stack([stack.read(t)[3, -5:] for t in (1, 3)]))


def test_nifti(viewer: ViewerModel, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    volume = np.random.default_rng(0).integers(0, 999, (6, 5, 4)).astype(np.int16)
    image = nibabel.Nifti1Image(volume, np.diag([0.5, 0.75, 3.0, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "scan.nii.gz")
    (layer,) = viewer.open(tmp_path / "scan.nii.gz", plugin=PLUGIN)
    np.testing.assert_array_equal(np.asarray(layer.data), volume.T)
    assert (layer.axis_labels, tuple(layer.scale)) == (("z", "y", "x"), (3.0, 0.75, 0.5))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_folder_of_a_dicom_series(viewer: ViewerModel, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    from pydicom.data import get_testdata_file

    one = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    x, y, z = one.ImagePositionPatient
    for number in (2, 0, 1):
        one.ImagePositionPatient, one.InstanceNumber = [x, y, z + 4 * number], number + 1
        one.SOPInstanceUID = f"1.2.3.{number + 1}"
        one.save_as(tmp_path / f"{'bca'[number]}.dcm")
    (layer,) = viewer.open(tmp_path, plugin=PLUGIN)
    assert (layer.axis_labels, layer.data.shape, layer.scale[0]) == (("z", "y", "x"), (3, 128, 128), 4.0)
    assert np.asarray(layer.data[1]).min() < 0, "in Hounsfield units"


def test_folder_of_images(viewer: ViewerModel, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        tifffile.imwrite(tmp_path / f"frame{number}.tif", np.full((8, 9), number, np.uint8))
    (layer,) = viewer.open(tmp_path, plugin=PLUGIN)
    assert layer.data[:, 0, 0].tolist() == [1, 2, 10]


def test_what_napari_opens_is_left_to_it(viewer: ViewerModel, tmp_path: Path) -> None:
    for name in ("cells.tif", "cells.png", "cells.ome.tif", "cells.npy", "cells.zarr"):
        assert [*_npe2.get_readers(tmp_path / name)] == ["napari"]
    (tmp_path / "session.json").write_text(json.dumps({"format": "somebody else's"}), encoding="utf-8")
    assert get_reader(str(tmp_path / "session.json")) is None


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A saved session of a crop: a box, clicks and what was tracked."""
    sizes = {"axes": "TYX", "unit": "um", "finterval": 2.0}
    tifffile.imwrite(tmp_path / "cells.tif", drifting_textures(), imagej=True, resolution=(4, 2), metadata=sizes)
    stack = open_stack(tmp_path / "cells.tif").part(crop=(4, 8, 44, 50))
    session = Session(build_small(3, presence=0.5), stack, folder=tmp_path / "work.napari-sam2")
    session.add_prompt(Prompt(2, 1, box=(5, 5, 20, 22)))
    session.add_prompt(Prompt(3, 70000, points=[[30, 30], [8, 9]], labels=[1, 0]))
    for _ in session.propagate(max_frames=4):
        pass
    session.close()
    return session


@pytest.mark.parametrize("name", ["work.napari-sam2", "work.napari-sam2/session.json"])
def test_session(viewer: ViewerModel, session: Session, tmp_path: Path, name: str) -> None:
    image, labels, points, shapes = viewer.open(tmp_path / name, plugin=PLUGIN)
    np.testing.assert_array_equal(np.asarray(image.data), drifting_textures())
    placed = session.stack.geometry
    np.testing.assert_array_equal(labels.data, place_labels(session.labels, placed))
    assert labels.data.any()
    scores = labels.metadata[SCORES_KEY]
    assert len(scores) == len(session.scores)
    np.testing.assert_array_equal(points.data, [[3, 34, 38], [3, 12, 17]])
    assert points.features["prompt"].tolist() == ["positive", "negative"]
    np.testing.assert_array_equal(shapes.data[0][[0, 2]], [[2, 9, 13], [2, 24, 30]])
    for layer in (image, labels, points, shapes):
        assert tuple(layer.scale) == (2.0, 0.5, 0.25)


def test_a_session_whose_image_is_gone(viewer: ViewerModel, session: Session, tmp_path: Path) -> None:
    shutil.move(tmp_path / "work.napari-sam2", tmp_path / "elsewhere")
    (tmp_path / "cells.tif").unlink()
    with pytest.warns(UserWarning, match=r"cells\.tif.* is not there: prompts and results are shown without it"):
        layers = viewer.open(tmp_path / "elsewhere", plugin=PLUGIN)
    assert [type(layer).__name__ for layer in layers] == ["Labels", "Points", "Shapes"]


def test_a_damaged_session_is_told_and_the_rest_opened(viewer: ViewerModel, session: Session, tmp_path: Path) -> None:
    journal = next((tmp_path / "work.napari-sam2").glob("journal-*.jsonl"))
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-2], lines[-2][:40] + b"?" + lines[-2][41:], lines[-1]]))
    with pytest.warns(UserWarning, match="journal"):
        layers = viewer.open(tmp_path / "work.napari-sam2", plugin=PLUGIN)
    assert len(layers) == 4


def test_a_folder_that_only_calls_itself_a_session(viewer: ViewerModel, tmp_path: Path) -> None:
    folder = tmp_path / "odd.napari-sam2"
    folder.mkdir()
    (folder / "session.json").write_text(
        '{"format": "napari-sam2 session", "version": 1, "data": {"path": "/etc"}}', encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"odd.*damaged: data.axis: field required"):
        viewer.open(folder, plugin=PLUGIN)
