"""Which part of an image frames are and where they lie: there and back, through JSON, the world and the whole image."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_sam2.data import (
    Axis,
    Calibration,
    Geometry,
    LabelStack,
    Prompt,
    ScoreRow,
    ScoreTable,
    Selection,
    Stack,
    open_stack,
)
from napari_sam2.data.images.geometry import affine_of
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.placed_results import blend_labels, place_labels, place_scores
from napari_sam2.data.prompts.placed_prompts import prompt_inside

ARRAY = np.random.default_rng(0).integers(0, 60000, (9, 20, 30)).astype(np.uint16)


def test_a_part_reads_what_it_is() -> None:
    whole = Stack.from_array(ARRAY, "z", calibration=Calibration((1, 1), 0.5, "um", "um"))
    part = whole.part(crop=(3, 4, 18, 25), every=3)
    assert part.shape == (3, 15, 21)
    assert part.calibration == Calibration((1, 1), 1.5, "um", "um")
    np.testing.assert_array_equal(np.stack([part.read(i) for i in range(3)]), ARRAY[::3, 3:18, 4:25])
    twice = whole.part(every=Fraction(1, 2))
    assert (twice.n_frames, twice.step) == (18, 0.25)
    np.testing.assert_array_equal(twice.read(7), ARRAY[3])
    assert not part.geometry.is_whole
    assert whole.geometry.is_whole


def test_a_part_keeps_its_file_open(tmp_path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    part = open_stack(tmp_path / "a.npy").part(crop=(0, 0, 5, 5))
    np.testing.assert_array_equal(part.read(2), ARRAY[2, :5, :5])


@pytest.mark.parametrize("crop", [(0, 0, 21, 5), (-1, 0, 5, 5), (5, 5, 5, 9), (9, 0, 5, 5), (0, 0, 5, 31)])
def test_crops_that_leave_the_frame(crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="inside the frame of 20 x 30 pixels") as error:
        Stack.from_array(ARRAY).part(crop=crop)
    assert ",".join(map(str, crop)) in str(error.value)


@pytest.mark.parametrize("every", [0, -2, Fraction(2, 3), 1.5])
def test_every_that_is_neither_skipping_nor_repeating(every: float) -> None:
    with pytest.raises(ValueError, match=r"every is a whole number .* not"):
        Geometry.of((9, 20, 30)).part(every=every)


def test_prompts_move_into_the_part() -> None:
    geometry = Geometry.of((9, 20, 30)).part((5, 10, 15, 30), 2)
    moved = prompt_inside(Prompt(4, 7, [[6, 12]], [1], (4, 9, 12, 20)), geometry)
    assert (moved.frame, moved.object_id, moved.points.tolist(), moved.box) == (2, 7, [[1, 2]], (0, 0, 7, 10))
    mask = np.zeros((20, 30), bool)
    mask[8, 11] = True
    moved = prompt_inside(Prompt(0, 1, mask=mask), geometry)
    assert np.argwhere(moved.mask).tolist() == [[3, 1]]
    assert moved.mask.shape == (10, 20)
    absent = prompt_inside(Prompt(2, 1, mask=np.zeros((20, 30), bool)), geometry)
    assert (absent.frame, absent.mask.shape, absent.says_absent) == (1, (10, 20), True)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(3, 1, [[6, 12]], [1]), "frame 3 is left out .*: take 2 and 4 instead"),
        (Prompt(0, 1, [[6, 12], [2.5, 12]], [1, 1]), r"y=2.5, x=12 is outside the crop \(5, 10, 15, 30\)"),
        (Prompt(0, 1, box=(0, 0, 4, 9)), "box .* is outside the crop"),
        (Prompt(0, 1, mask=np.pad(np.ones((1, 1), bool), ((0, 19), (0, 29)))), "nothing of the mask"),
    ],
)
def test_prompts_outside_the_part(prompt: Prompt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prompt_inside(prompt, Geometry.of((9, 20, 30)).part((5, 10, 15, 30), 2))


def test_labels_go_back_in_place() -> None:
    geometry = Geometry.of((9, 20, 30)).part((5, 10, 15, 30))
    part = LabelStack((9, 10, 20))
    image = np.random.default_rng(1).integers(0, 5, (10, 20)).astype(np.uint16)
    part.set(4, image)
    whole = place_labels(part, geometry)
    assert (whole.shape, whole.frames_done) == ((9, 20, 30), [4])
    np.testing.assert_array_equal(whole[4][5:15, 10:30], image)
    assert np.count_nonzero(whole[4]) == np.count_nonzero(image)


def square(y: int, x: int, side: int, value: int = 1) -> np.ndarray:
    image = np.zeros((20, 30), np.uint16)
    image[y : y + side, x : x + side] = value
    return image


def test_skipped_slices_get_shapes_in_between() -> None:
    geometry = Geometry.of((9, 20, 30)).part(every=4)
    part = LabelStack((3, 20, 30))
    part.set(0, square(4, 4, 4) + square(12, 20, 6, 5))
    part.set(1, square(2, 2, 8) + square(12, 20, 6, 5))
    whole = place_labels(part, geometry)
    assert whole.frames_done == [0, 1, 2, 3, 4], "frames behind the last tracked one stay empty"
    sizes = [np.count_nonzero(whole[frame] == 1) for frame in range(5)]
    assert sizes[0] == 16
    assert sizes[-1] == 64
    assert sizes == sorted(sizes)
    np.testing.assert_array_equal(whole[2] == 1, square(3, 3, 6) == 1)
    for frame in range(5):
        np.testing.assert_array_equal(whole[frame] == 5, square(12, 20, 6) == 1)


def test_shapes_in_between_are_looked_for_in_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    monkeypatch.setattr(LabelRuns, "of", lambda image, of=LabelRuns.of: passes.append(image.shape) or of(image))
    before, after = (square(2, 2, side, 1) + square(12, 20, side, 5) for side in (4, 6))
    assert set(np.unique(blend_labels(before, after, 0.5))) == {0, 1, 5}
    assert passes == [before.shape, after.shape]


def test_an_object_on_one_side_only_is_not_made_up() -> None:
    assert not blend_labels(square(4, 4, 4, 1), square(4, 4, 4, 2), 0.5).any()


def test_repeated_slices_come_back_once() -> None:
    geometry = Geometry.of((3, 20, 30)).part(every=Fraction(1, 2))
    assert geometry.frame_inside(2) == 4
    part = LabelStack((6, 20, 30))
    for frame in range(6):
        part.set(frame, square(0, 0, 2, frame + 1))
    assert [int(image.max()) for image in place_labels(part, geometry)] == [1, 3, 5]


def test_scores_go_back_in_place() -> None:
    geometry = Geometry.of((9, 20, 30)).part((5, 10, 15, 30), 2)
    rows = [ScoreRow(3, 2, 0.9, 0.8, 4, (1.5, 2.5), (1, 2, 3, 4)), ScoreRow(4, 2, 0.1, 0.2)]
    one, two = place_scores(ScoreTable(rows), geometry)
    assert (one.frame, one.centroid, one.bbox, one.area) == (6, (6.5, 12.5), (6, 12, 8, 14), 4)
    assert (two.frame, two.centroid, two.bbox) == (8, None, None)


def test_a_part_of_a_part_is_one_of_the_whole() -> None:
    whole = Stack.from_array(ARRAY, "z")
    part = whole.part(crop=(3, 4, 18, 25), every=2).part(crop=(1, 1, 5, 6), every=2)
    np.testing.assert_array_equal(part.read(1), ARRAY[4, 4:8, 5:10])
    assert (part.geometry.frames, part.geometry.crop, part.whole) == ((0, 4, 8), (4, 5, 8, 10), whole)
    with pytest.raises(ValueError, match="take the part of the whole stack"):
        whole.part(every=2).part(every=Fraction(1, 2))


def test_a_level_has_its_own_translation(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(store=str(tmp_path / "image.zarr"), zarr_format=2)
    for level in range(2):
        group.create_array(str(level), data=ARRAY[:, :: level + 1, :: level + 1])
    space = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2, 0.5, 0.5]}]},
        {
            "path": "1",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2, 1, 1]},
                {"type": "translation", "translation": [0, 0.25, 0.25]},
            ],
        },
    ]
    common = [{"type": "scale", "scale": [1, 2, 2]}, {"type": "translation", "translation": [10, 20, -30]}]
    group.attrs["multiscales"] = [{"axes": space, "datasets": datasets, "coordinateTransformations": common}]
    stack = open_stack(tmp_path / "image.zarr", selection=Selection(level=1, crop=(2, 3, 8, 9), every=2))
    assert stack.axes == (
        Axis("z", 5, 4.0, 10, "um"),
        Axis("y", 6, 2.0, 24.5, "um"),
        Axis("x", 6, 2.0, -23.5, "um"),
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "KeyError"),
        ({"whole": [3, 20, 30]}, "KeyError: 'every'"),
        ({"whole": [3, 20, 30], "every": "1/0"}, "damaged"),
        ({"whole": [3, 20, 30], "every": "2/3"}, "every is a whole number"),
        ({"whole": [3, 20, 30], "every": "1/9999999"}, "too many"),
        ({"whole": [10**8, 20, 30], "every": "1"}, "100000000 is no number of frames"),
        ({"whole": [3, 20, 30], "every": "1", "crop": [0, 0, 21, 30]}, "inside the frame of 20 x 30"),
        ({"whole": [3, 20, 30], "every": "1", "selection": [1]}, "damaged"),
        ({"whole": [3, 20, 30], "every": "1", "selection": {"at": -1}}, "-1 is no index"),
        ({"whole": [3, 20, 30], "every": "1", "affine": [[1, 0], [0, 1]]}, "an affine is 4 x 4"),
        ({"whole": [3, 20, 30], "every": "1", "axes": [{"name": "y", "size": 20}]}, "y and x last"),
        ({"whole": [3, 20, 30], "every": "1", "axes": [{"name": "t"}]}, "KeyError: 'size'"),
    ],
)
def test_json_that_is_damaged(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Geometry.from_json(said)


def test_json_from_before_axes_were_in_it() -> None:
    said: dict[str, Any] = {
        "axis": "z",
        "crop": [0, 0, 20, 30],
        "every": "3",
        "whole": [9, 20, 30],
        "shape": [3, 20, 30],
    }
    said["selection"] = {"at": 4, "channels": [1], "windows": [[0, 9.5]], "level": 0}
    geometry = Geometry.from_json(said)
    assert geometry.names == ("z", "y", "x")
    assert geometry.selection == Selection(4, (1,), ((0, 9.5),), every=Fraction(3), axis="z")
    assert geometry.stack_shape == (3, 20, 30)


# Of any image: what goes there comes back.

scales = st.none() | st.floats(0.01, 100).flatmap(lambda scale: st.sampled_from([scale, -scale]))
units = st.sampled_from([None, "um", "mm", "s", "furlong"])


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Some frames of some image."""
    names = [*draw(st.permutations("tzc"))][: draw(st.integers(0, 3))]
    axes = tuple(
        Axis(name, draw(st.integers(1, 7)), draw(scales), draw(st.floats(-1e3, 1e3)), draw(units))
        for name in (*names, "y", "x")
    )
    frame_axes = [axis for axis in axes[:-2] if axis.name != "c"]
    tracked = draw(st.sampled_from(frame_axes)) if frame_axes else None
    others = [axis.size for axis in frame_axes if axis is not tracked]
    channels = tuple(draw(st.integers(0, axis.size - 1)) for axis in axes if axis.name == "c")
    every = draw(st.integers(1, 4).flatmap(lambda n: st.sampled_from([Fraction(n), Fraction(1, n)])))
    (y0, y1), (x0, x1) = (
        sorted(draw(st.lists(st.integers(0, a.size), min_size=2, max_size=2, unique=True))) for a in axes[-2:]
    )
    selection = Selection(
        at=tuple(draw(st.integers(0, size - 1)) for size in others) or None,
        channels=channels,
        windows=draw(st.sampled_from([(), ((0.5, 9.0),)])),
        level=draw(st.integers(0, 3)),
        crop=draw(st.sampled_from([None, (y0, x0, y1, x1)])),
        every=every,
        axis="t" if tracked is None else tracked.name,
    )
    return Geometry(axes, selection, draw(st.none() | affines()))


@st.composite
def affines(draw: st.DrawFn) -> Any:
    """Turn, stretch and move."""
    turn = Rotation.from_euler("xyz", [draw(st.floats(-3, 3)) for _ in range(3)]).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([draw(st.sampled_from([-1, 1])) * draw(st.floats(0.1, 10)) for _ in range(3)])
    affine[:3, 3] = [draw(st.floats(-1e3, 1e3)) for _ in range(3)]
    return affine_of(affine)


@given(geometries())
def test_json_there_and_back(geometry: Geometry) -> None:
    said = json.loads(json.dumps(geometry.to_json(), allow_nan=False))
    assert Geometry.from_json(said) == geometry
    assert Selection.from_json(json.loads(json.dumps(geometry.selection.to_json()))) == geometry.selection


@given(geometries(), st.data())
def test_the_world_there_and_back(geometry: Geometry, data: st.DataObject) -> None:
    indices = [data.draw(st.floats(-2, axis.size + 2)) for axis in geometry.axes]
    world = geometry.to_world([indices, indices])
    assert world.shape == (2, len(geometry.world))
    np.testing.assert_allclose(geometry.to_indices(world)[1], indices, atol=1e-6)


@given(geometries(), st.data())
def test_frames_lie_where_the_image_has_them(geometry: Geometry, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, geometry.n_frames - 1))
    y, x = (data.draw(st.floats(0, size - 1)) for size in geometry.stack_shape[1:])
    position = geometry.position(frame, y, x)
    assert geometry.frame_of(position) == geometry.frame_inside(geometry.frame_outside(frame))
    # The first of repeated frames lies where the frame does; the others between it and the next.
    first = geometry.frame_inside(geometry.frame_outside(frame))
    own, whole = geometry.taken(), dict(zip(geometry.world, geometry.to_world(position), strict=True))
    for name, place in zip(own.world, own.to_world((first, y, x)), strict=True):
        if name in whole:
            assert place == pytest.approx(whole[name], abs=1e-6)


@given(geometries())
def test_pixels_of_a_part_go_back_where_they_were(geometry: Geometry) -> None:
    image = np.arange(np.prod(geometry.shape)).reshape(geometry.shape)
    for frame in range(geometry.n_frames):
        part = image[geometry.index(frame)]
        assert part.shape == geometry.stack_shape[1:]
        y0, x0, y1, x1 = geometry.crop
        np.testing.assert_array_equal(geometry.paste(part)[y0:y1, x0:x1], part)
        assert geometry.frames[frame] == geometry.frame_outside(frame)
        assert geometry.frame_inside(geometry.frames[frame]) <= frame
