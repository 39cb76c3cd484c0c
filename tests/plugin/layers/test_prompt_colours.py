"""Colours of objects, and prompts that wear them."""

from __future__ import annotations

import numpy as np
from napari.layers import Image
from skimage.color import rgb2lab

from napari_sam2.plugin.layers.labels_layer import colour_of, new_labels_layer
from napari_sam2.plugin.layers.layer_frames import frames_along
from napari_sam2.plugin.layers.points_and_shapes import new_points_layer, new_shapes_layer
from napari_sam2.plugin.layers.prompt_colours import colour_prompts

IMAGE = Image(np.zeros((4, 40, 40)), name="image")
N_COLOURS = 60
# In CIELAB, where 10 is easily seen.
FROM_ANY, FROM_NEIGHBOURS, NEIGHBOURS = 15, 24, 6


def test_sixty_objects_differ_and_neighbours_most() -> None:
    labels = new_labels_layer(IMAGE, frames_along(0, shape=(4, 40, 40)), object_id=1)
    colours = [colour_of(labels, object_id) for object_id in range(1, N_COLOURS + 1)]
    lab = rgb2lab(np.array(colours)[None] / 255)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 999 * np.eye(N_COLOURS)
    assert apart.min() > FROM_ANY
    near = [apart[i, (i + step) % N_COLOURS] for i in range(N_COLOURS) for step in range(1, NEIGHBOURS + 1)]
    assert min(near) > FROM_NEIGHBOURS


def test_prompts_wear_the_colour_of_their_object() -> None:
    labels = new_labels_layer(IMAGE, frames_along(0, shape=(4, 40, 40)), object_id=1)
    points, shapes = new_points_layer(IMAGE, object_id=1), new_shapes_layer(IMAGE, object_id=1)
    for object_id, sign in ((1, "positive"), (2, "negative")):
        points.feature_defaults = {"object": object_id, "prompt": sign}
        points.add([(0, 5 * object_id, 5)])
        shapes.feature_defaults = {"object": object_id}
        shapes.add(np.array([(0, 1, 1), (0, 1, 9), (0, 9, 9), (0, 9, 1)]), shape_type="rectangle")
    for layer in (points, shapes):
        colour_prompts(layer, labels, selected=2)
    wanted = np.array([[*colour_of(labels, object_id), 255] for object_id in (1, 2)]) / 255
    np.testing.assert_allclose(points.border_color, wanted, atol=1e-6)
    np.testing.assert_allclose(shapes.edge_color, wanted, atol=1e-6)
    # On and off the object are told apart by more than a colour.
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x"]
    assert points.current_border_color is not None
    points.add([(0, 20, 20)])
    np.testing.assert_allclose(points.border_color[-1], wanted[1], atol=1e-6)


def test_layers_that_are_not_there_are_passed_over() -> None:
    colour_prompts(None, None, selected=1)
    colour_prompts(new_points_layer(IMAGE, object_id=1), None, selected=1)
