"""Frames of a volume along each of its axes: where they lie in the layer, and what a session sees of them."""

from __future__ import annotations

import json
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.plugin.layers.layer_frames import (
    THROUGH_VOLUMES,
    LayerFrames,
    choosable_axes,
    frames_along,
    make_stack,
    volumes_of,
)
from napari_sam2.plugin.layers.placement import SCANNER_KEY
from napari_sam2.plugin.layers.viewing.sliders import (
    current_frame,
    current_space,
    go_to_frame,
    go_to_space,
    shows_planes,
    turn_view,
)

SHAPE = (4, 5, 6)


def volume(**options: object) -> Image:
    return Image(np.arange(4 * 5 * 6).reshape(SHAPE), axis_labels=("z", "y", "x"), name="plant", **options)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", ["plain", "rgb", "multiscale", "dask"])
def test_frames_are_the_planes_across_an_axis(axis: int, kind: str) -> None:
    whole = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(SHAPE)
    whole = np.stack([whole] * 3, axis=-1) if kind == "rgb" else whole
    data = {"multiscale": [whole, whole[:, ::2, ::2]], "dask": da.from_array(whole, chunks=2)}.get(kind, whole)
    image = Image(data, rgb=kind == "rgb", axis_labels=("z", "y", "x"))
    space = current_space(image, axis, ViewerModel())
    stack = make_stack(image, space, axis="z")
    for frame in range(SHAPE[axis]):
        np.testing.assert_array_equal(stack.read(frame), np.take(whole, frame, axis))
        np.testing.assert_array_equal(whole[space.index(frame)], np.take(whole, frame, axis))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_there_and_back(axis: int) -> None:
    space = frames_along(axis, shape=SHAPE, image="one")
    assert space.layer_shape == SHAPE
    assert space.layer_axis == axis
    assert sorted((axis, *space.plane_axes)) == [0, 1, 2]
    position = space.position(3, 1.5, 2.5)
    assert position[axis] == 3
    assert [position[i] for i in space.plane_axes] == [1.5, 2.5]
    assert space.frame_of(position) == 3
    assert space.frame_of(np.add(position, 9)) is None
    assert LayerFrames.from_json(json.loads(json.dumps(space.to_json()))) == frames_along(axis, shape=SHAPE)
    assert space.in_own_planes == frames_along(0, shape=SHAPE, image="one")


@pytest.mark.parametrize("order", [[0, 1], [0, 0, 1], [1, 2, 3], ["x", 1, 2], 7])
def test_a_damaged_order_is_refused(order: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        LayerFrames.from_json(frames_along(1, shape=SHAPE).to_json() | {"order": order})


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_viewer_is_turned_and_its_slider_moved(axis: int) -> None:
    viewer, image = ViewerModel(), volume(scale=(3, 0.5, 0.5), translate=(10, 20, 30))
    # One axis more than the image has.
    viewer.add_image(np.zeros((2, 9, 9, 9)))
    viewer.add_layer(image)
    space = frames_along(axis, shape=SHAPE, image=str(image.unique_id))
    turn_view(space, viewer)
    assert shows_planes(space, viewer)
    assert [i - 1 for i in viewer.dims.displayed] == list(space.plane_axes)
    go_to_frame(image, space, viewer, frame=2)
    assert current_frame(image, space, viewer) == 2
    go_to_space(image, space, viewer, frame=3)
    assert current_frame(image, space, viewer) == 3
    # Rows and columns exchanged are still these planes.
    *first, row, column = viewer.dims.order
    viewer.dims.order = (*first, column, row)
    turn_view(space, viewer)
    assert viewer.dims.order == (*first, column, row)


@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        (("z", "y", "x"), ["z", "y", "x"]),
        (("Depth", "row", "-1"), ["Depth", "row", "axis 2"]),
        (("t", "y", "x"), ["t"]),
        (("-3", "-2", "-1"), ["axis 0"]),
    ],
)
def test_axes_of_a_volume_can_be_chosen(labels: tuple[str, ...], axes: list[str]) -> None:
    assert [name for _, name in choosable_axes(Image(np.zeros(SHAPE), axis_labels=labels))] == axes


def test_frames_keep_their_sizes() -> None:
    stack = make_stack(volume(scale=(3, 0.5, 0.25), units=("um",) * 3), frames_along(1, shape=SHAPE), axis="z")
    assert stack.pixel_size == (3, 0.25)
    assert stack.step == 0.5
    assert stack.unit == "um"


@pytest.mark.parametrize("scanner", [None, [[0, 1, 0, 5], [1, 0, 0, 6], [0, 0, -1, 7], [0, 0, 0, 1]]])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_voxels_lie_where_they_did_in_the_scanner(axis: int, scanner: list[list[float]] | None) -> None:
    metadata = {SCANNER_KEY: np.eye(4).tolist() if scanner is None else scanner}
    image = volume(scale=(3, 0.5, 0.25), translate=(1, 2, 4), metadata=metadata)
    own = make_stack(image, frames_along(0, shape=SHAPE), axis="z").geometry
    space = frames_along(axis, shape=SHAPE)
    geometry = make_stack(image, space, axis="z").geometry
    there = np.array(geometry.affine) @ [4, 3, 2, 1]
    z, y, x = space.position(2, 3, 4)
    np.testing.assert_allclose(there, np.array(own.affine) @ [x, y, z, 1])


@pytest.mark.parametrize(
    ("labels", "shape", "offer"),
    [
        (("t", "z", "y", "x"), (3, 4, 5, 6), "time and depth"),
        (("depth", "time", "y", "x"), (3, 4, 5, 6), "time and depth"),
        (("a", "b", "y", "x"), (3, 4, 5, 6), "a (time) and b (depth)"),
        (("a", "t", "y", "x"), (3, 4, 5, 6), "t (time) and a (depth)"),
        (("t", "c", "y", "x"), (3, 4, 5, 6), None),
        (("t", "z", "y", "x"), (1, 4, 5, 6), None),
        (("t", "c", "z", "y", "x"), (3, 2, 4, 5, 6), "time and depth"),
        (("a", "b", "z", "y", "x"), (3, 2, 4, 5, 6), None),
        (("t", "y", "x"), (3, 5, 6), None),
    ],
)
def test_volumes_over_time_are_offered(labels: tuple[str, ...], shape: tuple[int, ...], offer: str | None) -> None:
    axes = dict(choosable_axes(Image(np.zeros(shape), axis_labels=labels)))
    assert axes.get(THROUGH_VOLUMES) == offer


@pytest.mark.parametrize("labels", [("t", "z", "y", "x"), ("z", "t", "y", "x"), ("t", "c", "z", "y", "x")])
def test_planes_of_volumes_lie_where_they_are(labels: tuple[str, ...]) -> None:
    sizes = {"t": 3, "z": 4, "c": 2, "y": 5, "x": 6}
    shape = tuple(sizes[label] for label in labels)
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    image, viewer = Image(data, axis_labels=labels, scale=np.arange(2, 2 + len(shape))), ViewerModel()
    viewer.add_layer(image)
    space = current_space(image, THROUGH_VOLUMES, viewer)
    assert (space.n_frames, space.n_planes, space.choice) == (12, 4, THROUGH_VOLUMES)
    stack = make_stack(image, space, axis="t")
    assert (stack.shape, stack.n_planes) == ((12, 5, 6), 4)
    for frame in range(12):
        time, plane = divmod(frame, 4)
        at = {"t": time, "z": plane, "c": 0}
        wanted = data[tuple(at[label] for label in labels[:-2])]
        np.testing.assert_array_equal(stack.read(frame), wanted)
        np.testing.assert_array_equal(data[space.index(frame)], wanted)
        assert space.frame_of(space.position(frame, 1, 2)) == frame
        go_to_frame(image, space, viewer, frame=frame)
        assert current_frame(image, space, viewer) == frame
        assert space.named(frame) == f"t {time}, z {plane}"
    assert space.frame_of(np.add(space.position(0, 1, 2), 9)) is None
    assert current_space(image, space.choice, viewer) == space
    assert LayerFrames.from_json(json.loads(json.dumps(space.to_json()))) == replace(space, image="")
    volumes = volumes_of(image, space, stack)
    assert volumes is not None
    assert volumes.shape == (3, 4, 5, 6)
    assert [axis.scale for axis in volumes.axes] == [image.scale[labels.index(name)] for name in "tzyx"]
    np.testing.assert_array_equal(volumes.volume(2).read(3), stack.read(11))


@pytest.mark.parametrize("over", [1, 2, -1, "t", True])
def test_a_damaged_axis_of_time_is_refused(over: object) -> None:
    said = frames_along(1, (0,), shape=(3, 4, 5, 6)).to_json()
    with pytest.raises(ValueError, match="axis"):
        LayerFrames.from_json(said | {"over": over})
