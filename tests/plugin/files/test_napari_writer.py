"""Saving a labels layer in napari, read back by the libraries that users read it with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import plugin_manager
from PIL import Image

from napari_sam2.data import ScoreRow, ScoreTable, open_stack
from napari_sam2.data.readers.open_stack import open_volumes
from napari_sam2.plugin.files.napari_writer import SavingError
from napari_sam2.plugin.layers.labels_layer import SCORES_KEY

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager


@pytest.fixture
def viewer(npe2pm: TestPluginManager) -> Iterator[ViewerModel]:
    """A viewer without a window, with napari's own writers and the plugin's."""
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(package="napari-sam2"):
        yield ViewerModel()


def label_array(*leading: int) -> np.ndarray:
    labels = np.zeros((*leading, 24, 30), np.uint16)
    labels[..., 4:12, 6:20] = 3
    labels[0, ..., 15:20, 22:28] = 500
    return labels


@pytest.fixture
def labels(viewer: ViewerModel) -> np.ndarray:
    """Labels over time with sizes, names and scores, as the widget leaves them."""
    array = label_array(4)
    table = ScoreTable(ScoreRow.from_mask(t, 3, scores=(0.75, 0.5), mask=array[t] == 3) for t in range(4))
    viewer.add_labels(
        array,
        scale=(2.0, 0.5, 0.25),
        units=("s", "um", "um"),
        axis_labels=("t", "y", "x"),
        features=pd.DataFrame({"index": [0, 3, 500], "name": ["background", "mother", "bud"]}),
        metadata={SCORES_KEY: table.to_pandas()},
    )
    return array


@pytest.mark.parametrize("name", ["cells.labels.tif", "cells.ome.tif", "cells.ome.zarr"])
def test_axes_and_sizes_are_kept(viewer: ViewerModel, labels: np.ndarray, tmp_path: Path, name: str) -> None:
    if name.endswith("zarr"):
        pytest.importorskip("zarr", reason="zarr is not installed")
    assert viewer.layers.save(tmp_path / name) == [str(tmp_path / name)]
    with open_stack(tmp_path / name) as stack:
        assert (stack.axis, stack.pixel_size, stack.unit) == ("t", (0.5, 0.25), "um")
        assert (stack.step, stack.step_unit) == (2.0, "s")
        np.testing.assert_array_equal(np.stack([stack.read(t) for t in range(4)]), labels)


def test_a_plain_tif_is_left_to_napari(viewer: ViewerModel, labels: np.ndarray, tmp_path: Path) -> None:
    writer, _ = plugin_manager.get_writer(str(tmp_path / "cells.tif"), ["labels"])
    assert writer.plugin_name == "napari"


def test_names_and_scores_are_kept(viewer: ViewerModel, labels: np.ndarray, tmp_path: Path) -> None:
    viewer.layers.save(tmp_path / "cells.coco.json")
    said = json.loads((tmp_path / "cells.coco.json").read_text(encoding="utf-8"))
    assert "mother" in json.dumps(said)
    assert {one["score"] for one in said["annotations"] if one["track_id"] == 3} == {0.75}


def test_cell_tracking_challenge(viewer: ViewerModel, labels: np.ndarray, tmp_path: Path) -> None:
    viewer.layers.save(tmp_path / "01_RES.ctc")
    assert (tmp_path / "01_RES.ctc" / "res_track.txt").read_text(encoding="utf-8") == "3 0 3 0\n500 0 0 0\n"
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "01_RES.ctc" / "mask002.tif") > 0, labels[2] > 0)


def test_volume_as_nifti(viewer: ViewerModel, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    array = label_array(5)
    viewer.add_labels(array, scale=(3, 0.5, 0.25), units=("mm",) * 3, axis_labels=("z", "y", "x"))
    viewer.layers.save(tmp_path / "scan.nii.gz")
    image = nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, array)
    assert image.header.get_zooms() == (0.25, 0.5, 3)


def test_volumes_over_time(viewer: ViewerModel, tmp_path: Path) -> None:
    viewer.add_labels(label_array(3, 4), scale=(60, 3, 0.5, 0.25), units=("s", "um", "um", "um"))
    viewer.layers.save(tmp_path / "embryo.labels.tif")
    with open_volumes(tmp_path / "embryo.labels.tif") as volumes:
        assert (volumes.shape, volumes.interval, volumes.calibration.step) == ((3, 4, 24, 30), (60.0, "s"), 3.0)
        np.testing.assert_array_equal(volumes.volume(1).read(2), label_array(3, 4)[1, 2])


def test_a_single_image(viewer: ViewerModel, tmp_path: Path) -> None:
    viewer.add_labels(label_array(1)[0])
    viewer.layers.save(tmp_path / "one.labels.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "one.labels.tif").squeeze(), label_array(1)[0])


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_image_and_labels_as_a_film(viewer: ViewerModel, labels: np.ndarray, tmp_path: Path, name: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av", reason="PyAV is not installed")
    viewer.add_image(np.full(labels.shape, 40, np.uint8), contrast_limits=(0, 80))
    assert viewer.layers.save(tmp_path / name)
    if name.endswith("mp4"):
        with open_stack(tmp_path / name) as stack:
            assert stack.n_frames == 4
            picture = stack.read(2)
    else:
        with Image.open(tmp_path / name) as film:
            film.seek(2)
            picture = np.asarray(film.convert("RGB"))
    grey = (np.ptp(picture.astype(int), axis=-1) < 30).mean()
    assert 0.3 < grey < 0.999, "a grey image with coloured outlines"


def test_labels_of_five_axes(viewer: ViewerModel, tmp_path: Path) -> None:
    viewer.add_labels(label_array(2, 2, 2))
    with pytest.raises(SavingError, match="labels of 5 axes cannot be saved here"):
        viewer.layers.save(tmp_path / "odd.ome.tif", plugin="napari-sam2")
