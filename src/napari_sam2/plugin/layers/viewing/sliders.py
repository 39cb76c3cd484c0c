"""Which frames of an image the viewer's sliders stand at, and the sliders and planes that show others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.plugin.layers.layer_frames import THROUGH_VOLUMES, frames_along, layer_shape, volume_axes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_sam2.data.images.selection import Box
    from napari_sam2.plugin.layers.layer_frames import LayerFrames


def current_space(layer: Image, axis: int | None, viewer: ViewerModel, region: Box | None = None) -> LayerFrames:
    """Frames along an axis, the other axes as the viewer's sliders stand."""
    shape = layer_shape(layer)
    if axis is None or len(shape) == 2:
        return frames_along(None, shape=shape, image=str(layer.unique_id), region=region)
    place = data_position(layer, viewer)
    over = None
    if axis == THROUGH_VOLUMES:
        over, axis = volume_axes(layer) or (None, 0)
    # Frames across the planes of a volume have no other axes, and a region is one in these planes.
    is_turned = axis >= len(shape) - 2
    others = [] if is_turned else [i for i in range(len(shape) - 2) if i != axis]
    region = None if is_turned or over is not None else region
    fixed = tuple(0 if i == over else int(np.clip(round(place[i]), 0, shape[i] - 1)) for i in others)
    return replace(frames_along(axis, fixed, shape=shape, image=str(layer.unique_id), region=region), over=over)


def data_position(layer: Layer, viewer: ViewerModel) -> tuple[float, ...]:
    """Where the viewer's sliders stand, in a layer's data coordinates."""
    return tuple(float(value) for value in layer.world_to_data(viewer.dims.point))


def current_frame(layer: Image, space: LayerFrames, viewer: ViewerModel) -> int:
    """Frame that the viewer shows."""
    place, sizes = data_position(layer, viewer), space.layer_shape
    frame = 0
    for axis in space.running:
        frame = frame * sizes[axis] + int(np.clip(round(place[axis]), 0, sizes[axis] - 1))
    return frame


def go_to_frame(layer: Image, space: LayerFrames, viewer: ViewerModel, *, frame: int) -> None:
    """Move the viewer's slider, or both of them, to a frame."""
    place, there = list(data_position(layer, viewer)), space.position(frame, 0, 0)
    for axis in space.running:
        place[axis] = there[axis]
    world = layer.data_to_world(place)
    axes = [_viewer_axis(axis, space, viewer) for axis in space.running]
    viewer.dims.set_point(axes, [float(world[axis]) for axis in space.running])


def go_to_space(layer: Image, space: LayerFrames, viewer: ViewerModel, *, frame: int) -> None:
    """Move all of the viewer's sliders to where a frame lies."""
    world = layer.data_to_world(space.position(frame, 0, 0))
    axes = [axis for axis in range(len(space.shape)) if axis not in space.plane_axes]
    # All at once: moved one by one, the sliders would pass through stacks that nobody asked for.
    viewer.dims.set_point([_viewer_axis(axis, space, viewer) for axis in axes], [float(world[axis]) for axis in axes])


def turn_view(space: LayerFrames, viewer: ViewerModel) -> None:
    """Have the viewer show the planes of some frames, rows before columns, unless it does already."""
    if shows_planes(space, viewer):
        return
    shown = [_viewer_axis(axis, space, viewer) for axis in space.plane_axes]
    viewer.dims.order = (*(axis for axis in range(viewer.dims.ndim) if axis not in shown), *shown)


def shows_planes(space: LayerFrames, viewer: ViewerModel) -> bool:
    """Whether the viewer shows the planes of some frames, in whichever direction, or a volume."""
    planes = {_viewer_axis(axis, space, viewer) for axis in space.plane_axes}
    return viewer.dims.ndisplay > 2 or {*viewer.dims.displayed} == planes


def _viewer_axis(axis: int, space: LayerFrames, viewer: ViewerModel) -> int:
    # The viewer may have more axes than this layer; a layer's are the last of them.
    return int(viewer.dims.ndim) - len(space.shape) + axis
