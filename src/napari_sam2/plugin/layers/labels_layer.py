"""The Labels layer that results are written into: made, widened, written frame by frame, coloured."""

from __future__ import annotations

import colorsys
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_sam2.data.images.pixels.resample import sampled_plane
from napari_sam2.data.labels.label_stack import label_dtype

from .layer_frames import mark_as_made_for
from .layer_geometry import transform_like
from .placement import unit_ratios

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from .layer_frames import LayerFrames

# Bright enough for dark images and for the plot in either theme. Each is as far as can be from the six before it and
# from all others: 24 and 16 in CIELAB, where 10 is easily seen.
_PALETTE = (
    *("#ff9f40", "#35c9c9", "#b794f6", "#8fdc5b", "#ff6fae", "#f5d547", "#5aa9ff", "#ff6b5e", "#7fe0b8", "#d9b48a"),
    *("#0dff0d", "#ff0dff", "#e6e60d", "#0d7fff", "#ff0d0d", "#0dffcc", "#ffb2bf", "#1a8ca6", "#ff0dcc", "#a6ff0d"),
    *("#7f7f1a", "#ff660d", "#5966ff", "#bf667f", "#0dccff", "#1ad98c", "#bff233", "#ffe6a6", "#cc660d", "#a640ff"),
    *("#ff0d8c", "#7373a6", "#33fff2", "#26cc1a", "#667f40", "#ffb20d", "#cc66ff", "#ff0d59", "#e6ccff", "#f2997f"),
    *("#0dff73", "#0d8c73", "#99a60d", "#cc40bf", "#f20d33", "#a6ccff", "#b27366", "#1aff99", "#73b28c", "#d9e659"),
    *("#ff7fe6", "#cc0dff", "#0d7fbf", "#b26633", "#59ff4c", "#26b27f", "#f2e67f", "#bf4c99", "#d940f2", "#597fd9"),
)
# What a daughter's colour is turned by, as a share of the circle, and the lightness that it is half-way to.
_TURN, _LIGHT, _DARK = 0.045, 0.85, 0.3
_UNLISTED = (0.8, 0.8, 0.8, 1.0)
# Entry of the layer's metadata with the scores of all frames, a data frame.
SCORES_KEY = "object_scores"
# Entry with the number of frames that are out of date.
STALE_KEY = "frames_out_of_date"


def new_labels_layer(image: Image, space: LayerFrames, *, object_id: int, data: Any = None) -> Labels:
    """Make an empty Labels layer on top of an image layer, over an array that is there or a new one."""
    layer = Labels(
        # Zeros take no memory before they are written to.
        np.zeros(space.layer_shape, label_dtype([object_id])) if data is None else data,
        name=f"{image.name}: objects",
        opacity=0.6,
        colormap=CyclicLabelColormap(colors=transform_color(["transparent", *_PALETTE])),
        **transform_like(image),
    )
    mark_as_made_for(layer, image)
    layer.selected_label = object_id
    layer.brush_size = max(1, round(min(space.stack_shape[1:]) / 25))
    return layer


def fits(layer: Labels, space: LayerFrames) -> bool:
    """Whether results on a stack can be written into a layer."""
    if layer.multiscale or tuple(layer.data.shape) != space.layer_shape:
        return False
    # A dask array cannot be written to.
    return layer.dtype.kind in "ui" and hasattr(layer.data, "__setitem__") and not hasattr(layer.data, "dask")


def holds(layer: Labels, object_id: int) -> bool:
    """Whether an object's number fits a layer's type."""
    return bool(object_id <= np.iinfo(layer.dtype).max)


def painted_frames(space: LayerFrames, edits: Any) -> set[int]:
    """Frames of a stack that edits of a layer, as its paint event brings them, reach; none for a single image.

    A brush is as thick along the axes that the layer edits as it is wide; in a rolled view it goes across frames.
    """
    if not space.running:
        return set()
    found: set[int] = set()
    for edit in edits:
        # An edit begins with its place in the data: a slice along each axis, or the indices of single pixels.
        at = [range(i.start, i.stop) if isinstance(i, slice) else np.unique(i).tolist() for i in edit[0]]
        fixed = list(space.position(0, 0, 0))
        for places in product(*(at[axis] for axis in space.running)):
            for axis, place in zip(space.running, places, strict=True):
                fixed[axis] = place
            is_here = all(fixed[axis] in at[axis] for axis in _other_axes(space))
            frame = space.frame_of(fixed) if is_here else None
            found |= set() if frame is None else {frame}
    return found


def _other_axes(space: LayerFrames) -> list[int]:
    """The layer's axes on which frames have one place."""
    return [axis for axis in range(len(space.shape)) if axis not in (*space.plane_axes, *space.running)]


def reaches_further(layer: Labels, space: LayerFrames, edits: Any) -> bool:
    """Whether edits of a layer reach beyond the place on its other axes where a stack lies."""
    if layer.n_edit_dimensions < 3:
        return False
    others = _other_axes(space)
    reached = [np.unique(i) if not isinstance(i, slice) else range(i.start, i.stop) for edit in edits for i in edit[0]]
    n_axes = len(space.shape)
    return any(len(reached[start + axis]) > 1 for start in range(0, len(reached), n_axes) for axis in others)


def leaves_region(space: LayerFrames, edits: Any) -> bool:
    """Whether edits of a layer reach beyond the region that a stack is."""
    y0, x0, y1, x1 = space.crop
    sides = tuple(zip(space.plane_axes, (y0, x0), (y1, x1), strict=True))
    for edit in edits if not space.is_whole else ():
        for axis, first, end in sides:
            at = edit[0][axis]
            reached = np.array([at.start, at.stop - 1]) if isinstance(at, slice) else np.asarray(at)
            if ((reached < first) | (reached >= end)).any():
                return True
    return False


def widen(layer: Labels, object_id: int) -> None:
    """Give a layer in memory a wider integer type, which has room for an object's number."""
    layer.data = np.asarray(layer.data).astype(np.promote_types(layer.dtype, label_dtype([object_id])))


def labels_on_plane(
    source: Labels, image: Image, space: LayerFrames, *, frame: int, point: Sequence[float]
) -> NDArray[Any]:
    """(Y, X) labels of any Labels layer at the pixels of an image's frame, by the nearest one; 0 where there is none.

    ``point`` is where the viewer's sliders stand, which counts for axes that the image does not have.
    """
    # Three places tell an affine map of a plane: the first pixel, and its neighbours below and to the right.
    places = [space.position(frame, y, x) for y, x in ((1, 0), (0, 1), (0, 0))]
    ratios = unit_ratios(source, image)
    world = np.array([image.data_to_world(place) for place in places])
    if source.ndim > image.ndim:
        ahead = np.tile(np.asarray(point, float)[-source.ndim : -image.ndim], (3, 1))
        world = np.hstack([ahead, world])
    down, right, origin = np.array([source.world_to_data(place / ratios) for place in world[:, -source.ndim :]])
    array = source.data[0] if source.multiscale else source.data
    return sampled_plane(array, np.column_stack([down - origin, right - origin, origin]), space.stack_shape[1:])


def write_frame(layer: Labels, space: LayerFrames, *, frame: int, image: NDArray[Any]) -> None:
    """Write a frame's labels, in place; `refresh` shows them."""
    if not holds(layer, largest := int(image.max(initial=0))):
        raise ValueError(f"labels of type {layer.dtype} have no room for object {largest}: write into a wider layer")
    # Past the layer into its array, which costs nothing: napari need not redraw for frames that are not on show.
    layer.data[space.index(frame)] = image


def refresh(layer: Labels) -> None:
    """Show what was written."""
    layer.refresh(extent=False, highlight=False)


def colour_of(layer: Labels | None, object_id: int) -> tuple[int, int, int]:
    """Colour that a label is drawn in, 0 to 255."""
    colour = None if layer is None else layer.get_color(object_id)
    if colour is None:
        return 200, 200, 200
    red, green, blue = (round(float(value) * 255) for value in colour[:3])
    return red, green, blue


def kin_colours(colours: Mapping[int, Any], parents: Mapping[int, int]) -> dict[int, Any]:
    """Give daughters colours near their mother's, RGBA from 0 to 1: lighter and darker, and a little to either side."""
    kin = dict(colours)
    daughters: dict[int, list[int]] = {}
    for child in sorted(parents.keys() & colours.keys()):
        daughters.setdefault(parents[child], []).append(child)

    def dye(mother: int) -> None:
        for index, child in enumerate(daughters.pop(mother, ())):
            kin[child] = _kin_colour(kin[mother], index)
            dye(child)

    for founder in [mother for mother in daughters if mother in colours and mother not in parents]:
        dye(founder)
    return kin


def class_colours(colours: Mapping[int, Any], classes: Mapping[int, str]) -> dict[int, Any]:
    """Give objects of a class the colour of the first of them; those without a class are grey."""
    firsts: dict[str, int] = {}
    for object_id in sorted(classes.keys() & colours.keys()):
        firsts.setdefault(classes[object_id], object_id)
    return {i: colours[firsts[classes[i]]] if i in classes else _UNLISTED for i in colours}


def _kin_colour(mother: Any, index: int) -> tuple[float, ...]:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(float(value) for value in mother[:3]))
    side = 1 if index % 2 else -1
    goal = _DARK if index % 2 else _LIGHT
    turned = colorsys.hls_to_rgb((hue + side * _TURN) % 1, (lightness + goal) / 2, saturation)
    return (*turned, float(mother[3]))


def list_colours(layer: Labels, colours: Mapping[int, Any], *, hidden: Collection[int]) -> None:
    """Give labels colours one by one, and make some transparent."""
    # None stands for all labels that are not listed: those that a run adds are listed at its end.
    table: dict[int | None, Any] = {None: "transparent" if hidden else _UNLISTED, 0: "transparent"}
    for object_id, colour in colours.items():
        table[object_id] = "transparent" if object_id in hidden else colour
    layer.colormap = DirectLabelColormap(color_dict=table)
