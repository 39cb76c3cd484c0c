"""A time-lapse of volumes: read plane by plane, labels kept volume by volume, and written with all four axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam2.data import Calibration, LabelStack, ScoreRow, ScoreTable, Selection
from napari_sam2.data.formats import FORMATS, Results, export_results, tracks_array
from napari_sam2.data.formats.volume_labels import VolumeLabels
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.readers.open_stack import open_volumes

SHAPE = (3, 4, 30, 40)
IMAGE = np.random.default_rng(0).integers(0, 3000, (3, 4, 2, 30, 40)).astype(np.uint16)


@pytest.fixture
def hyperstack(tmp_path: Path) -> Path:
    """Three volumes of four planes in two channels, with sizes."""
    sizes = {"axes": "TZCYX", "unit": "um", "spacing": 3.0, "finterval": 60.0}
    tifffile.imwrite(tmp_path / "hyper.tif", IMAGE, imagej=True, resolution=(4, 2), metadata=sizes)
    return tmp_path / "hyper.tif"


def test_volumes_and_planes_through_time(hyperstack: Path) -> None:
    volumes = open_volumes(hyperstack, selection=Selection(channels=(1,)))
    assert volumes.shape == SHAPE
    volume, plane = volumes.volume(2), volumes.through_time(3, (2, 0))
    # The file stays open for as long as one of its stacks is there.
    del volumes
    assert (volume.axis, volume.calibration) == ("z", Calibration((0.5, 0.25), 3.0, "um", "um"))
    assert (plane.axis, plane.calibration) == ("t", Calibration((0.5, 0.25), 60.0, "um", "s"))
    np.testing.assert_array_equal(np.stack([volume.read(z) for z in range(4)]), IMAGE[2, :, 1])
    np.testing.assert_array_equal(np.stack([plane.read(i) for i in range(2)]), IMAGE[[2, 0], 3, 1])


def test_channels_together_have_one_window_for_all_volumes(hyperstack: Path) -> None:
    with open_volumes(hyperstack, selection=Selection(channels=(1, 0))) as volumes:
        image = volumes.volume(1).read(2)
        np.testing.assert_array_equal(image, volumes.through_time(2).read(1))
        assert (image.shape, image.dtype) == ((30, 40, 3), np.uint8)


def test_arrays_with_axes_in_any_order() -> None:
    volumes = VolumeSeries.from_array(IMAGE[:, :, 0].transpose(1, 2, 0, 3), "zytx")
    np.testing.assert_array_equal(volumes.volume(2).read(1), IMAGE[2, 1, 0])


@pytest.mark.parametrize(
    ("axes", "message"),
    [("tyx", r"has the axes T \(3\), Y, X: volumes over time take both"), ("tzyx", "do not fit an array of shape")],
)
def test_arrays_that_are_no_volumes(axes: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VolumeSeries.from_array(IMAGE[:, 0, 0], axes)


def test_errors_name_time_point_and_plane() -> None:
    array = np.zeros(SHAPE, np.float32)
    array[2, 1, 0, 0] = np.nan
    volumes = VolumeSeries.from_array(array)
    volumes.planes.missing.refuse = True
    with pytest.raises(ValueError, match=r"plane 1 of time point 2: .*NaN"):
        volumes.volume(2).read(1)
    with pytest.raises(ValueError, match="no time point 3: the volumes are 0 to 2"):
        volumes.volume(3)


def test_nan_is_said_once_for_all_volumes() -> None:
    array = np.zeros(SHAPE, np.float32)
    array[1:, :, 0, 0] = np.nan
    volumes = VolumeSeries.from_array(array)
    with pytest.warns(UserWarning, match="NaN counts as background") as said:
        volumes.volume(2).read(1)
        volumes.volume(1).read(0)
        volumes.through_time(0).read(1)
    assert len(said) == 1


def label_array() -> np.ndarray:
    """Object 7 goes up a plane at every time point; object 300 is on the last volume only."""
    labels = np.zeros(SHAPE, np.uint16)
    for time in range(3):
        labels[time, time : time + 2, 4 + time : 12, 6:20] = 7
    labels[2, 0, 20:24, 30:36] = 300
    return labels


def filled(volumes: VolumeSeries, folder: Path | None = None) -> VolumeLabels:
    kept = VolumeLabels(SHAPE, folder=folder)
    for time, volume in enumerate(label_array()):
        stack, rows = LabelStack(SHAPE[1:]), ScoreTable()
        for plane, image in enumerate(volume):
            if image.any():
                stack.set(plane, image)
            for i in (7, 300):
                rows.put(ScoreRow.from_mask(plane, i, scores=(0.25, 0.5), mask=image == i))
        kept.set(time, stack, rows, volumes.volume(time))
    return kept


@pytest.mark.parametrize("on_disk", [False, True])
def test_labels_are_kept_volume_by_volume(tmp_path: Path, on_disk: bool) -> None:
    volumes = VolumeSeries.from_array(IMAGE[:, :, 0])
    labels = filled(volumes, tmp_path / "work" if on_disk else None)
    if on_disk:
        labels = VolumeLabels(SHAPE, folder=tmp_path / "work")
    assert (labels.times_done, labels.object_ids, labels.shows(1, 300)) == ([0, 1, 2], [7, 300], False)
    np.testing.assert_array_equal(labels, label_array())
    np.testing.assert_array_equal(labels.planes[9], label_array()[2, 1])
    assert len(labels.scores) == 24
    assert labels.scores.get(4, 7).object_score == 0.25


def test_a_volume_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    filled(VolumeSeries.from_array(IMAGE[:, :, 0]), tmp_path)
    (tmp_path / "time00001.csv").unlink()
    assert VolumeLabels(SHAPE, folder=tmp_path).times_done == [0, 2]
    (tmp_path / "time00002.tif").write_bytes((tmp_path / "time00002.tif").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"time00002\.tif"):
        VolumeLabels(SHAPE, folder=tmp_path)


@pytest.fixture
def results(hyperstack: Path) -> Results:
    volumes = open_volumes(hyperstack, selection=Selection(channels=(0,)))
    return Results.of_volumes(filled(volumes), volumes)


@pytest.mark.parametrize("name", ["tiff", "ome-tiff"])
def test_label_tiffs_have_four_axes(tmp_path: Path, results: Results, name: str) -> None:
    path = export_results(results, name, tmp_path / FORMATS[name].filename)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "TZYX"
        assert tif.is_imagej == (name == "tiff")
        np.testing.assert_array_equal(tif.asarray(), label_array())
    again = open_volumes(path)
    assert (again.calibration, again.interval) == (results.volumes.calibration, (60.0, "s"))


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr_has_four_axes(tmp_path: Path, results: Results, name: str) -> None:
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url

    path = export_results(results, name, tmp_path / FORMATS[name].filename)
    (node,) = reader.Reader(parse_url(path))()
    np.testing.assert_array_equal(node.data[0], label_array())
    assert [axis["name"] for axis in node.metadata["axes"]] == [*"tzyx"]
    (scale,) = node.metadata["coordinateTransformations"][0]
    assert scale["scale"] == [60.0, 3.0, 0.5, 0.25]


def test_geff_has_a_node_for_each_volume(tmp_path: Path, results: Results) -> None:
    geff = pytest.importorskip("geff", reason="geff is not installed")
    path = export_results(results, "geff", tmp_path / FORMATS["geff"].filename)
    graph, metadata = geff.read(path / "tracks.geff")
    found = {(int(node["t"]), int(node["seg_id"])): [node[i] for i in "zyx"] for _, node in graph.nodes(data=True)}
    labels = label_array()
    assert found == {
        (t, i): pytest.approx(np.argwhere(labels[t] == i).mean(axis=0))
        for t in range(len(labels))
        for i in (7, 300)
        if (labels[t] == i).any()
    }
    assert [axis.scale for axis in metadata.axes] == [60.0, 3.0, 0.5, 0.25]


def test_tables_say_time_and_plane(tmp_path: Path, results: Results) -> None:
    table = pd.read_csv(export_results(results, "csv", tmp_path / "scores.csv"))
    assert list(table.columns[:3]) == ["t", "z", "object"]
    seen = table[(table["object"] == 7) & (table["area"] > 0)]
    assert seen.groupby("t")["z"].min().tolist() == [0, 1, 2]
    np.testing.assert_allclose(tracks_array(results)[:2], [[7, 0, 0.5, 7.5, 12.5], [7, 1, 1.5, 8, 12.5]])
    tracks = pd.read_csv(export_results(results, "tracks", tmp_path / "tracks.csv"))
    assert tracks["track_id"].tolist() == [7, 7, 7, 300]
    assert tracks["object_score"].unique().tolist() == [0.25]


def test_formats_that_hold_no_volumes(tmp_path: Path, results: Results) -> None:
    with pytest.raises(ValueError, match=r"coco cannot hold volumes over time: choose among tiff, .*tracks"):
        export_results(results, "coco", tmp_path / "coco.json")
