"""Prompts wear the colour of their object; whether a click is on it or off it is seen in its face and its symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points
from napari.utils.colormaps.standardize_color import transform_color

from .labels_layer import colour_of
from .layer_frames import is_own
from .points_and_shapes import NEGATIVE, owners_of, signs_of

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes
    from numpy.typing import NDArray

# Colours that differ by less are one: napari gives those of the next prompt in 8 bits.
_SEEN = 1 / 255


def colour_prompts(layer: Points | Shapes | None, labels: Labels | None, *, selected: int) -> None:
    """Give points of the widget's their borders, and shapes their edges, in the colours that the labels have."""
    if layer is None or labels is None or not is_own(layer):
        return
    wanted = _colours([owner or 0 for owner in owners_of(layer.features)], labels)
    mine = _colours([selected], labels)[0]
    if isinstance(layer, Points):
        # Setting anything makes napari draw the layer again, and the window with it.
        if not np.allclose(layer.border_color, wanted):
            layer.border_color = wanted
        symbols = ["x" if sign == NEGATIVE else "disc" for sign in signs_of(layer.features)]
        if [str(symbol) for symbol in layer.symbol] != symbols:
            layer.symbol = symbols
    elif not np.allclose(layer.edge_color, wanted):
        layer.edge_color = wanted
    _colour_next(layer, mine)


def _colour_next(layer: Points | Shapes, colour: NDArray[np.float64]) -> None:
    # All of napari's controls hear of it, although nothing is new.
    now = layer.current_border_color if isinstance(layer, Points) else layer.current_edge_color
    if np.allclose(transform_color(now)[0], colour, atol=_SEEN):
        return
    # The prompt made last is still selected, and keeps its colour.
    with layer.block_update_properties():
        if isinstance(layer, Points):
            layer.current_border_color = colour
        else:
            layer.current_edge_color = colour


def _colours(object_ids: list[int], labels: Labels) -> NDArray[np.float64]:
    """(N, 4) red, green, blue, alpha, 0 to 1; hidden objects keep their prompts in grey."""
    table = {object_id: colour_of(labels, object_id) for object_id in set(object_ids)}
    rgb = np.array([table[object_id] for object_id in object_ids], float).reshape(-1, 3) / 255
    return np.column_stack((rgb, np.ones(len(rgb))))
