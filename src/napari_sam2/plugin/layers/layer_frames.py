"""The frames of an image layer: along which axis, at which places on the others, in which region, where in space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.axes import Axis, axis_kind
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.images.selection import AXES, Selection
from napari_sam2.data.images.stack import Stack

from .layer_geometry import layer_geometry, scanner_like, transform_like

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_sam2.data.images.selection import Box

# Entries of a layer's metadata: the unique id of the image that it was made for, and its own. A copy of a layer has the
# metadata of the first, but another id: it is the user's.
_IMAGE_KEY = "napari_sam2_image"
_LAYER_KEY = "napari_sam2_layer"
# Marks the layers in which a region is drawn.
REGION_KEY = "napari_sam2_region"


class FramesView:
    """The frames along one axis of an array of any kind, lazily: only the frame that is asked for is read.

    ``before`` and ``after`` are the places on the axes before and after the tracked one.
    """

    def __init__(self, array: Any, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        self._array = array
        self._before = before
        self._after = after
        axis = len(before)
        self.shape = (array.shape[axis], *array.shape[axis + 1 + len(after) :])
        self.dtype = np.dtype(array.dtype)

    def __getitem__(self, frame: int) -> NDArray[Any]:
        return np.asarray(self._array[(*self._before, frame, *self._after)])


@dataclass(frozen=True)
class LayerFrames(Geometry):
    """Frames of an image layer: which ones, not where, so that it stays the same when the layer is moved or scaled."""

    # Unique id of the layer.
    image: str = ""


def frames_along(
    axis: int | None, fixed: tuple[int, ...] = (), *, shape: tuple[int, ...], image: str = "", region: Box | None = None
) -> LayerFrames:
    """Take the frames along an axis, at places on the others before Y and X; of them a region, where there is one."""
    names = [*(f"axis {i}" for i in range(len(shape) - 2)), "y", "x"]
    selection = Selection(fixed or None, crop=region, axis=None if axis is None else names[axis])
    return LayerFrames(tuple(map(Axis, names, shape)), selection, image=image)


def layer_shape(layer: Image) -> tuple[int, ...]:
    """Shape of an image layer's full-resolution data, without the colour axis."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(size) for size in (data.shape[:-1] if layer.rgb else data.shape))


def choosable_axes(layer: Image) -> list[tuple[int, str]]:
    """Axes that can be tracked, with the names to show: all but the last two."""
    return [(axis, str(layer.axis_labels[axis])) for axis in range(len(layer_shape(layer)) - 2)]


def frame_kind(layer: Image, axis: int | None) -> str | None:
    """What the places along an axis are by its name: ``"t"`` or ``"z"``; None where it does not say."""
    kind = None if axis is None else axis_kind(str(layer.axis_labels[axis]))
    return kind if kind in AXES else None


def name_axis(layer: Layer, axis: int, name: str) -> None:
    """Give an axis of a layer a name."""
    labels = [str(label) for label in layer.axis_labels]
    layer.axis_labels = (*labels[:axis], name, *labels[axis + 1 :])


def current_space(layer: Image, axis: int | None, viewer: ViewerModel, region: Box | None = None) -> LayerFrames:
    """Frames along an axis, the other axes as the viewer's sliders stand."""
    shape = layer_shape(layer)
    if axis is None or len(shape) == 2:
        return frames_along(None, shape=shape, image=str(layer.unique_id), region=region)
    place = data_position(layer, viewer)
    others = [i for i in range(len(shape) - 2) if i != axis]
    fixed = tuple(int(np.clip(round(place[i]), 0, shape[i] - 1)) for i in others)
    return frames_along(axis, fixed, shape=shape, image=str(layer.unique_id), region=region)


def data_position(layer: Layer, viewer: ViewerModel) -> tuple[float, ...]:
    """Where the viewer's sliders stand, in a layer's data coordinates."""
    return tuple(float(value) for value in layer.world_to_data(viewer.dims.point))


def current_frame(layer: Image, space: LayerFrames, viewer: ViewerModel) -> int:
    """Frame that the viewer shows."""
    if space.tracked is None:
        return 0
    return int(np.clip(round(data_position(layer, viewer)[space.tracked]), 0, space.n_frames - 1))


def go_to_frame(layer: Image, space: LayerFrames, viewer: ViewerModel, *, frame: int) -> None:
    """Move the viewer's slider to a frame."""
    if space.tracked is None:
        return
    place = list(data_position(layer, viewer))
    place[space.tracked] = float(frame)
    # The viewer may have more axes than this layer; a layer's are the last of them.
    axis = viewer.dims.ndim - len(space.shape) + space.tracked
    viewer.dims.set_point(axis, float(layer.data_to_world(place)[space.tracked]))


def go_to_space(layer: Image, space: LayerFrames, viewer: ViewerModel, *, frame: int) -> None:
    """Move all of the viewer's sliders to where a frame lies."""
    world = layer.data_to_world(space.position(frame, 0, 0))
    first = viewer.dims.ndim - len(space.shape)
    axes = range(len(space.shape) - 2)
    # All at once: moved one by one, the sliders would pass through stacks that nobody asked for.
    viewer.dims.set_point([first + axis for axis in axes], [float(world[axis]) for axis in axes])


def make_stack(layer: Image, space: LayerFrames, *, axis: str) -> Stack:
    """Make a stack of a layer's frames without copying them, with their geometry and the path of their file."""
    data = layer.data[0] if layer.multiscale else layer.data
    if space.tracked is not None:
        data = FramesView(data, space.places[: space.tracked], space.places[space.tracked + 1 :])
    stack = Stack.from_array(data, axis, rgb=bool(layer.rgb))
    path = layer.source.path
    stack.path = None if path is None else Path(path)
    said = {**transform_like(layer), "metadata": layer.metadata}
    stack.geometry = layer_geometry(said, space.shape, *_named(layer, space, axis))
    return stack if space.is_whole else stack.part(crop=space.crop)


def _named(layer: Image, space: LayerFrames, axis: str) -> tuple[list[str], Selection]:
    """Name a layer's axes by its labels where those are t, z or c, and give the selection of the frames."""
    names: list[str] = []
    for i, label in enumerate(layer.axis_labels[:-2]):
        kind = axis_kind(str(label))
        is_new = kind is not None and kind != axis and kind not in names
        names.append(axis if i == space.tracked else str(kind) if is_new else f"axis {i}")
    fixed = {name: at for i, (name, at) in enumerate(zip(names, space.places, strict=True)) if i != space.tracked}
    # Files call a place on the channel axis a channel, and any other one a place.
    channels = (fixed.pop("c"),) if "c" in fixed else ()
    places = tuple(fixed.values())
    at = places if len(places) > 1 else places[0] if places else None
    return [*names, "y", "x"], Selection(at, channels, axis=axis)


def model_window(layer: Image) -> tuple[float, float] | None:
    """Pixel values that become black and white in the model's eyes: the contrast limits, as the user sees the image.

    Colour layers have no such limits: uint8 goes unchanged, float is 0 to 1 as napari shows it, and for wider integers
    None leaves the choice to the session.
    """
    if not layer.rgb:
        low, high = layer.contrast_limits
        return float(low), float(high)
    return (0.0, 1.0) if np.dtype(layer.dtype).kind == "f" else None


def mark_as_made_for(layer: Layer, image: Image) -> None:
    """Mark a layer as made by the widget for an image, in whose world it lies."""
    own = {_IMAGE_KEY: str(image.unique_id), _LAYER_KEY: str(layer.unique_id)}
    layer.metadata.update({**own, **scanner_like(image)})


def is_made_for(layer: Layer, image: Image) -> bool:
    """Whether a layer was made by the widget for an image."""
    made_for = layer.metadata.get(_IMAGE_KEY), layer.metadata.get(_LAYER_KEY)
    return made_for == (str(image.unique_id), str(layer.unique_id))


def is_region(layer: Layer) -> bool:
    """Whether a layer is for drawing a region."""
    return bool(layer.metadata.get(REGION_KEY))
