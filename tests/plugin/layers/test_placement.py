"""Layers of the user's own, whose scale, translation or turn is not the image's: related as they are seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points
from napari.utils.notifications import notification_manager

from many_examples import examples
from napari_sam2.plugin.layers.labels_layer import labels_on_plane
from napari_sam2.plugin.layers.layer_frames import frames_along
from napari_sam2.plugin.layers.placement import SCANNER_KEY, Placement, UnrelatedError

if TYPE_CHECKING:
    from conftest import Desk

SHAPE = (3, 20, 24)
MOVED: dict[str, Any] = {"scale": (2, 0.5, 0.25), "translate": (0, 30, -40)}


def blocks() -> np.ndarray:
    """Labels that differ everywhere by frame and quarter."""
    labels = np.zeros(SHAPE, np.uint16)
    for frame in range(3):
        labels[frame, :10, :12], labels[frame, 10:, :12] = 4 * frame + 1, 4 * frame + 2
        labels[frame, :10, 12:], labels[frame, 10:, 12:] = 4 * frame + 3, 4 * frame + 4
    return labels


transforms = st.fixed_dictionaries(
    {
        "scale": st.lists(st.sampled_from([-2.0, -0.5, 0.25, 1.0, 3.0]), min_size=3, max_size=3),
        "translate": st.lists(st.integers(-50, 50), min_size=3, max_size=3),
        "rotate": st.sampled_from([None, 30.0, (20.0, -40.0, 75.0)]),
        "shear": st.sampled_from([None, (0.0, 0.0, 0.5)]),
        "affine": st.sampled_from([None, np.diag([2.0, -1, 1, 1])]),
        "units": st.sampled_from([None, ("um", "um", "um"), ("um", "mm", "nm")]),
    }
)


# 2026-11: napari says that it shows turned volumes only roughly.
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
@examples(50)
@given(mine=transforms, images=transforms, place=st.tuples(*(st.floats(-5, 30) for _ in range(3))))
def test_a_place_of_a_layer_is_that_of_the_image_where_it_is_seen(mine: Any, images: Any, place: Any) -> None:
    layer, image = Points(np.zeros((1, 3)), ndim=3, **mine), Image(np.zeros(SHAPE), **images)
    (found,) = Placement.of(layer, image)([place])
    # In numbers of the image's units, where all can be converted, as napari draws them.
    pairs = list(zip(layer.units, image.units, strict=True))
    known = all(one.is_compatible_with(other) for one, other in pairs)
    factors = [(1 * one).to(other).magnitude if known else 1 for one, other in pairs]
    np.testing.assert_allclose(
        image.data_to_world(found), np.multiply(layer.data_to_world(place), factors), rtol=1e-6, atol=1e-6
    )


def test_axes_that_ask_no_question() -> None:
    frames = Image(np.zeros(SHAPE), **MOVED)
    one = Image(np.zeros((1, *SHAPE[1:])))
    flat = Points(np.array([[4.0, 5.0]]), name="flat")
    np.testing.assert_array_equal(Placement.of(flat, one)(flat.data), [[0, 4, 5]])
    with pytest.raises(UnrelatedError, match=r"flat has 2 axes and .* 3"):
        Placement.of(flat, frames)
    with pytest.raises(UnrelatedError, match="4 axes"):
        Placement.of(Points(np.zeros((1, 4))), frames)


def test_scans_that_are_oblique_against_each_other() -> None:
    tilted = np.eye(4)
    tilted[1, 2] = 0.1
    scan = Image(np.zeros(SHAPE), metadata={SCANNER_KEY: np.eye(4).tolist()})
    other = Labels(blocks(), name="other", metadata={SCANNER_KEY: tilted.tolist()})
    with pytest.raises(UnrelatedError, match="other is tilted against"):
        Placement.of(other, scan)
    assert Placement.of(Labels(blocks()), scan).is_same_grid(SHAPE)


def test_labels_of_another_grid_by_the_nearest_pixel() -> None:
    image = Image(np.zeros(SHAPE), **MOVED)
    space = frames_along(0, shape=SHAPE, region=(4, 6, 18, 22))
    expected = blocks()[1, 4:18, 6:22]
    finer = Labels(np.kron(blocks(), np.ones((1, 2, 2), int)), scale=(2, 0.25, 0.125), translate=(0, 29.875, -40.0625))
    turned = Labels(
        blocks()[:, ::-1].transpose(0, 2, 1), affine=[[2, 0, 0, 0], [0, 0, -0.5, 39.5], [0, 0.25, 0, -40], [0, 0, 0, 1]]
    )
    more = Labels(
        np.stack([np.zeros_like(blocks()), blocks()]), scale=(1, *MOVED["scale"]), translate=(0, *MOVED["translate"])
    )
    flat = Labels(blocks()[1], scale=MOVED["scale"][1:], translate=MOVED["translate"][1:])
    for labels in (Labels(blocks(), **MOVED), finer, turned, more, flat):
        plane = labels_on_plane(labels, image, space, frame=1, point=(1, 2, 0, 0)[-max(3, labels.ndim) :])
        np.testing.assert_array_equal(plane, expected)
    away = Labels(blocks(), scale=MOVED["scale"])
    assert not labels_on_plane(away, image, space, frame=1, point=(2, 0, 0)).any()


@pytest.fixture
def moved(open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path) -> Desk:
    """A viewer whose image is scaled and moved."""
    desk = open_desk(frames, scale=(1, 0.5, 0.5), translate=(0, 30, 40), checkpoint=checkpoint)
    return desk


def test_points_and_shapes_are_prompts_where_they_are_seen(moved: Desk) -> None:
    points = moved.viewer.add_points([[2, 40, 50]], name="mine")
    moved.widget.panel.points_layer.choose(points)
    moved.settle()
    (prompt,) = moved.widget.session.prompts
    assert (prompt.frame, prompt.points.tolist()) == (2, [[20, 20]])
    # A layer that is turned by a quarter: rows run to the left.
    corners = np.array([[0, 0, 0], [0, 0, 10], [0, 8, 10], [0, 8, 0]])
    turned = moved.viewer.add_shapes([corners], affine=[[1, 0, 0, 0], [0, 0, 1, 35], [0, -1, 0, 60], [0, 0, 0, 1]])
    moved.widget.panel.shapes_layer.choose(turned)
    moved.settle()
    box = next(prompt.box for prompt in moved.widget.session.prompts if prompt.frame == 0)
    np.testing.assert_allclose(box, (10.5, 24.5, 30.5, 40.5))
    # A layer that is moved takes its prompts along.
    points.translate = (1, 0, 5)
    moved.settle()
    prompt = next(prompt for prompt in moved.widget.session.prompts if prompt.points is not None)
    assert (prompt.frame, prompt.points.tolist()) == (3, [[20, 30]])
    # Undo takes back what the session was given; a layer of the user's own stays as it is.
    points.add([[2, 35, 45]])
    moved.settle()
    assert [prompt.points.tolist() for prompt in moved.widget.session.prompts if prompt.points is not None] == [
        [[20, 30], [10, 20]]
    ]
    moved.press("undo")
    moved.settle()
    assert [prompt.points.tolist() for prompt in moved.widget.session.prompts if prompt.points is not None] == [
        [[20, 30]]
    ]
    np.testing.assert_array_equal(points.data, [[2, 40, 50], [2, 35, 45]])


def test_layers_made_for_an_image_go_with_it(moved: Desk) -> None:
    moved.press("new_object")
    moved.widget.layers.need_points().add([[0, 20, 20]])
    moved.widget.images.set_region((4, 4, 40, 44))
    moved.settle()
    before = moved.widget.session
    moved.viewer.layers["image"].scale = (1, 0.2, 0.3)
    moved.settle()
    for name in ("clicks", "objects"):
        np.testing.assert_allclose(moved.viewer.layers[f"image: {name}"].scale, (1, 0.2, 0.3))
    region = moved.viewer.layers["image: region"]
    np.testing.assert_allclose(region.data_to_world(region.data[0][0]), (30 + 3.5 * 0.2, 40 + 3.5 * 0.3))
    assert moved.widget.session is before
    assert moved.widget.session.prompts[0].points.tolist() == [[16, 16]]


def test_a_region_counts_where_it_is_seen(moved: Desk) -> None:
    moved.press("draw_region")
    layer = moved.viewer.layers["image: region"]
    layer.affine = np.eye(3)
    layer.add_rectangles(np.array([[31.75, 42.75], [31.75, 59.75], [49.75, 59.75], [49.75, 42.75]]))
    moved.settle()
    assert moved.widget.images.region == (4, 6, 40, 40)


def test_labels_are_taken_where_they_are_seen(moved: Desk) -> None:
    # Pixels of the world's unit, at its origin.
    mine = np.zeros((12, 60, 80), np.uint8)
    mine[0, 35:45, 50:60] = 7
    source = moved.viewer.add_labels(mine, name="nuclei")
    moved.widget.panel.source_labels.choose(source)
    moved.press("take_labels")
    moved.settle()
    (prompt,) = moved.widget.session.prompts
    rows, columns = np.nonzero(prompt.mask)
    # Ends of the pixels of 0.5 that lie nearest to the labels' pixels.
    assert (prompt.object_id, rows.min(), rows.max(), columns.min(), columns.max()) == (7, 9, 28, 19, 38)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
def test_a_layer_that_cannot_be_related_is_refused_with_the_reason(moved: Desk) -> None:
    layers = moved.viewer.layers
    panel = moved.widget.panel
    said: list[str] = []
    notification_manager.notification_ready.connect(lambda note: said.append(note.message))
    elsewhere = moved.viewer.add_labels(np.zeros((12, 48, 56), np.uint16), name="elsewhere")
    panel.labels_layer.choose(elsewhere)
    flat = moved.viewer.add_points([[1, 2]], name="flat")
    panel.points_layer.choose(flat)
    tilted = moved.viewer.add_shapes(
        [np.zeros((4, 3))],
        name="tilted",
        rotate=(0, 0, 0),
        affine=[[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    )
    panel.shapes_layer.choose(tilted)
    assert [one.split()[0] for one in said] == ["elsewhere", "flat", "tilted"]
    assert all("\n" not in one for one in said)
    assert [combo.layer for combo in panel.combos[1:4]] == [None] * 3
    assert [combo.toolTip().splitlines()[1].split()[2] for combo in panel.combos[1:4]] == [
        "flat",
        "tilted",
        "elsewhere",
    ]
    # One that lay on the image, until it was moved: results go into a new one.
    image = layers["image"]
    mine = moved.viewer.add_labels(
        np.zeros((12, 48, 56), np.uint16), name="mine", scale=image.scale, translate=image.translate
    )
    panel.labels_layer.choose(mine)
    assert moved.widget.layers.labels is mine
    mine.translate = (0, 0, 0)
    moved.settle()
    assert moved.widget.layers.labels is None
    moved.widget.layers.need_points().add([[0, 20, 20]])
    moved.settle()
    assert moved.widget.layers.labels not in (None, mine)
    assert not np.asarray(mine.data).any()
