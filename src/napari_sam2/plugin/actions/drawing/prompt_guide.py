"""Says what a prompt is taken for that lies apart from the object it is given to, before the object's mask is lost.

A box apart from all prompts about the object on the frame is about another object: who draws one box after the other
means one object after the other. A click or a line far from the object may well be a second part of it, so it stays
with it; the user is told how to have it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from qtpy.QtCore import QObject, Signal

from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, DrawnShape, PromptKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.state.object_names import ObjectNames

# (y0, x0, y1, x1) in pixels of the stack's frames.
Box = tuple[float, float, float, float]


class PromptGuide(QObject):
    """Looks at prompts that were drawn, before the session hears of them."""

    # With a line for the user, empty where there is nothing to say.
    said = Signal(str)

    def __init__(self, controller: Controller, objects: ObjectNames, select: Callable[[int], None]) -> None:
        super().__init__()
        self._controller = controller
        self._layers = controller.layers
        self._objects = objects
        self._select = select
        self._layers.drawn.connect(self._look_at)

    def _look_at(self, layer: Points | Shapes, n_rows: int) -> None:
        space, text = self._layers.space, ""
        # One at a time is what a hand does; a script or a paste of many knows what it wants.
        if space is None or n_rows != 1 or not len(layer.data):
            return
        key, row = self._layers.last_drawn(layer)
        earlier = None if key is None else self._controller.edits.prompts.drawings.get(key)
        size = space.stack_shape[1:]
        if key is not None and earlier is not None and isinstance(row, DrawnPoint):
            text = self._points_drawn(key, [row], earlier) if row.label else ""
        elif key is not None and earlier is not None and isinstance(row, DrawnShape):
            box = row.box(size)
            if row.prompt_kind == "box" and box is not None:
                text = self._box_drawn(layer, key, box, earlier)
            elif row.prompt_kind == "line":
                text = self._points_drawn(key, row.clicks(size), earlier)
        self.said.emit(text)

    @property
    def _size(self) -> tuple[int, int]:
        assert self._layers.space is not None
        return self._layers.space.stack_shape[1:]

    def _box_drawn(self, layer: Any, place: PromptKey, box: Box, earlier: Drawing) -> str:
        name = self._objects.name_of(place.object_id)
        known = _reaches(earlier, self._size)
        other = self._objects.next_id()
        if not known or any(_meet(box, place) for place in known) or not self._layers.give_last(layer, other):
            return (
                "" if earlier.box(self._size) is None else f"The new box of {name} takes the place of the one before."
            )
        self._select(other)
        return f"Taken as another object, {self._objects.name_of(other)}: the box lies apart from {name}."

    def _points_drawn(self, place: PromptKey, clicks: Sequence[DrawnPoint], earlier: Drawing) -> str:
        known, crop = _reaches(earlier, self._size), self._layers.space.crop if self._layers.space else (0, 0)
        row = self._controller.results.table.get(place.frame, place.object_id)
        if row is not None and row.bbox is not None:
            y0, x0, y1, x1 = row.bbox
            known.append((y0 - crop[0], x0 - crop[1], y1 - crop[0], x1 - crop[1]))
        points = [(y, x, y, x) for y, x, _ in clicks]
        if not known or any(_meet(point, _grown(box)) for point in points for box in known):
            return ""
        name = self._objects.name_of(place.object_id)
        return f"Taken as a part of {name}, though far from it. For another object: Undo, New object (N), then click."


def _reaches(drawing: Drawing, size: tuple[int, int]) -> list[Box]:
    """Boxes around all prompts that say where an object is; clicks beside it do not."""
    boxes: list[Box] = [(y, x, y, x) for y, x, positive in drawing.clicks(size) if positive]
    for shape in drawing.shapes:
        if shape.prompt_kind == "outline":
            (y0, x0), (y1, x1) = np.min(shape.corners, axis=0).tolist(), np.max(shape.corners, axis=0).tolist()
            boxes.append((y0, x0, y1, x1))
    # Only what was painted: filling outlines takes long on large frames.
    painted = Drawing(painted=drawing.painted).mask(size)
    if painted is not None and painted.any():
        rows, columns = bounding_box(painted)
        boxes.append((rows.start, columns.start, rows.stop, columns.stop))
    box = drawing.box(size)
    return boxes if box is None else [*boxes, box]


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _grown(box: Box) -> Box:
    """A box three times as large, around the same middle."""
    height, width = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    return box[0] - height, box[1] - width, box[2] + height, box[3] + width
