"""Points and Shapes layers of prompts: made, read as drawings, and made to show drawings."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes

from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, DrawnShape, PromptKey, is_inside

from .layer_frames import mark_as_made_for
from .layer_geometry import transform_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from napari.layers import Image

    from .layer_frames import LayerFrames
    from .placement import Placement

    Drawings = Mapping[PromptKey, Drawing]

# Features of the layers, by which the user sees and may change what a prompt is about.
OBJECT, PROMPT = "object", "prompt"
POSITIVE, NEGATIVE = "positive", "negative"
# Told apart with any kind of colour vision.
PROMPT_COLOURS = {POSITIVE: "#3ddc84", NEGATIVE: "#ff4f81"}
_SHAPE_COLOUR = "#ffd166"


def new_points_layer(image: Image, *, object_id: int) -> Points:
    """Make an empty Points layer on top of an image layer."""
    layer = Points(
        np.empty((0, image.ndim)),
        name=f"{image.name}: clicks",
        ndim=image.ndim,
        features=features_of([], []),
        size=_point_size(image),
        border_color="white",
        border_width=0.12,
        **transform_like(image),
    )
    mark_as_made_for(layer, image)
    layer.feature_defaults = {OBJECT: object_id, PROMPT: POSITIVE}
    colour_by_sign(layer)
    return layer


def new_shapes_layer(image: Image, *, object_id: int) -> Shapes:
    """Make an empty Shapes layer on top of an image layer."""
    layer = Shapes(
        ndim=image.ndim,
        name=f"{image.name}: shapes",
        features=features_of([]),
        edge_color=_SHAPE_COLOUR,
        edge_width=max(0.5, _point_size(image) / 6),
        face_color="transparent",
        **transform_like(image),
    )
    mark_as_made_for(layer, image)
    layer.feature_defaults = {OBJECT: object_id}
    return layer


def colour_by_sign(layer: Points) -> None:
    """Colour points by whether they are on or off the object."""
    layer.face_color_cycle = dict(PROMPT_COLOURS)
    layer.face_color = PROMPT
    layer.face_color_mode = "cycle"
    # Sets what the next point looks like, which the mode alone does not.
    layer.refresh_colors()


def set_next(layer: Points | Shapes, object_id: int, sign: str | None = None) -> None:
    """Say which object, and on or off it, the next points or shapes are about."""
    defaults: dict[str, Any] = {OBJECT: object_id}
    if isinstance(layer, Points):
        defaults[PROMPT] = sign or next_sign(layer)
    layer.feature_defaults = defaults
    if isinstance(layer, Points):
        # The point clicked last is still selected, and keeps its colour.
        with layer.block_update_properties():
            layer.current_face_color = PROMPT_COLOURS[defaults[PROMPT]]


def next_sign(layer: Points) -> str:
    """Whether the next point will be on or off the object."""
    defaults = layer.feature_defaults
    value = str(defaults[PROMPT].iloc[0]) if PROMPT in defaults and len(defaults) else POSITIVE
    return value if value in PROMPT_COLOURS else POSITIVE


def last_row(
    layer: Points | Shapes, space: LayerFrames, placement: Placement, *, owners: Sequence[int] = ()
) -> tuple[PromptKey | None, DrawnPoint | DrawnShape]:
    """Read the last point or shape of a layer that has any."""
    rows: Iterator[tuple[PromptKey | None, DrawnPoint | DrawnShape]] = (
        rows_of_points(layer, space, placement, owners, first=-1)
        if isinstance(layer, Points)
        else rows_of_shapes(layer, space, placement, owners)
    )
    return list(rows)[-1]


def read_points(
    points: Points, space: LayerFrames, placement: Placement, *, owners: Sequence[int] = ()
) -> dict[PromptKey, Drawing]:
    """Read the clicks on a stack's frames; those outside the frames are passed over.

    ``owners`` are the objects of the rows, for a layer that does not name them.
    """
    found: dict[PromptKey, list[DrawnPoint]] = {}
    for key, point in rows_of_points(points, space, placement, owners):
        if key is not None:
            found.setdefault(key, []).append(point)
    return {key: Drawing(points=tuple(rows)) for key, rows in found.items()}


def read_shapes(
    shapes: Shapes, space: LayerFrames, placement: Placement, *, owners: Sequence[int] = ()
) -> dict[PromptKey, Drawing]:
    """Read the shapes on a stack's frames; those outside the frames are passed over."""
    found: dict[PromptKey, list[DrawnShape]] = {}
    for key, shape in rows_of_shapes(shapes, space, placement, owners):
        if key is not None:
            found.setdefault(key, []).append(shape)
    return {key: Drawing(shapes=tuple(rows)) for key, rows in found.items()}


def rows_of_points(
    points: Points, space: LayerFrames, placement: Placement, owners: Sequence[int], *, first: int = 0
) -> Iterator[tuple[PromptKey | None, DrawnPoint]]:
    """Rows of a Points layer, from one on; without a key where it is no prompt of the stack."""
    columns = placement(points.data), owners_of(points.features, owners), signs_of(points.features)
    for position, owner, sign in zip(*(column[first:] for column in columns), strict=True):
        # A region has pixels of its own, which count from its corner.
        y, x = (position[list(space.plane_axes)] - space.crop[:2]).tolist()
        frame = space.frame_of(position) if is_inside(y, x, space.stack_shape[1:]) else None
        yield _key(frame, owner), DrawnPoint(y, x, 0 if sign == NEGATIVE else 1)


def rows_of_shapes(
    shapes: Shapes, space: LayerFrames, placement: Placement, owners: Sequence[int]
) -> Iterator[tuple[PromptKey | None, DrawnShape]]:
    """Every row of a Shapes layer; without a key where it is no prompt of the stack."""
    # napari 0.9.2 takes an outline without an area away again, and leaves its features behind.
    if len(shapes.features) > len(shapes.data):
        shapes.features = shapes.features.iloc[: len(shapes.data)]
    for data, kind, owner in zip(shapes.data, shapes.shape_type, owners_of(shapes.features, owners), strict=True):
        corners = placement(np.asarray(data, float))
        flat = corners[:, list(space.plane_axes)] - space.crop[:2]
        shape = DrawnShape(str(kind), tuple((float(y), float(x)) for y, x in flat))
        # A shape belongs to the frame of its first corner.
        frame = space.frame_of(corners[0]) if shape.says_something(space.stack_shape[1:]) else None
        yield _key(frame, owner), shape


def _key(frame: int | None, owner: int | None) -> PromptKey | None:
    return None if frame is None or owner is None else PromptKey(frame, owner)


def show_points(
    layer: Points, drawings: Drawings, space: LayerFrames, placement: Placement, *, owners: Sequence[int] = ()
) -> None:
    """Make a Points layer show the clicks of a stack; its other rows stay."""
    import pandas as pd

    others = [row for row, (key, _) in enumerate(rows_of_points(layer, space, placement, owners)) if key is None]
    rows = [(key, point) for key, drawing in drawings.items() for point in drawing.points]
    new = [space.position(key.frame, point.y, point.x) for key, point in rows]
    signs = [POSITIVE if point.label else NEGATIVE for _, point in rows]
    data = placement.inverse(np.array(new, float).reshape(-1, len(space.shape)))
    features = features_of([key.object_id for key, _ in rows], signs)
    with _kept_defaults(layer):
        layer.selected_data = set()
        # Features first: the layer cuts its table to the number of rows.
        table = pd.concat([layer.features.iloc[others], features], ignore_index=True)
        layer.data = np.concatenate([layer.data[others], data])
        # Rows that others added may have no sign.
        layer.features = table.assign(**{PROMPT: _signs(signs_of(table))})
        colour_by_sign(layer)
    layer.refresh()


def show_shapes(
    layer: Shapes, drawings: Drawings, space: LayerFrames, placement: Placement, *, owners: Sequence[int] = ()
) -> None:
    """Make a Shapes layer show the shapes of a stack; its other rows stay."""
    import pandas as pd

    present = list(rows_of_shapes(layer, space, placement, owners))
    shown: dict[PromptKey, tuple[DrawnShape, ...]] = {}
    for key, shape in present:
        if key is not None:
            shown[key] = (*shown.get(key, ()), shape)
    # Only what differs is drawn again: napari takes milliseconds for each shape.
    changed = {
        key for key in {*shown, *drawings} if shown.get(key, ()) != (drawings[key].shapes if key in drawings else ())
    }
    rows = [(key, shape) for key, drawing in drawings.items() if key in changed for shape in drawing.shapes]
    data = [
        placement.inverse(np.array([space.position(key.frame, y, x) for y, x in shape.corners])) for key, shape in rows
    ]
    kept = [row for row, (key, _) in enumerate(present) if key not in changed]
    features = [layer.features.iloc[kept], features_of([key.object_id for key, _ in rows])]
    with _kept_defaults(layer):
        layer.selected_data = {row for row, (key, _) in enumerate(present) if key in changed}
        layer.remove_selected()
        layer.selected_data = set()
        if data:
            layer.add(data, shape_type=[shape.kind for _, shape in rows], edge_color=_SHAPE_COLOUR)
        layer.features = pd.concat(features, ignore_index=True)
    layer.refresh()


@contextmanager
def _kept_defaults(layer: Points | Shapes) -> Iterator[None]:
    # The selected object and sign are no part of what is shown, and survive. Events are blocked, so that showing is not
    # taken for a change by the user.
    defaults = {name: values.iloc[0] for name, values in layer.feature_defaults.items() if len(values)}
    with layer.events.data.blocker(), layer.events.features.blocker():
        yield
        layer.feature_defaults = defaults


def owners_of(features: pd.DataFrame, owners: Sequence[int] = ()) -> list[int | None]:
    """Object of each row; None where a row names none. Without that feature it is as ``owners`` say."""
    import pandas as pd

    if OBJECT not in features:
        return [*owners, *[None] * (len(features) - len(owners))]
    values = pd.to_numeric(features[OBJECT], errors="coerce").to_numpy(float, na_value=np.nan)
    return [int(value) if np.isfinite(value) and value >= 1 else None for value in values]


def signs_of(features: pd.DataFrame) -> list[str]:
    """Whether each click is on its object or off it, on it where it does not say."""
    return features[PROMPT].astype(str).tolist() if PROMPT in features else [POSITIVE] * len(features)


def features_of(object_ids: list[int], signs: list[str] | None = None) -> pd.DataFrame:
    """Make the features of prompts: their objects, and for points whether they are on them or off."""
    import pandas as pd

    features = pd.DataFrame({OBJECT: pd.Series(object_ids, dtype=int)})
    if signs is not None:
        features[PROMPT] = _signs(signs)
    return features


def _signs(values: list[str]) -> pd.Categorical:
    import pandas as pd

    known = [value if value in PROMPT_COLOURS else POSITIVE for value in values]
    return pd.Categorical(known, categories=[POSITIVE, NEGATIVE])


def _point_size(image: Image) -> float:
    shape = image.data[0].shape if image.multiscale else image.data.shape
    sides = shape[-3:-1] if image.rgb else shape[-2:]
    return float(max(2.0, min(sides) / 40))


def are_alike(some: Drawings, others: Drawings) -> bool:
    """Whether drawings are the same but for rounding."""
    return some.keys() == others.keys() and all(some[key].is_like(others[key]) for key in some)


def give_last_row(layer: Points | Shapes, object_id: int) -> None:
    """Give the point or shape that was added last to another object; nothing is told of it."""
    features = layer.features.copy()
    features.loc[features.index[-1], OBJECT] = object_id
    with layer.events.features.blocker():
        layer.features = features


def turn_selected(layer: Points) -> bool:
    """Turn selected points from on the object to off it and back; False if none is selected."""
    if not layer.selected_data:
        return False
    features = layer.features.copy()
    signs = signs_of(features)
    for row in layer.selected_data:
        signs[row] = POSITIVE if signs[row] == NEGATIVE else NEGATIVE
    features[PROMPT] = _signs(signs)
    layer.features = features
    layer.refresh_colors()
    return True
