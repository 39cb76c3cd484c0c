"""Classes of objects in each format that has a place for them, read back as their own programs read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from skimage.draw import polygon2mask
from skimage.io import imread

from napari_sam2.data import Stack
from napari_sam2.data.formats import Results, export_results

# Object 1 and 9 are neurons, 4 has another class, and of 300 nobody said what it is.
CLASSES = {1: "neuron", 4: 'glia: "round"', 9: "neuron"}
NUMBERS = {'glia: "round"': 1, "neuron": 2, "object": 3}
# 2026-11: pycocotools 2.0.11 hands NumPy 2 an array of the old protocol.
old_protocol = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def make_results(axis: str = "t", *, dtype: str = "uint16", classes: dict[int, str] | None = None) -> Results:
    labels = np.zeros((3, 40, 56), np.uint16)
    labels[:, 2:12, 4:20], labels[:, 20:33, 5:18], labels[1:, 20:30, 30:50] = 1, 4, 9
    labels[2, 2:9, 40:52] = 300
    # A piece apart.
    labels[0, 36:39, 2:9] = 4
    pixels = np.random.default_rng(0).integers(0, 200, labels.shape).astype(dtype)
    return Results(labels, Stack.from_array(pixels, axis), classes=CLASSES if classes is None else classes)


def class_image(results: Results) -> np.ndarray:
    values = np.zeros(301, np.uint8)
    for object_id in results.object_ids:
        values[object_id] = NUMBERS[results.class_of(object_id)]
    return values[results.labels]


@old_protocol
def test_coco_has_a_category_for_each_class(tmp_path: Path) -> None:
    coco_api = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    results = make_results()
    coco = coco_api.COCO(str(export_results(results, "coco", tmp_path / "coco.json")))
    assert {one["name"]: one["id"] for one in coco.loadCats(coco.getCatIds())} == NUMBERS
    seen = np.zeros((3, 40, 56), np.uint8)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        seen[annotation["image_id"] - 1][coco.annToMask(annotation) > 0] = annotation["category_id"]
    np.testing.assert_array_equal(seen, class_image(results))
    assert len(coco.getAnnIds(catIds=[2])) == 5


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr_has_it_among_the_properties(tmp_path: Path, name: str) -> None:
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url

    path = export_results(make_results(), name, tmp_path / "labels.ome.zarr")
    (node,) = reader.Reader(parse_url(path))()
    properties = node.metadata["properties"]
    assert {i: one["class"] for i, one in properties.items()} == CLASSES | {300: "object"}
    plain = export_results(make_results(classes={}), name, tmp_path / "plain.ome.zarr")
    (node,) = reader.Reader(parse_url(plain))()
    assert "class" not in node.metadata["properties"][1]


def test_measurements_have_a_column(tmp_path: Path) -> None:
    folder = export_results(make_results(), "measurements", tmp_path / "m")
    for table in (pd.read_csv(file) for file in sorted(folder.glob("*.csv"))):
        assert dict(zip(table["object"], table["class"], strict=True)) == CLASSES | {300: "object"}


@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
def test_yolo(tmp_path: Path, dtype: str) -> None:
    results = make_results(dtype=dtype)
    folder = export_results(results, "yolo", tmp_path / "yolo")
    described = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    assert described["names"] == {number - 1: name for name, number in NUMBERS.items()}
    images = sorted((folder / described["train"]).glob("*.png"))
    assert [imread(one).shape for one in images] == [(40, 56, 3)] * 3
    wanted = class_image(results)
    for frame, image in enumerate(images):
        seen = np.zeros((40, 56), np.uint8)
        lines = (folder / "labels" / f"{image.stem}.txt").read_text(encoding="utf-8").splitlines()
        for line in lines:
            kind, *shares = line.split()
            corners = np.array(shares, float).reshape(-1, 2)[:, ::-1] * (40, 56)
            # Corners count from the upper left corner of the image, pixels from their own middles.
            seen[polygon2mask((40, 56), corners - 0.5)] = int(kind) + 1
        np.testing.assert_array_equal(seen, wanted[frame])
        assert len(lines) == (3, 3, 4)[frame]
    # A folder of the same kind is replaced, any other is not.
    export_results(results, "yolo", folder)
    (folder / "runs").mkdir()
    with pytest.raises(ValueError, match="holds more than an earlier export"):
        export_results(results, "yolo", folder)


@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
def test_nnunet_of_frames_in_time(tmp_path: Path, dtype: str) -> None:
    results = make_results(dtype=dtype)
    folder = export_results(results, "nnunet", tmp_path / "Dataset001_cells")
    described = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert described["labels"] == {"background": 0, **NUMBERS}
    assert (described["numTraining"], described["file_ending"]) == (3, ".png")
    cases = sorted(path.name.removesuffix(".png") for path in (folder / "labelsTr").iterdir())
    assert sorted(path.name for path in (folder / "imagesTr").iterdir()) == [f"{case}_0000.png" for case in cases]
    seen = np.stack([imread(folder / "labelsTr" / f"{case}.png") for case in cases])
    np.testing.assert_array_equal(seen, class_image(results))
    first = imread(folder / "imagesTr" / f"{cases[0]}_0000.png")
    assert first.shape == (40, 56)
    if dtype != "float32":
        np.testing.assert_array_equal(first, results.stack.read(0))


def test_nnunet_of_a_volume(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    results = make_results("z")
    folder = export_results(results, "nnunet", tmp_path / "Dataset001_cells")
    image, labels = (nibabel.load(folder / name) for name in ("imagesTr/volume_0000.nii.gz", "labelsTr/volume.nii.gz"))
    np.testing.assert_array_equal(labels.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj).transpose(2, 1, 0), class_image(results))
    np.testing.assert_array_equal(np.asarray(image.dataobj)[..., 1].T, results.stack.read(1))
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["numTraining"] == 1
