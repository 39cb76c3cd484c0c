"""Prompts of other programs: napari's CSV files, and COCO's JSON as this program and others write it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Points, Shapes
from napari_builtins.io import napari_write_points, napari_write_shapes
from PIL import Image

from napari_sam2.data import Prompt, Stack, open_stack
from napari_sam2.data.files.rle import encode_rle
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.prompts.prompt_files import read_prompt_file

STACK = Stack.from_array(np.zeros((4, 40, 50), np.uint8))


def read(path: Path, stack: Stack = STACK) -> list[Prompt]:
    return read_prompt_file(path, lambda: nullcontext(stack))


def save(layer: Points | Shapes, path: Path) -> None:
    """As File > Save does."""
    data, meta, _ = layer.as_layer_data_tuple()
    write = napari_write_points if isinstance(layer, Points) else napari_write_shapes
    assert write(str(path), data, meta)


def test_points_that_napari_saved(tmp_path: Path) -> None:
    layer = Points([[0, 6, 7.5], [2, 20, 30]])
    save(layer, tmp_path / "p.csv")
    first, second = read(tmp_path / "p.csv")
    assert (first.frame, first.object_id, first.points.tolist(), first.labels.tolist()) == (0, 1, [[6, 7.5]], [1])
    assert (second.frame, second.object_id, second.points.tolist()) == (2, 2, [[20, 30]])


def test_points_of_this_plugins_layer(tmp_path: Path) -> None:
    features = {"object": [3, 3, 5], "prompt": ["positive", "negative", "positive"]}
    layer = Points([[1, 6, 7], [1, 9, 9], [1, 30, 30]], features=features)
    save(layer, tmp_path / "p.csv")
    first, second = read(tmp_path / "p.csv")
    assert (first.frame, first.object_id, first.labels.tolist()) == (1, 3, [1, 0])
    assert (second.object_id, second.points.tolist()) == (5, [[30, 30]])


def test_points_on_a_single_image(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("index,axis-0,axis-1\n0.0,6.0,7.0\n", encoding="utf-8")
    (prompt,) = read(tmp_path / "p.csv")
    assert (prompt.frame, prompt.points.tolist()) == (0, [[6, 7]])


def test_tables_of_spreadsheets(tmp_path: Path) -> None:
    """With a mark of the order of bytes, semicolons or tabs, and commas in numbers."""
    (tmp_path / "p.csv").write_text("index;axis-0;axis-1;axis-2\n0;1;6,5;7\n", encoding="utf-8-sig")
    (tmp_path / "q.csv").write_text("index\taxis-0\taxis-1\taxis-2\n0\t1\t6.5\t7\n", encoding="utf-8")
    for name in ("p.csv", "q.csv"):
        (prompt,) = read(tmp_path / name)
        assert (prompt.frame, prompt.points.tolist()) == (1, [[6.5, 7]])


def test_shapes_that_napari_saved(tmp_path: Path) -> None:
    corners = np.array([[10, 10], [10, 20], [20, 20], [20, 10]], float)
    turned = np.array([[5, 25], [10, 30], [5, 35], [0, 30]], float)
    shapes = [
        np.insert(one, 0, frame, axis=1) for frame, one in ((1, corners), (0, corners), (2, corners), (3, turned))
    ]
    layer = Shapes(shapes, shape_type=["rectangle", "ellipse", "polygon", "rectangle"])
    layer.add([[0, 30, 5], [0, 30, 45]], shape_type="line")
    save(layer, tmp_path / "s.csv")
    box, ellipse, polygon, rhombus, line = read(tmp_path / "s.csv")
    assert (box.frame, box.box) == (1, (10.5, 10.5, 20.5, 20.5))
    assert (ellipse.frame, ellipse.mask[15, 15], ellipse.mask[10, 10]) == (0, True, False)
    assert (polygon.frame, int(polygon.mask.sum())) == (2, 121)
    assert (rhombus.frame, rhombus.mask[5, 30], rhombus.mask[1, 26]) == (3, True, False)
    assert line.object_id == 5
    assert len(line.points) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no points and no shapes"),
        ("index,axis-0,axis-1,axis-2\n", "holds no points and no shapes"),
        ("a,b\n1,2\n", "has 0 columns axis-0"),
        ("index,axis-0,axis-1,axis-2,axis-3\n0,1,2,3,4\n", "has 4 columns axis-0"),
        ("index,axis-0,axis-1\n0,1,\n", "line 2: a number is missing"),
        ("index,axis-0,axis-1\n0,nan,3\n", "must be finite"),
        (
            "index,shape-type,vertex-index,axis-0,axis-1\n0,polygon,0,90,90\n0,polygon,1,95,95\n",
            "lies outside the image",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "p.csv")


def write_coco(path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")
    return path


def test_coco_of_this_program_comes_back(tmp_path: Path) -> None:
    labels = np.zeros(STACK.shape, np.uint8)
    labels[0, 2:9, 3:8], labels[2, 5:9, 3:30], labels[2, 20:30, 20:30] = 7, 7, 9
    export_results(Results(labels, STACK), "coco", tmp_path / "c.json")
    prompts = read(tmp_path / "c.json")
    assert [(prompt.frame, prompt.object_id) for prompt in prompts] == [(0, 7), (2, 7), (2, 9)]
    for prompt in prompts:
        np.testing.assert_array_equal(prompt.mask, labels[prompt.frame] == prompt.object_id)


def test_coco_of_other_programs(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("L", (50, 40)).save(tmp_path / f"f{number}.png")
    square = np.ones((4, 5), bool)
    plain = {"size": [40, 50], "counts": [10 * 40 + 6, 4, 40 * 50 - 10 * 40 - 10]}
    annotations = [
        {"id": 11, "image_id": 5, "category_id": 1, "bbox": [10, 6, 20, 8], "segmentation": []},
        {
            "id": 12,
            "image_id": 5,
            "category_id": 1,
            "bbox": [0, 0, 1, 1],
            "segmentation": [[10, 6, 30, 6, 30, 14, 10, 14]],
        },
        {"id": 13, "image_id": 6, "category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": plain, "iscrowd": 1},
        {
            "id": 14,
            "image_id": 6,
            "category_id": 1,
            "bbox": [0, 0, 1, 1],
            "segmentation": encode_rle(square, (3, 2), (40, 50)),
        },
    ]
    images = [{"id": 5, "file_name": "data/f2.png"}, {"id": 6, "file_name": "data/f0.png"}]
    path = write_coco(tmp_path / "c.json", images, annotations)
    with open_stack(tmp_path) as stack:
        box, polygon, runs, packed = read(path, stack)
    assert (box.frame, box.object_id, box.box) == (2, 1, (6, 10, 14, 30))
    assert (polygon.frame, polygon.object_id) == (2, 2)
    expected = np.zeros((40, 50), bool)
    expected[6:14, 10:30] = True
    np.testing.assert_array_equal(polygon.mask, expected)
    assert (runs.frame, runs.object_id, int(runs.mask.sum()), runs.mask[6:10, 10].all()) == (0, 3, 4, True)
    assert packed.mask[3:7, 2:7].all()


@pytest.mark.parametrize(
    ("images", "annotation", "message"),
    [
        ([{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "b"}], {}, "2 images cannot be told among 4 frames"),
        ([{"id": 1, "height": 80, "width": 100}], {"image_id": 1, "bbox": [1, 2, 3, 4]}, "image 1 is 80 x 100 pixels"),
        ([{"id": 1}], {"image_id": 2, "bbox": [1, 2, 3, 4]}, r"c\.json cannot be read as COCO"),
        ([{"id": 1}], {"image_id": 1}, r"c\.json cannot be read as COCO"),
        ([{"id": 1}], {"image_id": 1, "bbox": "wide"}, r"c\.json"),
        ([{"id": 1}], {"image_id": 1, "segmentation": {"size": [9, 9], "counts": "X1"}}, "9 x 9 pixels does not fit"),
        ([{"id": 1}], {"image_id": 1, "segmentation": {"size": [40, 50], "counts": [5, 5]}}, "covers 10 pixels"),
    ],
)
def test_coco_that_is_refused(tmp_path: Path, images: list[Any], annotation: dict[str, Any], message: str) -> None:
    path = write_coco(tmp_path / "c.json", images, [annotation])
    with pytest.raises(ValueError, match=message):
        read(path)
