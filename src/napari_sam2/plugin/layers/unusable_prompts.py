"""Words about layers that do not go with an image, and about what was drawn where it means nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes

from .labels_layer import fits
from .layer_frames import axis_name, frames_along, layer_shape, why_no_prompts
from .placement import Placement, UnrelatedError, check_worlds
from .viewing.sliders import shows_planes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from .layer_frames import LayerFrames

BRUSH_BEYOND = (
    "The brush has reached beyond the stack on show, where it makes no prompts: paint there again, or let it edit "
    "fewer dimensions."
)
BRUSH_OUTSIDE = "Outside the region what is painted makes no prompts: press Whole, and paint there again."
# Pixels reach half a pixel beyond their centres.
_HALF = 0.5


def why_unfit(layer: Any, image: Image, space: LayerFrames) -> str:
    """Say in a line why a layer cannot be used for prompts or results on an image; empty where it can."""
    if why := why_no_prompts(layer):
        return why
    try:
        placement = Placement.of(layer, image)
    except UnrelatedError as error:
        return str(error)
    if isinstance(layer, Points):
        return ""
    if isinstance(layer, Shapes):
        turned = f"{layer.name} is turned out of the planes of {image.name}: its shapes lie on no one frame"
        return "" if placement.keeps_planes(space.plane_axes) else turned
    if not fits(layer, space):
        return f"results cannot go into {layer.name}: it takes an array of {space.layer_shape} whole numbers"
    elsewhere = f"{layer.name} does not lie on {image.name}: its scale, translation or turn is another"
    return "" if placement.is_same_grid(space.layer_shape) else elsewhere


def why_no_source(layer: Any, image: Image) -> str:
    """Say in a line why labels cannot be taken from a Labels layer; empty where they can."""
    # Labels on any grid are taken as they are seen on the frame on show.
    if why := why_no_prompts(layer):
        return why
    try:
        check_worlds(layer, image)
    except UnrelatedError as error:
        return str(error)
    return ""


def word_about(
    layer: Points | Shapes, rows: Iterable[int], image: Image, viewer: ViewerModel, *, space: LayerFrames | None = None
) -> str | None:
    """Say why rows of a layer are no prompts on frames of an image, its own planes by default; None where all are."""
    space = space or frames_along(None, shape=layer_shape(image))
    if (planes := wrong_planes(image, space, viewer)) is not None:
        shown, frames = planes
        if space.order:
            return (
                f"Frames are planes of {frames}, but the viewer shows {shown}: roll the axes, or track along another."
            )
        return (
            f"SAM 2 takes the last two axes of {image.name} for Y and X, but the viewer shows {shown}: roll the axes "
            "back, or open the image with Y and X as its last axes."
        )
    axes = list(space.plane_axes)
    place, size = Placement.of(layer, image), np.array(space.whole_shape[1:])
    # napari 0.9.2 names the row of an outline without an area, too, which it has just taken away.
    n_rows = len(layer.data)
    there = [row for row in rows if -n_rows <= row < n_rows]
    beside = sum(_is_beside(place(np.atleast_2d(layer.data[row]))[:, axes], size) for row in there)
    if beside:
        what = "A prompt beside the image does" if beside == 1 else f"{beside} prompts beside the image do"
        return f"{what} not count: {image.name} has {size[0]} rows and {size[1]} columns."
    return None


def wrong_planes(image: Image, space: LayerFrames, viewer: ViewerModel) -> tuple[str, str] | None:
    """Name the axes that the viewer shows, and those that frames are planes of; None where these are the same."""
    if shows_planes(space, viewer):
        return None
    shown = " and ".join(axis_name(viewer.dims.axis_labels, axis) for axis in viewer.dims.displayed)
    return shown, " and ".join(axis_name(image.axis_labels, axis) for axis in space.plane_axes)


def _is_beside(corners: NDArray[np.floating], size: NDArray[np.integer]) -> bool:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return bool((high < -_HALF).any() or (low > size - _HALF).any())
