"""Points and Shapes layers as prompts: made, read into prompt specs, copied for undo and restored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes

from napari_sam2.data.prompts.drawn_shapes import box_around, points_along

from .layer_frames import mark_as_made_for
from .layer_geometry import transform_like
from .prompt_spec import PromptKey, PromptSpec, is_inside, merge, outline_wish

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image
    from numpy.typing import NDArray

    from .layer_frames import LayerFrames
    from .placement import Placement

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


def adopt(layer: Points | Shapes, *, object_id: int) -> None:
    """Give a layer of the user's own the features that prompts need."""
    features = layer.features.copy()
    if OBJECT not in features:
        features[OBJECT] = object_id
    if isinstance(layer, Points) and PROMPT not in features:
        features[PROMPT] = _signs([POSITIVE] * len(features))
    if list(features) != list(layer.features):
        layer.features = features
        if isinstance(layer, Points):
            colour_by_sign(layer)
    set_next(layer, object_id)


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
        earlier = layer.feature_defaults
        kept = earlier[PROMPT].iloc[0] if PROMPT in earlier and len(earlier) else POSITIVE
        kept = kept if kept in PROMPT_COLOURS else POSITIVE
        defaults[PROMPT] = sign or kept
    layer.feature_defaults = defaults
    if isinstance(layer, Points):
        # The point clicked last is still selected, and keeps its colour.
        with layer.block_update_properties():
            layer.current_face_color = PROMPT_COLOURS[defaults[PROMPT]]


def next_sign(layer: Points) -> str:
    """Whether the next point will be on or off the object."""
    value = str(layer.feature_defaults[PROMPT].iloc[0])
    return value if value in PROMPT_COLOURS else POSITIVE


@dataclass(frozen=True, eq=False)
class LayerContent:
    """What a prompt layer held at one moment."""

    # Points (N, D), or the corners of each shape (N, D).
    data: Any
    # A row per point or shape.
    features: pd.DataFrame
    # Kinds of the shapes; empty for points.
    kinds: tuple[str, ...] = ()


def content_of(layer: Points | Shapes) -> LayerContent:
    """Copy what a layer holds."""
    if isinstance(layer, Points):
        return LayerContent(layer.data.copy(), layer.features.copy())
    return LayerContent([d.copy() for d in layer.data], layer.features.copy(), kinds_of(layer))


def on_image(layer: Points | Shapes, placement: Placement) -> Points | Shapes | LayerContent:
    """Give what a layer holds in the data coordinates of the image that it lies on."""
    if placement.matrix is None:
        return layer
    held = content_of(layer)
    moved = placement(held.data) if isinstance(layer, Points) else [placement(corners) for corners in held.data]
    return replace(held, data=moved)


def on_this_stack(layer: Points | Shapes, held: LayerContent, space: LayerFrames, placement: Placement) -> LayerContent:
    """Combine what a layer held on a stack's planes with what it holds elsewhere now, where undo must not reach."""
    import pandas as pd

    now = content_of(layer)
    elsewhere = [row for row, frame in enumerate(_frames(now, space, placement)) if frame is None]
    if not elsewhere:
        return held
    here = [row for row, frame in enumerate(_frames(held, space, placement)) if frame is not None]
    features = [now.features.iloc[elsewhere], *([held.features.iloc[here]] if here else [])]
    data = [now.data[row] for row in elsewhere] + [held.data[row] for row in here]
    kinds = (*(now.kinds[row] for row in elsewhere), *(held.kinds[row] for row in here)) if now.kinds else ()
    return LayerContent(
        np.array(data) if isinstance(layer, Points) else data, pd.concat(features, ignore_index=True), kinds
    )


def _frames(content: Points | Shapes | LayerContent, space: LayerFrames, placement: Placement) -> list[int | None]:
    """Frame of every point or shape: a shape belongs to that of its first corner."""
    return [space.frame_of(placement(np.atleast_2d(data)[0])) for data in content.data]


def nothing_like(layer: Points | Shapes) -> LayerContent:
    """Content of a layer with neither points nor shapes."""
    return LayerContent(layer.data[:0], layer.features.iloc[:0].copy())


def put_back(layer: Points | Shapes, content: LayerContent) -> None:
    """Make a layer hold again what it held."""
    # The selected object and sign are no part of the content, and survive. Events are blocked, so that going back is
    # not taken for a change by the user.
    defaults = {name: values.iloc[0] for name, values in layer.feature_defaults.items() if len(values)}
    with layer.events.data.blocker(), layer.events.features.blocker():
        if isinstance(layer, Points):
            layer.selected_data = set()
            layer.data = content.data
            layer.features = content.features
            colour_by_sign(layer)
        else:
            layer.selected_data = set()
            layer.data = []
            if content.data:
                layer.add(content.data, shape_type=list(content.kinds), edge_color=_SHAPE_COLOUR)
            layer.features = content.features
        layer.feature_defaults = defaults
    layer.refresh()


def drop(
    layer: Points | Shapes,
    space: LayerFrames,
    placement: Placement,
    *,
    place: PromptKey | None = None,
    object_id: int | None = None,
) -> None:
    """Delete the prompts at a place, or all of an object's."""
    rows = []
    frames = _frames(layer, space, placement)
    for row, (frame, owner) in enumerate(zip(frames, owners_of(layer.features), strict=True)):
        if owner is not None and (owner == object_id or (frame, owner) == place):
            rows.append(row)
    if not rows:
        return
    with layer.events.data.blocker():
        layer.selected_data = set(rows)
        layer.remove_selected()


def read_points(points: Points | LayerContent, space: LayerFrames) -> dict[PromptKey, PromptSpec]:
    """Read points on a stack's frames into prompt specs; those outside the frames are passed over."""
    found: dict[PromptKey, list[tuple[float, float, int]]] = {}
    signs = points.features[PROMPT].astype(str)
    for position, owner, sign in zip(points.data, owners_of(points.features), signs, strict=True):
        place = _place(owner, space.frame_of(position))
        # A region has pixels of its own, which count from its corner.
        y, x = float(position[-2]) - space.crop[0], float(position[-1]) - space.crop[1]
        if place is not None and is_inside(y, x, space.stack_shape[1:]):
            found.setdefault(place, []).append((y, x, 0 if sign == NEGATIVE else 1))
    return {place: PromptSpec(points=tuple(points)) for place, points in found.items()}


def read_shapes(shapes: Shapes | LayerContent, space: LayerFrames) -> dict[PromptKey, PromptSpec]:
    """Read shapes on a stack's frames into prompt specs; those outside the frames are passed over."""
    wishes = []
    kinds = kinds_of(shapes)
    for corners, kind, owner in zip(shapes.data, kinds, owners_of(shapes.features), strict=True):
        place = _place(owner, space.frame_of(corners[0]))
        if place is not None:
            on_frame = np.asarray(corners, float)[:, -2:] - space.crop[:2]
            wish = _shape_wish(kind, on_frame, space.stack_shape[1:])
            if wish is not None:
                wishes.append({place: wish})
    return merge(wishes)


def _shape_wish(kind: str, corners: NDArray[np.float64], shape: tuple[int, int]) -> PromptSpec | None:
    # Boxes are cut to the frame; lines become clicks; any other outline becomes a mask.
    if kind == "rectangle":
        y0, x0, y1, x1 = box_around(corners)
        y0, x0, y1, x1 = max(y0, 0.0), max(x0, 0.0), min(y1, float(shape[0])), min(x1, float(shape[1]))
        return PromptSpec(box=(y0, x0, y1, x1)) if y1 > y0 and x1 > x0 else None
    if kind in ("line", "path"):
        points = [(float(y), float(x), 1) for y, x in points_along(corners) if is_inside(y, x, shape)]
        return PromptSpec(points=tuple(points)) if points else None
    return outline_wish(kind, corners, shape)


def kinds_of(shapes: Shapes | LayerContent) -> tuple[str, ...]:
    """Kind of each shape, as napari calls it."""
    return shapes.kinds if isinstance(shapes, LayerContent) else tuple(map(str, shapes.shape_type))


def _place(owner: int | None, frame: int | None) -> PromptKey | None:
    return None if frame is None or owner is None else PromptKey(frame, owner)


def owners_of(features: pd.DataFrame) -> list[int | None]:
    """Object of each row; None where a row names none."""
    import pandas as pd

    values = pd.to_numeric(features[OBJECT], errors="coerce").to_numpy(float, na_value=np.nan)
    return [int(value) if np.isfinite(value) and value >= 1 else None for value in values]


def features_of(object_ids: list[int], signs: list[str] | None = None) -> pd.DataFrame:
    """Make the features of prompts: their objects, and for points whether they are on them or off."""
    import pandas as pd

    features = pd.DataFrame({OBJECT: pd.Series(object_ids, dtype=int)})
    if signs is not None:
        features[PROMPT] = _signs(signs)
    return features


def _signs(values: list[str]) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical(values, categories=[POSITIVE, NEGATIVE])


def _point_size(image: Image) -> float:
    shape = image.data[0].shape if image.multiscale else image.data.shape
    sides = shape[-3:-1] if image.rgb else shape[-2:]
    return float(max(2.0, min(sides) / 40))


def turn_selected(layer: Points) -> bool:
    """Turn selected points from on the object to off it and back; False if none is selected."""
    if not layer.selected_data:
        return False
    features = layer.features.copy()
    signs = features[PROMPT].astype(str).tolist()
    for row in layer.selected_data:
        signs[row] = POSITIVE if signs[row] == NEGATIVE else NEGATIVE
    features[PROMPT] = _signs(signs)
    layer.features = features
    layer.refresh_colors()
    return True
