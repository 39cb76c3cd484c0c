from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.data import Prompt, read_prompts, write_prompts
from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.prompts.prompt import check_box, check_mask, check_object_id, check_points

SHAPE = (10, 20)


def test_points_are_normalised() -> None:
    points, labels = check_points([(0, 19.5), (-0.5, 3)], [True, np.int64(0)], SHAPE)
    assert (points.dtype, labels.dtype) == (np.float32, np.int32)
    assert points.tolist() == [[0, 19.5], [-0.5, 3]]
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        ([(1, 2), (10, 3)], [1, 1], r"\(y=10, x=3\) is outside the image of 10 rows and 20 columns"),
        ([(1, 19.6)], [1], r"x=19.6\) is outside"),
        ([(-1, 2)], [1], r"y=-1, x=2\) is outside"),
        ([(1, 2)], [2], "not 2"),
        ([(1, 2)], [-1], "not -1"),
        ([(1, 2)], [0.5], "not 0.5"),
        ([(1, 2)], [1, 0], "1 points need 1 labels"),
        ([(1, 2)], 1, "labels"),
        ([(1, 2)], None, "labels"),
        ([], [], "one or more rows"),
        ([1, 2], [1], r"shape \(2,\)"),
        ([(1, 2, 3)], [1], r"shape \(1, 3\)"),
        ([(1, np.nan)], [1], "finite"),
        ([("a", 2)], [1], "points must be numbers"),
        ([(1, 2), (3,)], [1, 1], "points must be numbers"),
    ],
)
def test_points_that_are_refused(points: object, labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_points(points, labels, SHAPE)


def test_box_is_cut_at_the_edge() -> None:
    assert check_box([1, 2, 3, 4], SHAPE) == (1, 2, 3, 4)
    assert check_box(np.array([-4, 2, 30, 40]), SHAPE) == (0, 2, 10, 20)
    assert check_box([-4, 2, 30, 40]) == (-4, 2, 30, 40)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1, 2, 1, 4], "has no area"),
        ([3, 2, 1, 4], "y1 must be above y0"),
        ([12, 2, 15, 4], "outside the image"),
        ([1, 2, 3], r"shape \(3,\)"),
        ([1, 2, 3, np.inf], "finite"),
        ("abcd", "numbers"),
    ],
)
def test_boxes_that_are_refused(box: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_box(box, SHAPE)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_mask_becomes_bool(dtype: type) -> None:
    mask = np.zeros(SHAPE, dtype)
    mask[2, 3] = 1
    checked = check_mask(mask, SHAPE)
    assert checked.dtype == bool
    assert checked is not mask
    assert np.argwhere(checked).tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((20, 10)), r"image's shape \(10, 20\), not the shape \(20, 10\)"),
        (np.full(SHAPE, 255), "holds 255"),
        (np.full(SHAPE, np.nan), "holds nan"),
    ],
)
def test_masks_that_are_refused(mask: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_mask(mask, SHAPE)


def test_mask_without_a_pixel_says_absent_and_comes_back_from_a_file(tmp_path: Path) -> None:
    absent = Prompt(3, 1, mask=np.zeros(SHAPE, bool))
    assert absent.says_absent
    write_prompts(tmp_path / "prompts.json", [absent, Prompt(4, 1, mask=np.ones(SHAPE, bool))])
    first, second = read_prompts(tmp_path / "prompts.json")
    assert (first.frame, first.says_absent) == (3, True)
    assert not second.says_absent
    assert not Prompt(0, 1, box=(1, 1, 5, 5)).says_absent


def test_frames_and_ids() -> None:
    assert check_frame(np.int64(4), 5) == 4
    assert check_object_id(np.uint16(7)) == 7
    with pytest.raises(ValueError, match="no frame 5: the stack has frames 0 to 4"):
        check_frame(5, 5)
    with pytest.raises(ValueError, match="no frame -1"):
        check_frame(-1)
    for value in (0, -2, 2**31, True, 1.0, "1", None):
        with pytest.raises(ValueError, match="object id"):
            check_object_id(value)


def test_a_prompt_checks_itself() -> None:
    with pytest.raises(ValueError, match="needs points, a box or a mask"):
        Prompt(0, 1)
    with pytest.raises(ValueError, match="go together"):
        Prompt(0, 1, points=np.zeros((1, 2)))
    with pytest.raises(ValueError, match="cannot be joined"):
        Prompt(0, 1, box=(0, 0, 1, 1), mask=np.ones((2, 2), bool))


def test_round_trip(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random(SHAPE) > 0.5
    points, labels = check_points([(1.1, 2), (3, 4)], [1, 0])
    prompts = [
        Prompt(0, 1, points=points, labels=labels),
        Prompt(0, 2, box=(0.25, 1, 5, 6)),
        Prompt(2, 2, points=points[:1], labels=labels[:1], box=(0, 1, 5, 6)),
        Prompt(3, 1, mask=mask),
    ]
    path = tmp_path / "new" / "prompts.json"
    write_prompts(path, prompts)
    assert "1.1," in path.read_text(encoding="utf-8")
    read = read_prompts(path)
    assert [(p.frame, p.object_id, p.box) for p in read] == [(p.frame, p.object_id, p.box) for p in prompts]
    for ours, theirs in zip(prompts, read, strict=True):
        for field in ("points", "labels", "mask"):
            expected, found = getattr(ours, field), getattr(theirs, field)
            assert (expected is None) == (found is None)
            if expected is not None:
                np.testing.assert_array_equal(found, expected)


def test_an_earlier_file_keeps_its_masks(tmp_path: Path) -> None:
    first, second = np.eye(8, dtype=bool), np.ones((8, 8), bool)
    path = tmp_path / "prompts.json"
    write_prompts(path, [Prompt(0, 1, mask=first)])
    before = path.read_bytes()
    write_prompts(path, [Prompt(0, 1, mask=second)])
    np.testing.assert_array_equal(read_prompts(path)[0].mask, second)
    path.write_bytes(before)
    np.testing.assert_array_equal(read_prompts(path)[0].mask, first)


def test_writing_two_prompts_about_the_same_thing(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="two prompts for object 1 on frame 0"):
        write_prompts(path, [Prompt(0, 1, box=(0, 0, 1, 1))] * 2)
    assert path.read_text(encoding="utf-8") == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_masks_other_programs_write(tmp_path: Path) -> None:
    mask = np.eye(8, dtype=bool)
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    tifffile.imwrite(tmp_path / "mask.tif", mask.astype(np.uint16) * 7)
    for name in ("mask.png", "mask.tif"):
        (tmp_path / "p.json").write_text(
            json.dumps({"version": 1, "prompts": [{"frame": 0, "object": 1, "mask": name}]}), encoding="utf-8"
        )
        np.testing.assert_array_equal(read_prompts(tmp_path / "p.json")[0].mask, mask)


POINT = {"frame": 0, "object": 1, "points": [[1, 2]], "labels": [1]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], '"version" and "prompts"'),
        ({"prompts": []}, '"version" and "prompts"'),
        ({"version": 1, "prompts": [], "extra": 1}, "no other"),
        ({"version": 2, "prompts": []}, "version 2"),
        ({"version": 1, "prompts": {}}, "must be a list"),
        ({"version": 1, "prompts": [POINT, 3]}, r"prompts\[1\] must be an object"),
        ({"version": 1, "prompts": [POINT | {"lables": [1]}]}, r"prompts\[0\] has the unknown key 'lables'"),
        ({"version": 1, "prompts": [{"object": 1}]}, r"prompts\[0\] lacks 'frame'"),
        ({"version": 1, "prompts": [{"frame": 0}]}, r"prompts\[0\] lacks 'object'"),
        ({"version": 1, "prompts": [{"frame": 0, "object": 1}]}, r"prompts\[0\]: a prompt needs"),
        ({"version": 1, "prompts": [POINT | {"frame": -1}]}, r"prompts\[0\]: there is no frame -1"),
        ({"version": 1, "prompts": [POINT | {"frame": None}]}, "whole number, not None"),
        ({"version": 1, "prompts": [POINT | {"object": "1"}]}, r"prompts\[0\]: an object id"),
        ({"version": 1, "prompts": [POINT | {"labels": [3]}]}, r"prompts\[0\]: a point's label"),
        ({"version": 1, "prompts": [POINT | {"points": [[1, float("nan")]]}]}, "finite"),
        ({"version": 1, "prompts": [POINT | {"box": [1, 2]}]}, "a box is four"),
        ({"version": 1, "prompts": [POINT | {"mask": "mask.tif"}]}, "cannot be joined"),
        ({"version": 1, "prompts": [POINT, POINT]}, r"prompts\[1\] is the second one for object 1 on frame 0"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, document: object, message: str) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", np.ones((4, 4), np.uint8))
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_prompts(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../mask.tif", "must lie beside"),
        ("masks/../../mask.tif", "must lie beside"),
        ("..\\mask.tif", "must lie beside"),
        ("C:\\mask.tif", "must lie beside"),
        ("/etc/passwd", "must lie beside"),
        ("link.tif", "must lie beside"),
        ("nothing.tif", "does not exist"),
        ("ids.tif", "one value or colour besides 0, not 2"),
        ("prompts.json", "cannot be read as an image"),
        ("", "name of an image file"),
        (3, "name of an image file"),
    ],
)
def test_masks_that_are_not_read(tmp_path: Path, name: object, message: str) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", np.ones((4, 4), np.uint8))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.tif").symlink_to(tmp_path / "mask.tif")
    tifffile.imwrite(folder / "ids.tif", np.arange(3, dtype=np.uint8)[None].repeat(8, 0))
    path = folder / "prompts.json"
    path.write_text(json.dumps({"version": 1, "prompts": [{"frame": 0, "object": 1, "mask": name}]}), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_prompts(path)
    assert "prompts[0]" in str(error.value)


def test_malformed_json_says_where(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text('{"version": 1,\n "prompts": [}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2, column 14"):
        read_prompts(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_prompts(path)
