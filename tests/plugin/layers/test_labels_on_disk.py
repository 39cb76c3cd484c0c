"""Labels layers over files, whose type may have no room for an object."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QApplication
from zarr.storage import MemoryStore

from napari_sam2.plugin.layers.labels_layer import write_frame
from napari_sam2.plugin.layers.labels_on_disk import is_in_memory
from napari_sam2.plugin.layers.session_layers import SessionLayers
from napari_sam2.plugin.layers.viewing.sliders import current_space

SHAPE = (100, 256, 256)


def zarr_array(store: Any) -> Any:
    return zarr.create_array(store=store, shape=SHAPE, chunks=(1, 256, 256), dtype="uint8", fill_value=0)


def memory_map(path: Path) -> np.ndarray:
    return np.memmap(path, np.uint8, "w+", shape=SHAPE)


@pytest.fixture
def layers(qapp: QApplication) -> SessionLayers:
    """Of an image in a viewer without a window; a new Labels layer is chosen as the widget would."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SHAPE, np.uint8))
    made = SessionLayers(viewer)
    made.image, made.space = image, current_space(image, 0, viewer)
    made.layer_added.connect(made.set_labels)
    return made


def choose(layers: SessionLayers, data: Any) -> tuple[Labels, list[str]]:
    layer = layers._viewer.add_labels(data, name="mine")
    layers.set_labels(layer)
    told: list[str] = []
    layers.labels_left.connect(told.append)
    return layer, told


def test_where_the_pixels_are(tmp_path: Path) -> None:
    mapped = memory_map(tmp_path / "labels.dat")
    for data in (zarr_array(tmp_path / "labels.zarr"), mapped, mapped[:, 2:], np.asarray(mapped)):
        assert not is_in_memory(Labels(data))
    whole = np.zeros(SHAPE, np.uint8)
    for data in (whole, whole[:, 2:], np.frombuffer(bytes(8), np.uint8).reshape(2, 4)):
        assert is_in_memory(Labels(data))


@pytest.mark.parametrize("kind", ["zarr", "memory map"])
def test_labels_too_narrow_for_an_object_stay_on_disk_as_they_are(
    layers: SessionLayers, tmp_path: Path, kind: str
) -> None:
    data = zarr_array(tmp_path / "mine.zarr") if kind == "zarr" else memory_map(tmp_path / "mine.dat")
    mine, told = choose(layers, data)
    data[3, 5, 5] = 7
    tracemalloc.start()
    new = layers.need_labels(300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < np.prod(SHAPE) / 2
    assert mine.data is data
    assert data[3, 5, 5] == 7
    assert mine.visible
    assert layers.labels is new
    assert new.dtype == np.uint32
    folder = tmp_path / "mine-2.zarr"
    (text,) = told
    assert f"no room for object 300: they stay as they are, and all results go to {folder}" in text
    image = np.zeros(SHAPE[1:], np.uint16)
    image[:20, :20] = 300
    write_frame(new, layers.space, frame=0, image=image)
    assert zarr.open_array(folder, mode="r")[0, 0, 0] == 300
    assert layers.need_labels(70_000) is new
    assert len(told) == 1


def test_results_go_to_memory_where_no_file_is_known(layers: SessionLayers) -> None:
    _, told = choose(layers, zarr_array(MemoryStore()))
    new = layers.need_labels(300)
    assert is_in_memory(new)
    assert new.dtype == np.uint16
    assert "go to a new layer in memory" in told[0]


def test_labels_in_memory_are_widened(layers: SessionLayers) -> None:
    mine, told = choose(layers, np.zeros(SHAPE, np.int8))
    mine.data[3, 5, 5] = -1
    layers.select(300)
    assert layers.labels is mine
    assert mine.selected_label == 300
    assert mine.data[3, 5, 5] == -1
    assert not told


def test_a_layer_without_room_for_the_selected_object_is_left_when_it_is_chosen(
    layers: SessionLayers, tmp_path: Path, qapp: QApplication
) -> None:
    layers.select(300)
    mine, told = choose(layers, zarr_array(tmp_path / "mine.zarr"))
    assert layers.labels is mine
    qapp.processEvents()
    assert layers.labels is not mine
    assert layers.labels.selected_label == 300
    assert len(told) == 1


def test_nothing_is_written_that_does_not_fit(layers: SessionLayers) -> None:
    mine, _ = choose(layers, np.zeros(SHAPE, np.uint8))
    with pytest.raises(ValueError, match="labels of type uint8 have no room for object 300"):
        write_frame(mine, layers.space, frame=0, image=np.full(SHAPE[1:], 300, np.uint16))
