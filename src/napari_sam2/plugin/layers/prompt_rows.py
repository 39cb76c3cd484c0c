"""Prompts of one stack as plain rows, for the session folder and for rebuilding the layers and undo steps from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .points_and_shapes import (
    NEGATIVE,
    POSITIVE,
    PROMPT,
    LayerContent,
    features_of,
    kinds_of,
    owners_of,
    read_points,
    read_shapes,
)
from .prompt_spec import PromptKey, PromptSpec, merge
from .session_layers import LayersContent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari.layers import Points, Shapes

    from napari_sam2.data.prompts.prompt import Prompt

    from .layer_frames import LayerFrames

# Pixel centres lie on whole numbers in napari, and a box of prompts ends where its pixels end.
_HALF = 0.5


class PointRow(NamedTuple):
    """A point; y and x are in pixels of the layer's planes, also where a region is tracked."""

    frame: int
    object_id: int
    y: float
    x: float
    positive: bool

    @property
    def place(self) -> PromptKey:
        """The frame and object that it is about."""
        return PromptKey(self.frame, self.object_id)


class ShapeRow(NamedTuple):
    """A shape of napari's, its corners (y, x) in pixels of the layer's planes."""

    frame: int
    object_id: int
    kind: str
    corners: tuple[tuple[float, float], ...]

    @property
    def place(self) -> PromptKey:
        """The frame and object that it is about."""
        return PromptKey(self.frame, self.object_id)


@dataclass(frozen=True)
class PromptRows:
    """All prompts of one stack; never changed, every method returns new rows."""

    # Rows in the order of their layers.
    points: tuple[PointRow, ...] = ()
    shapes: tuple[ShapeRow, ...] = ()
    # Masks that no shape stands for, in pixels of the stack's frames.
    painted: Mapping[PromptKey, PromptSpec] = field(default_factory=dict)

    @classmethod
    def read(
        cls, points: Points | LayerContent | None, shapes: Shapes | LayerContent | None, space: LayerFrames
    ) -> PromptRows:
        """Read the rows of prompt layers, in coordinates of the image, that lie on a stack's planes."""
        point_rows, shape_rows = [], []
        if points is not None:
            signs = points.features[PROMPT].astype(str)
            for position, owner, sign in zip(points.data, owners_of(points.features), signs, strict=True):
                frame = space.frame_of(position)
                if frame is not None and owner is not None:
                    y, x = float(position[-2]), float(position[-1])
                    point_rows.append(PointRow(frame, owner, y, x, sign != NEGATIVE))
        if shapes is not None:
            for corners, kind, owner in zip(shapes.data, kinds_of(shapes), owners_of(shapes.features), strict=True):
                frame = space.frame_of(corners[0])
                if frame is not None and owner is not None:
                    flat = tuple((float(y), float(x)) for y, x in np.asarray(corners)[:, -2:])
                    shape_rows.append(ShapeRow(frame, owner, kind, flat))
        return cls(tuple(point_rows), tuple(shape_rows))

    def without(self, *, place: PromptKey | None = None, object_id: int | None = None) -> PromptRows:
        """Leave out the prompts at a place, or all of an object."""

        def stays(row_place: PromptKey) -> bool:
            return row_place != place and row_place.object_id != object_id

        return PromptRows(
            tuple(row for row in self.points if stays(row.place)),
            tuple(row for row in self.shapes if stays(row.place)),
            {at: wish for at, wish in self.painted.items() if stays(at)},
        )

    def replaced(self, prompt: Prompt, space: LayerFrames) -> PromptRows:
        """Put a prompt of the session in place of the rows about the same object and frame."""
        place, wish = PromptKey(prompt.frame, prompt.object_id), PromptSpec.of(prompt)
        top, left = space.crop[:2]
        rest = self.without(place=place)
        points = tuple(PointRow(*place, y + top, x + left, label == 1) for y, x, label in wish.points)
        shapes: tuple[ShapeRow, ...] = ()
        if wish.box is not None:
            y0, x0, y1, x1 = np.array(wish.box) - _HALF + (top, left, top, left)
            corners = ((y0, x0), (y0, x1), (y1, x1), (y1, x0))
            shapes = (ShapeRow(*place, "rectangle", tuple((float(y), float(x)) for y, x in corners)),)
        painted = {} if prompt.mask is None else {place: PromptSpec().with_mask(prompt.mask)}
        return PromptRows(rest.points + points, rest.shapes + shapes, {**rest.painted, **painted})

    def agreeing(self, prompts: Iterable[Prompt], space: LayerFrames) -> PromptRows:
        """Keep rows that agree with the session's prompts, and put the prompts in place of rows that do not."""
        said, wishes = self, self.wishes(space)
        for prompt in prompts:
            wish = wishes.get(PromptKey(prompt.frame, prompt.object_id))
            if wish is None or not _tells(wish, prompt):
                said = said.replaced(prompt, space)
        return said

    def completed(self, prompts: Iterable[Prompt], space: LayerFrames) -> PromptRows:
        """Add the session's prompts about objects and frames that have no rows."""
        said, wishes = self, self.wishes(space)
        for prompt in prompts:
            if PromptKey(prompt.frame, prompt.object_id) not in wishes:
                said = said.replaced(prompt, space)
        return said

    def wishes(self, space: LayerFrames) -> dict[PromptKey, PromptSpec]:
        """Read the rows into prompt specs, exactly as the layers made of them are read."""
        # By way of the layers' content, since the same code must read both: specs that differ in a digit would be
        # applied anew.
        content = self.content(space)
        assert content.points is not None
        assert content.shapes is not None
        return merge([self.painted, read_points(content.points, space), read_shapes(content.shapes, space)])

    def content(self, space: LayerFrames) -> LayersContent:
        """Make the content of the layers."""
        n_axes = len(space.shape)
        # The types that napari's layers keep, so that what is read from them is the same again.
        points = np.array([(*space.plane(row.frame), row.y, row.x) for row in self.points], float).reshape(-1, n_axes)
        outlines = [
            np.array([(*space.plane(row.frame), y, x) for y, x in row.corners], np.float32) for row in self.shapes
        ]
        signs = [POSITIVE if row.positive else NEGATIVE for row in self.points]
        return LayersContent(
            LayerContent(points, features_of([row.object_id for row in self.points], signs)),
            LayerContent(
                outlines,
                features_of([row.object_id for row in self.shapes]),
                tuple(row.kind for row in self.shapes),
            ),
            {(space, place): wish for place, wish in self.painted.items()},
        )


def _tells(wish: PromptSpec, prompt: Prompt) -> bool:
    """Whether a prompt spec is what a prompt of the session was made from."""
    known = PromptSpec.of(prompt)
    # The session keeps no mask that was refined by points or a box, so a layer may show one all the same.
    refines = bool(wish.points) or wish.box is not None
    if prompt.mask is None:
        same_mask = refines or not wish.has_mask
    else:
        same_mask = wish.has_mask and np.array_equal(np.asarray(wish.mask), prompt.mask)
    return same_mask and _near(wish.points, known.points) and _near(wish.box or (), known.box or ())


def _near(these: Any, those: Any) -> bool:
    first, second = np.asarray(these, float), np.asarray(those, float)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=0, atol=1e-3))
