"""What a widget's session has and its layers show, as plain values, and that both are the same."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_sam2.plugin.layers.layer_frames import is_made_for

Prompts = dict[tuple[int, int], list[Any]]


def drawn(desk: Any) -> Prompts:
    """Clicks and shapes of the session, by frame and object, rounded."""
    found: Prompts = {}
    for key, drawing in desk.widget.controller.engine.drawings().items():
        clicks = [(round(y), round(x), label) for y, x, label in drawing.points]
        found[tuple(key)] = clicks + [shape.kind for shape in drawing.shapes]
    return found


def shown(desk: Any) -> tuple[Prompts, Prompts]:
    """Clicks and shapes of the widget's own layers in use, as far as they lie on frames of the image."""
    points: Prompts = {}
    shapes: Prompts = {}
    layers = desk.widget.layers
    n_frames = layers.space.n_frames
    if layers.points is not None and is_made_for(layers.points, layers.image):
        features = layers.points.features
        for (t, y, x), owner, sign in zip(
            layers.points.data, features["object"], features["prompt"].astype(str), strict=True
        ):
            if t < n_frames:
                points.setdefault((round(t), int(owner)), []).append((round(y), round(x), int(sign == "positive")))
    if layers.shapes is not None and is_made_for(layers.shapes, layers.image):
        owners = layers.shapes.features["object"]
        for corners, kind, owner in zip(layers.shapes.data, layers.shapes.shape_type, owners, strict=True):
            if corners[0][0] < n_frames:
                shapes.setdefault((round(corners[0][0]), int(owner)), []).append(str(kind))
    return points, shapes


def check_agreement(desk: Any) -> tuple[Prompts, bytes]:
    """Session and layers say the same; returns what they say."""
    desk.settle()
    layers, prompts = desk.widget.layers, drawn(desk)
    of_kind = {
        kind: {key: rows for key, all_rows in prompts.items() if (rows := [r for r in all_rows if type(r) is kind])}
        for kind in (tuple, str)
    }
    for layer, found, kind in zip((layers.points, layers.shapes), shown(desk), (tuple, str), strict=True):
        # What is undone stays in a layer of the user's own.
        if layer is not None and is_made_for(layer, layers.image):
            # Their order in a layer is nobody's business.
            assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in of_kind[kind].items()}
    if layers.labels is not None:
        np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())
    return prompts, desk.widget.session.labels.to_array().astype(np.uint32).tobytes()


# What a layer has besides the state that it is made from.
_ASIDE = ("selected_data", "mode", "selected_label", "preserve_labels", "current_face_color", "current_border_color")


def everything_of(layer: Any) -> dict[str, str]:
    """All that there is to a layer, as values that can be compared."""
    aside = {name: getattr(layer, name, None) for name in (*_ASIDE, "current_edge_color", "feature_defaults", "keymap")}
    state = {**layer._get_state(), **aside, "data": layer.data}
    if isinstance(state.get("colormap"), CyclicLabelColormap):
        # napari 0.9.2 gives a duplicate the same object, in which it keeps what is selected in either layer.
        state["colormap"] = state["colormap"].colors
    with np.printoptions(threshold=sys.maxsize):
        return {name: repr(value) for name, value in state.items()}
