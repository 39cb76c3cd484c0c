"""Where layers lie, as napari has it: frames of an image, labels that are saved, notes of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_sam2.data import Axis, open_stack
from napari_sam2.data.formats import export_results
from napari_sam2.plugin.files.napari_writer import labels_results
from napari_sam2.plugin.files.widget_state import ImageNotes
from napari_sam2.plugin.layers.layer_frames import frames_along, make_stack

VOLUME = np.zeros((5, 8, 10), np.uint8)
TURN = [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]]


def saved(layer: Labels, name: str, path: Path) -> Path:
    data, meta, _ = layer.as_layer_data_tuple()
    return export_results(labels_results(data, meta), name, path)


# 2026-11: napari says that it shows turned volumes only roughly.
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
@given(
    scale=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    translate=st.lists(st.floats(-100, 100), min_size=3, max_size=3),
    rotate=st.sampled_from([None, 30.0, (20.0, -40.0, 75.0)]),
    place=st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 5)),
)
def test_frames_lie_where_napari_shows_them(
    scale: list[float], translate: list[float], rotate: Any, place: Any
) -> None:
    layer = Image(VOLUME, scale=scale, translate=translate, rotate=rotate, axis_labels=("z", "y", "x"))
    space = frames_along(0, shape=VOLUME.shape, image=str(layer.unique_id), region=(2, 3, 8, 10))
    geometry = make_stack(layer, space, axis="z").geometry
    expected = layer.data_to_world(space.position(*place))
    np.testing.assert_allclose(geometry.to_world(geometry.position(*place)), expected, atol=1e-6)
    np.testing.assert_allclose(geometry.taken().to_world(place), expected, atol=1e-6)


def test_places_on_the_other_axes_are_named() -> None:
    layer = Image(
        np.zeros((3, 4, 2, 8, 10), np.uint8), axis_labels=("t", "z", "channel", "y", "x"), scale=(5, 2, 1, 1, 1)
    )
    geometry = make_stack(layer, frames_along(1, (2, 1), shape=layer.data.shape), axis="z").geometry
    assert geometry.names == ("t", "z", "c", "y", "x")
    assert (geometry.selection.at, geometry.selection.channels, geometry.places) == (2, (1,), (2, 0, 1))
    assert geometry.axes[0] == Axis("t", 3, 5.0)


@pytest.mark.parametrize("turn", [None, TURN], ids=["moved", "turned"])
def test_saved_as_nifti_where_it_was(tmp_path: Path, turn: Any) -> None:
    nibabel = pytest.importorskip("nibabel")
    layer = Labels(VOLUME, scale=(3, 0.5, 0.5), translate=(10, -20, 30), rotate=turn, axis_labels=("z", "y", "x"))
    image = nibabel.load(saved(layer, "nifti", tmp_path / "labels.nii.gz"))
    np.testing.assert_allclose((image.affine @ (7, 5, 2, 1))[:3], layer.data_to_world((2, 5, 7))[::-1], rtol=1e-6)


def test_saved_as_ome_zarr_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    where: dict[str, Any] = {"scale": (3, 0.5, -0.25), "translate": (10, -20, 30), "units": ("um", "um", "um")}
    layer = Labels(VOLUME, axis_labels=("z", "y", "x"), **where)
    path = saved(layer, "ome-zarr", tmp_path / "labels.ome.zarr")
    (written,) = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]["ome"]["multiscales"]
    scale, translation = written["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], translation["translation"]) == ([3, 0.5, -0.25], [10, -20, 30])
    with open_stack(path) as stack:
        assert stack.axes == (Axis("z", 5, 3, 10, "um"), Axis("y", 8, 0.5, -20, "um"), Axis("x", 10, -0.25, 30, "um"))


@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        (("t", "y", "x"), "tyx"),
        (("Time", "y", "x"), "tyx"),
        (("depth", "row", "column"), "zyx"),
        (("slices", "y", "x"), "zyx"),
        (("Z-plane", "y", "x"), "zyx"),
        (("time (s)", "z", "y", "x"), "tzyx"),
        (("z", "t", "y", "x"), "tzyx"),
    ],
)
def test_saved_under_the_names_of_its_axes(tmp_path: Path, labels: tuple[str, ...], axes: str) -> None:
    pytest.importorskip("zarr")
    shape = (3, 2, 8, 10)[-len(labels) :]
    scale = (7.0, 5.0, 0.5, 0.25)[-len(labels) :]
    array = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape) % 5
    layer = Labels(array, axis_labels=labels, scale=scale, units=("um",) * len(labels), translate=scale)
    path = saved(layer, "ome-zarr", tmp_path / "labels.ome.zarr")
    (written,) = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]["ome"]["multiscales"]
    assert "".join(axis["name"] for axis in written["axes"]) == axes
    import zarr

    order = [1, 0, 2, 3] if labels[0] == "z" and len(labels) == 4 else range(len(labels))
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], array.transpose(order))
    (first, *_), (second, *_) = (one[one["type"]] for one in written["datasets"][0]["coordinateTransformations"])
    assert first == second == scale[order[0]]


def test_an_axis_without_a_name_is_written_as_depth_where_files_must_know(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    from napari_sam2.plugin.files.napari_writer import write_imagej_tiff, write_nifti

    data, meta, _ = Labels(VOLUME).as_layer_data_tuple()
    with pytest.warns(UserWarning, match="time or depth"):
        write_nifti(str(tmp_path / "labels.nii.gz"), data, meta)
    assert nibabel.load(tmp_path / "labels.nii.gz").shape == VOLUME.shape[::-1]
    write_imagej_tiff(str(tmp_path / "a.labels.tif"), data, meta)
    with open_stack(tmp_path / "a.labels.tif") as stack:
        assert stack.axis == "t"
    channels = Labels(VOLUME, axis_labels=("channel", "y", "x")).as_layer_data_tuple()
    with pytest.raises(RuntimeError, match="along channels"):
        write_imagej_tiff(str(tmp_path / "b.labels.tif"), *channels[:2])


def test_notes_of_a_layer_there_and_back() -> None:
    layer = Image(np.zeros((3, 4, 8, 10), np.uint8), name="cells")
    space = frames_along(1, (2,), shape=layer.data.shape, image=str(layer.unique_id), region=(1, 2, 8, 9))
    notes = ImageNotes.of(layer, space)
    again = ImageNotes.from_json(json.loads(json.dumps(notes.to_json())))
    assert again == notes
    assert again.space_in(layer) == space
    # As written before frames were a geometry.
    early: dict[str, Any] = {"name": "cells", "path": None, "reader": None, "rgb": False, "shape": [3, 4, 8, 10]}
    early |= {"axis": 1, "fixed": [2], "region": [1, 2, 8, 9]}
    assert ImageNotes.from_json(early) == notes
    for wrong in (
        {"axis": 2},
        {"axis": -1},
        {"axis": None},
        {"fixed": [3]},
        {"fixed": [0, 0]},
        {"region": [0, 0, 9, 9]},
    ):
        with pytest.raises(ValueError, match=r"no |argument|inside"):
            ImageNotes.from_json(early | wrong)
