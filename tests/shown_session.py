"""What a widget's session has and its layers show, as plain values, and that both are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

Prompts = dict[tuple[int, int], list[Any]]


def drawn(desk: Any) -> Prompts:
    """Clicks and shapes of the session, by frame and object, rounded."""
    found: Prompts = {}
    for key, drawing in desk.widget.controller.engine.drawings().items():
        clicks = [(round(y), round(x), label) for y, x, label in drawing.points]
        found[tuple(key)] = clicks + [shape.kind for shape in drawing.shapes]
    return found


def shown(desk: Any) -> tuple[Prompts, Prompts]:
    """Clicks and shapes of the layers in use."""
    points: Prompts = {}
    shapes: Prompts = {}
    layers = desk.widget.layers
    if layers.points is not None:
        features = layers.points.features
        for (t, y, x), owner, sign in zip(
            layers.points.data, features["object"], features["prompt"].astype(str), strict=True
        ):
            points.setdefault((round(t), int(owner)), []).append((round(y), round(x), int(sign == "positive")))
    if layers.shapes is not None:
        owners = layers.shapes.features["object"]
        for corners, kind, owner in zip(layers.shapes.data, layers.shapes.shape_type, owners, strict=True):
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
        if layer is not None:
            # Their order in a layer is nobody's business.
            assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in of_kind[kind].items()}
    if layers.labels is not None:
        np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())
    return prompts, desk.widget.session.labels.to_array().astype(np.uint32).tobytes()
