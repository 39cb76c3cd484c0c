"""Where an image layer's frames lie: which axis is tracked, and what of the others is on show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.calibration import Calibration, unit_name
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.stack import Origin, Stack

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_sam2.data.images.subset import Box

_IMAGE_KEY = "napari_sam2_image"
# Marks the layers in which a region is drawn.
REGION_KEY = "napari_sam2_region"
# What prompts and labels share with their image, so that they lie on it.
_TRANSFORM = ("scale", "translate", "rotate", "shear", "units", "axis_labels")


class FramesView:
    """The frames of an array of any number of axes, as an array whose first axis is the tracked one.

    Parameters
    ----------
    array : array-like
        With ``shape`` and ``dtype``, sliceable.
    before, after : tuple of int
        Indices on the axes before and after the tracked one.
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
class Space:
    """Frames of an image layer: (Y, X) planes along one axis.

    Attributes
    ----------
    shape : tuple of int
        Of the layer, without the colour axis.
    axis : int or None
        The tracked axis; None for a single image.
    fixed : tuple of int
        Indices on the other axes before Y and X, in their order.
    image : str
        Unique id of the layer.
    region : tuple of int or None
        (y0, x0, y1, x1) in pixels of the layer, the ends excluded: the part of each plane that the frames are.
    """

    shape: tuple[int, ...]
    axis: int | None
    fixed: tuple[int, ...] = ()
    image: str = ""
    region: Box | None = None

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return 1 if self.axis is None else self.shape[self.axis]

    @property
    def corner(self) -> tuple[int, int]:
        """(y, x) of the frames' first pixel in the planes of the layer."""
        return (0, 0) if self.region is None else self.region[:2]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(Y, X)."""
        if self.region is None:
            return self.shape[-2], self.shape[-1]
        y0, x0, y1, x1 = self.region
        return y1 - y0, x1 - x0

    @property
    def stack_shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return self.n_frames, *self.frame_shape

    def plane(self, frame: int) -> tuple[int, ...]:
        """Index of the plane that a frame lies in, in an array of `shape`."""
        if self.axis is None:
            return ()
        return (*self.fixed[: self.axis], frame, *self.fixed[self.axis :])

    def index(self, frame: int) -> tuple[int | slice, ...]:
        """Index of a frame in an array of `shape`."""
        if self.region is None:
            return self.plane(frame)
        y0, x0, y1, x1 = self.region
        return (*self.plane(frame), slice(y0, y1), slice(x0, x1))

    def position(self, frame: int, y: float, x: float) -> tuple[float, ...]:
        """Data coordinates, in the layer's axes, of a place on a frame."""
        return (*map(float, self.plane(frame)), y + self.corner[0], x + self.corner[1])

    def frame_of(self, position: NDArray[Any]) -> int | None:
        """Frame that data coordinates lie on; None if they lie on none of these frames."""
        leading = np.round(np.asarray(position[:-2], float)).astype(int)
        if self.axis is None:
            return 0
        frame = int(leading[self.axis])
        others = tuple(int(i) for i in np.delete(leading, self.axis))
        return frame if others == self.fixed and 0 <= frame < self.n_frames else None


def layer_shape(layer: Image) -> tuple[int, ...]:
    """Shape of an image layer's full-resolution data, without the colour axis."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(size) for size in (data.shape[:-1] if layer.rgb else data.shape))


def choosable_axes(layer: Image) -> list[tuple[int, str]]:
    """Axes that can be tracked, with the names to show: all but the last two."""
    return [(axis, str(layer.axis_labels[axis])) for axis in range(len(layer_shape(layer)) - 2)]


def current_space(layer: Image, axis: int | None, viewer: ViewerModel, region: Box | None = None) -> Space:
    """Frames along an axis, the other axes as the viewer's sliders stand."""
    shape = layer_shape(layer)
    if axis is None or len(shape) == 2:
        return Space(shape, None, image=str(layer.unique_id), region=region)
    place = data_position(layer, viewer)
    others = [i for i in range(len(shape) - 2) if i != axis]
    fixed = tuple(int(np.clip(round(place[i]), 0, shape[i] - 1)) for i in others)
    return Space(shape, axis, fixed, str(layer.unique_id), region)


def data_position(layer: Layer, viewer: ViewerModel) -> tuple[float, ...]:
    """Where the viewer's sliders stand, in a layer's data coordinates."""
    return tuple(float(value) for value in layer.world_to_data(viewer.dims.point))


def current_frame(layer: Image, space: Space, viewer: ViewerModel) -> int:
    """Frame that the viewer shows."""
    if space.axis is None:
        return 0
    return int(np.clip(round(data_position(layer, viewer)[space.axis]), 0, space.n_frames - 1))


def go_to_frame(layer: Image, space: Space, viewer: ViewerModel, *, frame: int) -> None:
    """Move the viewer's slider to a frame."""
    if space.axis is None:
        return
    place = list(data_position(layer, viewer))
    place[space.axis] = float(frame)
    axis = viewer.dims.ndim - len(space.shape) + space.axis
    viewer.dims.set_point(axis, float(layer.data_to_world(place)[space.axis]))


def go_to_space(layer: Image, space: Space, viewer: ViewerModel, *, frame: int) -> None:
    """Move all of the viewer's sliders to where a frame lies."""
    world = layer.data_to_world(space.position(frame, 0, 0))
    first = viewer.dims.ndim - len(space.shape)
    axes = range(len(space.shape) - 2)
    viewer.dims.set_point([first + axis for axis in axes], [float(world[axis]) for axis in axes])


def make_stack(layer: Image, space: Space, *, axis: str) -> Stack:
    """Wrap a layer's frames, which stay where they are, with the sizes and the file that the layer knows of.

    Raises
    ------
    ValueError
        If the layer's pixels are not real numbers.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if space.axis is not None:
        before, after = space.fixed[: space.axis], space.fixed[space.axis :]
        data = FramesView(data, before, after)
    stack = Stack.from_array(data, axis, rgb=bool(layer.rgb), calibration=calibration_of(layer, space))
    stack.origin = _origin(layer, space)
    return stack if space.region is None else stack.part(crop=space.region)


def calibration_of(layer: Image, space: Space) -> Calibration:
    """Read what a pixel and a step measure from a layer's scale and units."""
    sizes = [abs(float(size)) for size in layer.scale]
    units = [unit_name(str(unit)) for unit in layer.units]
    pixel = (sizes[-2], sizes[-1])
    # A scale of one in pixels says that nothing is known.
    known = units[-1] is not None or pixel != (1.0, 1.0)
    step = None if space.axis is None else sizes[space.axis]
    step_unit = None if space.axis is None else units[space.axis]
    return Calibration(
        pixel_size=pixel if known else None,
        step=None if step == 1 and step_unit is None else step,
        unit=units[-1] if units[-1] == units[-2] else None,
        step_unit=step_unit,
    )


def _origin(layer: Image, space: Space) -> Origin:
    """Say which file a layer shows, as far as napari knows it, and which part of it the frames are."""
    path = layer.source.path
    others = [i for i in range(len(space.shape) - 2) if i != space.axis]
    named = [(str(layer.axis_labels[axis]).lower(), at) for axis, at in zip(others, space.fixed, strict=True)]
    channels = tuple(at for name, at in named if name.startswith("c"))
    places = [at for name, at in named if not name.startswith("c")]
    return Origin(None if path is None else Path(path), Selection(places[0] if places else None, channels[:1]))


def model_window(layer: Image) -> tuple[float, float] | None:
    """Pixel values that become black and white in the model's eyes: the contrast limits, as the user sees the image.

    Colour layers have no such limits: uint8 goes unchanged, float is 0 to 1 as napari shows it, and for wider integers
    None leaves the choice to the session.
    """
    if not layer.rgb:
        low, high = layer.contrast_limits
        return float(low), float(high)
    return (0.0, 1.0) if np.dtype(layer.dtype).kind == "f" else None


def transform_like(layer: Image) -> dict[str, Any]:
    """Keyword arguments that put a new layer of the same dimensions onto an image layer."""
    return {name: getattr(layer, name) for name in _TRANSFORM} | {"affine": layer.affine.affine_matrix}


def made_for(image: Image) -> dict[str, str]:
    """Metadata that tell which image a layer was made for."""
    return {_IMAGE_KEY: str(image.unique_id)}


def is_made_for(layer: Layer, image: Image) -> bool:
    """Whether a layer was made for an image."""
    return bool(layer.metadata.get(_IMAGE_KEY) == str(image.unique_id))


def is_region(layer: Layer) -> bool:
    """Whether a layer is for drawing a region."""
    return bool(layer.metadata.get(REGION_KEY))
