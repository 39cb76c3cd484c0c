"""An object at a place in the world, through every reader, layer and writer: each file's own library finds it there."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points

from many_examples import examples
from napari_sam2.data import Axis, LabelStack, Selection, Stack, open_stack
from napari_sam2.data.formats import FORMATS, Results, export_results
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.labels.placed_results import place_labels
from napari_sam2.data.prompts.label_image import read_label_prompts
from napari_sam2.plugin.files.napari_reader import read_image
from napari_sam2.plugin.files.napari_writer import labels_results
from napari_sam2.plugin.layers.labels_layer import labels_on_plane
from napari_sam2.plugin.layers.layer_frames import frame_kind, frames_along, make_stack, mark_as_made_for
from napari_sam2.plugin.layers.layer_geometry import transform_like
from napari_sam2.plugin.layers.placement import Placement
from napari_sam2.plugin.layers.points_and_shapes import features_of, read_points

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
zarr = pytest.importorskip("zarr", reason="zarr is not installed")

# Files are written for every example: those that fail are small as they are.
many = examples(25, shrinks=False)
# 2026-11: napari says that it shows turned volumes only roughly. Formats say what they cannot hold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning"),
    pytest.mark.filterwarnings("ignore:.* has no place for it:UserWarning"),
]

signed = st.sampled_from([0.25, 0.5, 1.0, 3.0, -0.5, -2.0])
offset = st.integers(-400, 400).map(lambda number: number / 4)
turns = st.sampled_from([0.0, 0.0, 5.0, 30.0, 90.0, -60.0])


@st.composite
def affines(draw: Any) -> np.ndarray:
    """Sizes and signs of the axes, in any order, turned, sheared and moved."""
    affine = np.diag([*(draw(signed) for _ in range(3)), 1.0])
    affine[:3, :3] = affine[:3, draw(st.permutations(range(3)))]
    for first, second in ((0, 1), (1, 2)):
        angle = np.deg2rad(draw(turns))
        turn = np.eye(4)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        affine = turn @ affine
    shear = np.eye(4)
    shear[1, 2] = draw(st.sampled_from([0.0, 0.0, 0.25]))
    affine = affine @ shear
    affine[:3, 3] = [draw(offset) for _ in range(3)]
    return affine


@st.composite
def places(draw: Any, n_axes: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int, int, int]]:
    """The shape of an image, a pixel in it, and a crop around that."""
    shape = tuple(draw(st.integers(2, 4)) for _ in range(n_axes - 2)) + tuple(draw(st.integers(6, 9)) for _ in "yx")
    place = tuple(draw(st.integers(0, size - 1)) for size in shape)
    low = [draw(st.integers(0, at)) for at in place[-2:]]
    high = [draw(st.integers(at + 1, size)) for at, size in zip(place[-2:], shape[-2:], strict=True)]
    return shape, place, (low[0], low[1], high[0], high[1])


def found(labels: np.ndarray) -> tuple[int, ...]:
    """The one pixel of object 3."""
    (place,) = np.argwhere(np.asarray(labels) == 3).tolist()
    return tuple(place)


def check(results: Results, place: tuple[int, int, int], world: np.ndarray | None, folder: Path) -> None:
    """Write in every format, and find object 3 with the format's library.

    ``place`` is its pixel on the frames; ``world`` is (x, y, z) in millimetres, where that is known.
    """
    axes, straight = results.geometry.axes, results.geometry.straightened()
    # NIfTI: the affine.
    path = export_results(results, "nifti", folder / "labels.nii.gz")
    image = nibabel.load(path)
    voxel = found(image.dataobj)
    x, y, z, *_ = voxel
    assert (y, x) == place[1:]
    assert (voxel[3] if axes[0].name == "t" else z) == place[0]
    if world is not None:
        np.testing.assert_allclose((image.affine @ (x, y, z, 1))[:3], world, atol=1e-3)
    # OME-Zarr: scale and translation, where they tell it.
    for name in ("ome-zarr", "ome-zarr-0.4"):
        group = zarr.open_group(export_results(results, name, folder / name), mode="r")
        said = dict(group.attrs)
        (multiscale,) = said.get("ome", said)["multiscales"]
        assert [axis["name"] for axis in multiscale["axes"]] == [axis.name for axis in axes]
        assert found(group["0"][:]) == place
        where = np.array(place, float)
        for one in multiscale["datasets"][0]["coordinateTransformations"]:
            where = where * one["scale"] if one["type"] == "scale" else where + one["translation"]
        if straight.affine is None:
            np.testing.assert_allclose(where, straight.to_world(place), atol=1e-3)
    # TIFF: sizes.
    for name in ("tiff", "ome-tiff"):
        path = export_results(results, name, folder / FORMATS[name].filename)
        with tifffile.TiffFile(path) as tif:
            (series,) = tif.series
            assert series.axes == f"{axes[0].name.upper()}YX" or series.shape[:-2] in ((), (1,))
            assert found(series.asarray().reshape(results.stack.shape)) == place
        with open_stack(path) as back:
            assert back.shape == results.stack.shape
    # COCO: pixels.
    path = export_results(results, "coco", folder / "coco.json")
    (annotation,) = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    assert annotation["bbox"][:2] == [place[2], place[1]]


def objects(shape: tuple[int, ...], place: tuple[int, ...]) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[place] = 3
    return labels


@many
@given(affine=affines(), where=places(4), dtype=st.sampled_from(["u1", "i2", "u2", "f4"]), data=st.data())
def test_scans(affine: np.ndarray, where: Any, dtype: str, data: st.DataObject) -> None:
    shape, place, crop = where
    axis = data.draw(st.sampled_from("tz"))
    along = "tz".index(axis)
    every = data.draw(st.sampled_from([1, 2])) if place[along] % 2 == 0 else 1
    world = (affine @ (*place[:0:-1], 1))[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = nibabel.Nifti1Image(np.zeros(shape[::-1], dtype), affine)
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, folder / "scan.nii")
        with open_stack(folder / "scan.nii", axis=axis, selection=Selection(at=place[1 - along])) as whole:
            part = whole.part(crop=crop, every=every)
            inside = (place[along] // every, place[2] - crop[0], place[3] - crop[1])
            labels = objects(part.shape, inside)
            check(Results(labels, part), inside, world, folder)
            if every == 1:
                kept = LabelStack(part.shape)
                kept.set(inside[0], labels[inside[0]])
                back = place_labels(kept, part.geometry)
                check(Results(back, whole), (place[along], *place[2:]), world, folder)
                # And as prompts, from a file of the part.
                export_results(Results(labels, part), "nifti", folder / "part.nii.gz")
                if axis == "z":
                    (prompt,) = read_label_prompts(folder / "part.nii.gz", whole)
                    assert (prompt.frame, *found(3 * prompt.mask)) == (place[1], *place[2:])


@many
@given(affine=affines(), where=places(3), has_depth=st.booleans())
def test_scans_through_napari(affine: np.ndarray, where: Any, has_depth: bool) -> None:
    shape, place, crop = where
    if not has_depth:
        shape, place = (1, *shape[1:]), (0, *place[1:])
    world = (affine @ (*place[::-1], 1))[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape[::-1], np.int16), affine), folder / "scan.nii")
        ((pixels, options, _),) = read_image(str(folder / "scan.nii"))
        layer = Image(np.asarray(pixels), **options)
        # What napari shows needs no slice that is oblique to the pixels.
        matrix = layer.affine.affine_matrix
        assert np.abs(matrix[0, 1:3]).max() < 1e-5
        assert np.abs(matrix[1:3, 0]).max() < 1e-5
        # Export of the widget: the layer's frames, also of a region.
        for region in (None, crop):
            space = frames_along(0, shape=shape, region=region)
            stack = make_stack(layer, space, axis=frame_kind(layer, 0) or "t")
            y0, x0 = space.crop[:2]
            inside = (place[0], place[1] - y0, place[2] - x0)
            check(Results(objects(stack.shape, inside), stack), inside, world, folder)
        # File > Save of labels that lie on it.
        mine = Labels(objects(shape, place), **transform_like(layer))
        mark_as_made_for(mine, layer)
        check(labels_results(*mine.as_layer_data_tuple()[:2]), place, world, folder)


def add_level(path: Path) -> None:
    """Add a level of every second pixel to an OME-Zarr image."""
    group = zarr.open_group(path, mode="r+")
    group.create_array("1", data=group["0"][:, ::2, ::2])
    said = dict(group.attrs["ome"])
    dataset = json.loads(json.dumps(said["multiscales"][0]["datasets"][0])) | {"path": "1"}
    first = dataset["coordinateTransformations"][0]
    first["scale"] = np.multiply(first["scale"], (1, 2, 2)).tolist()
    said["multiscales"][0]["datasets"].append(dataset)
    group.attrs["ome"] = said


@many
@given(
    scale=st.tuples(signed, signed, signed),
    translation=st.tuples(offset, offset, offset),
    units=st.sampled_from([("um",) * 3, ("s", "um", "um"), ("mm", "nm", "nm"), (None,) * 3]),
    where=places(3),
    axis=st.sampled_from("tz"),
)
def test_microscopes(scale: Any, translation: Any, units: Any, where: Any, axis: str) -> None:
    shape, place, crop = where
    axes = tuple(map(Axis, (axis, "y", "x"), shape, scale, translation, units))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack = Stack.from_array(np.zeros(shape, np.uint8), axis)
        stack.geometry = Geometry(axes, Selection(axis=axis))
        export_results(Results(objects(shape, place), stack), "ome-zarr", folder / "image.zarr")
        add_level(folder / "image.zarr")
        with open_stack(folder / "image.zarr") as whole:
            # Lengths may have been converted into the unit of the width.
            expected = whole.geometry.to_world(place)
            part = whole.part(crop=crop)
            inside = (place[0], place[1] - crop[0], place[2] - crop[1])
            np.testing.assert_allclose(part.geometry.taken().to_world(inside), expected, atol=1e-6)
            check(Results(objects(part.shape, inside), part), inside, None, folder)
            layer = Image(np.zeros(shape), axis_labels=(axis, "y", "x"), scale=scale, translate=translation)
            np.testing.assert_allclose(
                np.asarray(layer.data_to_world(place)), np.multiply(place, scale) + translation, atol=1e-6
            )
            with open_stack(folder / "image.zarr", selection=Selection(level=1)) as coarse:
                halved = (place[0], place[1] / 2, place[2] / 2)
                np.testing.assert_allclose(coarse.geometry.to_world(halved), expected, atol=1e-6)
                if place[1] % 2 == place[2] % 2 == 0:
                    (prompt,) = read_label_prompts(folder / "image.zarr", coarse)
                    assert (prompt.frame, *found(3 * prompt.mask)) == halved
            (prompt,) = read_label_prompts(folder / "image.zarr", whole)
            assert (prompt.frame, *found(3 * prompt.mask)) == place
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                (prompt,) = read_label_prompts(folder / "ome-zarr", whole)
            assert (prompt.frame, *found(3 * prompt.mask)) == place


transforms = st.fixed_dictionaries(
    {
        "scale": st.tuples(signed, signed, signed),
        "translate": st.tuples(offset, offset, offset),
        "rotate": st.sampled_from([None, 30.0, (20.0, -40.0, 75.0)]),
        "shear": st.sampled_from([None, (0.0, 0.0, 0.5)]),
    }
)


@many
@given(images=transforms, mine=transforms, where=places(3), other=places(3), seed=st.integers(0, 99))
def test_layers_of_the_user(images: Any, mine: Any, where: Any, other: Any, seed: int) -> None:
    shape, place, crop = where
    image = Image(np.zeros(shape), **images)
    world = image.data_to_world(place)
    # A point where the object is seen is a prompt on its pixel.
    points = Points(np.zeros((0, 3)), ndim=3, features=features_of([], []), **mine)
    points.feature_defaults = {"object": 3, "prompt": "positive"}
    points.add([points.world_to_data(world)])
    space = frames_along(0, shape=shape, region=crop)
    ((key, drawing),) = read_points(points, space, Placement.of(points, image)).items()
    assert (key.frame, key.object_id) == (place[0], 3)
    np.testing.assert_allclose(drawing.points[0][:2], (place[1] - crop[0], place[2] - crop[1]), atol=1e-5)
    # Labels on any grid: of every pixel, the one that napari says lies there.
    labels = Labels(np.random.default_rng(seed).integers(1, 50, other[0]), **mine)
    plane = labels_on_plane(labels, image, space, frame=place[0], point=(0, 0, 0))
    for row, column in np.ndindex(plane.shape):
        at = labels.world_to_data(image.data_to_world(space.position(place[0], row, column)))
        nearest = np.floor(np.asarray(at) + 0.5).astype(int)
        # A pixel on the border between two may go to either.
        if np.abs(at - nearest).max() > 0.499:
            continue
        inside = all(0 <= i < size for i, size in zip(nearest, other[0], strict=True))
        assert plane[row, column] == (labels.data[tuple(nearest)] if inside else 0)
