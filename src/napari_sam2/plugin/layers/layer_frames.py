"""The frames of an image layer: along which axis, at which places on the others, in which region, where in space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam2.data.images.axes import Axis, axis_kind
from napari_sam2.data.images.frame_index import whole_number
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.images.pixels.composite import MixedFrames
from napari_sam2.data.images.pixels.contrast import Window
from napari_sam2.data.images.selection import AXES, Selection
from napari_sam2.data.images.stack import Stack

from .layer_geometry import layer_geometry, scanner_like, transform_like, turned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2.data.images.selection import Box

    from .shown_colours import Looks

# Entries of a layer's metadata: the unique id of the image that it was made for, and its own. A copy of a layer has the
# metadata of the first, but another id: it is the user's.
_IMAGE_KEY = "napari_sam2_image"
_LAYER_KEY = "napari_sam2_layer"
# Marks the layers in which a region is drawn.
REGION_KEY = "napari_sam2_region"
# Marks the layers that show what was found and is not taken yet.
PROPOSALS_KEY = "napari_sam2_proposals"
# And those for frames that lie across the image's own planes, with the axis that these run along.
_AXIS_KEY = "napari_sam2_axis"
_T = TypeVar("_T")


class FramesView:
    """The frames along one axis of an array of any kind, lazily: only the frame that is asked for is read.

    ``index`` is that of any one of them.
    """

    def __init__(self, array: Any, index: tuple[int | slice, ...], axis: int) -> None:
        self._array = array
        self._before, self._after = index[:axis], index[axis + 1 :]
        # Colour is an axis more than the index has.
        sides = [size for size, i in zip(array.shape, index, strict=False) if isinstance(i, slice)]
        self.shape = (array.shape[axis], *sides, *array.shape[len(index) :])
        self.dtype = np.dtype(array.dtype)

    def __getitem__(self, frame: int) -> NDArray[Any]:
        return np.asarray(self._array[(*self._before, frame, *self._after)])


@dataclass(frozen=True)
class LayerFrames(Geometry):
    """Frames of an image layer: which ones, not where, so that it stays the same when the layer is moved or scaled.

    What is given to it or comes from it as a place, an index or a position is in the order of the layer's axes.
    """

    # Unique id of the layer.
    image: str = ""
    # The layer's axes in the order of `axes`, rows and columns of the frames last; empty where that is the same.
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order and sorted(self.order) != [*range(len(self.axes))]:
            raise ValueError(f"an image of {len(self.axes)} axes has no order {self.order}")

    @property
    def layer_shape(self) -> tuple[int, ...]:
        """Sizes of the layer's axes."""
        return self._in_layer(self.shape)

    @property
    def layer_axis(self) -> int | None:
        """The layer's axis that the frames run along; None for a single image."""
        return None if self.tracked is None else (self.order or range(len(self.axes)))[self.tracked]

    @property
    def plane_axes(self) -> tuple[int, int]:
        """The layer's axes that are rows and columns of the frames."""
        row, column = (self.order or tuple(range(len(self.axes))))[-2:]
        return row, column

    @property
    def in_own_planes(self) -> LayerFrames:
        """All planes of a volume that the layer's last two axes make, where these frames lie across them."""
        return frames_along(0, shape=self.layer_shape, image=self.image) if self.order else self

    def index(self, frame: int) -> tuple[int | slice, ...]:
        """Index of a frame in the layer's data."""
        return self._in_layer(super().index(frame))

    def position(self, frame: int, y: float, x: float) -> tuple[float, ...]:
        """Data coordinates of a place on a frame."""
        return self._in_layer(super().position(frame, y, x))

    def frame_of(self, position: ArrayLike) -> int | None:
        """Frame that data coordinates lie on; None if they lie on none of these."""
        place = np.asarray(position)
        return super().frame_of(place[list(self.order)] if self.order else place)

    def _in_layer(self, values: tuple[_T, ...]) -> tuple[_T, ...]:
        return tuple(values[self.order.index(i)] for i in range(len(values))) if self.order else values

    def to_json(self) -> dict[str, Any]:
        """Return the frames as an object that JSON can hold."""
        return super().to_json() | ({"order": list(self.order)} if self.order else {})

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; ``ValueError`` if it is damaged."""
        order = tuple(whole_number(axis, "an axis") for axis in said.get("order", ()))
        return replace(super().from_json(said), order=order)


def frames_along(
    axis: int | None, fixed: tuple[int, ...] = (), *, shape: tuple[int, ...], image: str = "", region: Box | None = None
) -> LayerFrames:
    """Take the frames along an axis, at places on the others before Y and X; of them a region, where there is one.

    Along Y or X of a volume the axis before them and the other of them are rows and columns.
    """
    n_leading = len(shape) - 2
    names, order = [*(f"axis {i}" for i in range(n_leading)), "y", "x"], tuple(range(len(shape)))
    if axis is not None and axis >= n_leading > 0:
        order = (*order[: n_leading - 1], axis, *(i for i in order[n_leading - 1 :] if i != axis))
    tracked = None if axis is None else names[order.index(axis)]
    axes = tuple(Axis(name, shape[i]) for name, i in zip(names, order, strict=True))
    turned = () if order == tuple(range(len(shape))) else order
    return LayerFrames(axes, Selection(fixed or None, crop=region, axis=tracked), image=image, order=turned)


def layer_shape(layer: Image) -> tuple[int, ...]:
    """Shape of an image layer's full-resolution data, without the colour axis."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(size) for size in (data.shape[:-1] if layer.rgb else data.shape))


def choosable_axes(layer: Image) -> list[tuple[int, str]]:
    """Axes that can be tracked, with the names to show: all but the last two, and these too in a single volume."""
    n_axes = len(layer_shape(layer))
    is_volume = n_axes == 3 and frame_kind(layer, 0) == "z"
    return [(axis, axis_name(layer.axis_labels, axis)) for axis in range(n_axes if is_volume else n_axes - 2)]


def frame_kind(layer: Image, axis: int | None) -> str | None:
    """What the places along an axis are by its name: ``"t"`` or ``"z"``; None where it does not say."""
    if axis is None:
        return None
    # Along Y or X of a volume they are slices as well.
    kind = "z" if axis >= len(layer.axis_labels) - 2 else axis_kind(str(layer.axis_labels[axis]))
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
    # Frames across the planes of a volume have no other axes, and a region is one in these planes.
    is_turned = axis >= len(shape) - 2
    others = [] if is_turned else [i for i in range(len(shape) - 2) if i != axis]
    region = None if is_turned else region
    fixed = tuple(int(np.clip(round(place[i]), 0, shape[i] - 1)) for i in others)
    return frames_along(axis, fixed, shape=shape, image=str(layer.unique_id), region=region)


def data_position(layer: Layer, viewer: ViewerModel) -> tuple[float, ...]:
    """Where the viewer's sliders stand, in a layer's data coordinates."""
    return tuple(float(value) for value in layer.world_to_data(viewer.dims.point))


def current_frame(layer: Image, space: LayerFrames, viewer: ViewerModel) -> int:
    """Frame that the viewer shows."""
    if space.layer_axis is None:
        return 0
    return int(np.clip(round(data_position(layer, viewer)[space.layer_axis]), 0, space.n_frames - 1))


def go_to_frame(layer: Image, space: LayerFrames, viewer: ViewerModel, *, frame: int) -> None:
    """Move the viewer's slider to a frame."""
    if (along := space.layer_axis) is None:
        return
    place = list(data_position(layer, viewer))
    place[along] = float(frame)
    viewer.dims.set_point(_viewer_axis(along, space, viewer), float(layer.data_to_world(place)[along]))


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


def make_stack(layer: Image, space: LayerFrames, *, axis: str, looks: Looks = ()) -> Stack:
    """Make a stack of a layer's frames without copying them, with their geometry and the path of their file.

    ``looks`` are how several layers are shown: then frames are the colours that they make.
    """
    stack = _stack_of(layer, space, axis)
    if looks:
        channels = [_stack_of(one.layer or layer, space, axis) for one in looks]
        windows = [Window(*one.window) for one in looks]
        stack = Stack(MixedFrames(channels, windows, [one.colours for one in looks]), axis)
        for channel in channels:
            channel.missing = stack.missing
    path = layer.source.path
    # A session of the command line would take other frames of that file, along another axis or in grey.
    stack.path = None if path is None or space.order or looks else Path(path)
    said = {**transform_like(layer), "metadata": layer.metadata}
    said = said if not space.order else turned(said, space.order)
    stack.geometry = layer_geometry(said, space.shape, *_named(layer, space, axis))
    return stack if space.is_whole else stack.part(crop=space.crop)


def _stack_of(layer: Image, space: LayerFrames, axis: str) -> Stack:
    data = layer.data[0] if layer.multiscale else layer.data
    if space.layer_axis is not None:
        data = FramesView(data, space.whole.index(0), space.layer_axis)
    return Stack.from_array(data, axis, rgb=bool(layer.rgb))


def _named(layer: Image, space: LayerFrames, axis: str) -> tuple[list[str], Selection]:
    """Name a layer's axes by its labels where those are t, z or c, and give the selection of the frames."""
    names: list[str] = []
    labels = [layer.axis_labels[i] for i in space.order or range(len(space.shape))]
    for i, label in enumerate(labels[:-2]):
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


def axis_name(labels: Sequence[str], axis: int) -> str:
    """Call an axis by its label, where that is a name."""
    label = str(labels[axis])
    return label if label.isidentifier() else f"axis {axis}"


def mark_as_across(layer: Layer, image: Image, space: LayerFrames | None) -> None:
    """Mark a new layer as made for frames that lie across an image's own planes, where they do."""
    if space is not None and space.order and space.layer_axis is not None:
        layer.metadata[_AXIS_KEY] = space.layer_axis
        layer.name = f"{layer.name} along {axis_name(image.axis_labels, space.layer_axis)}"


def axis_across(layer: Layer) -> int | None:
    """Find the axis of the frames that a layer was made for; None where they are the image's own planes."""
    axis: int | None = layer.metadata.get(_AXIS_KEY)
    return axis


def is_own(layer: Layer) -> bool:
    """Whether a layer was made by the widget; any other is the user's, a copy of such a layer included."""
    return bool(layer.metadata.get(_LAYER_KEY) == str(layer.unique_id))


def is_made_for(layer: Layer, image: Image) -> bool:
    """Whether a layer was made by the widget for an image."""
    return is_own(layer) and layer.metadata.get(_IMAGE_KEY) == str(image.unique_id)


def is_for_prompts(layer: Layer, image: Image, space: LayerFrames | None) -> bool:
    """Whether a layer was made by the widget for prompts, or results, on frames of an image."""
    across = space.layer_axis if space is not None and space.order else None
    return is_made_for(layer, image) and not why_no_prompts(layer) and axis_across(layer) == across


def is_region(layer: Layer) -> bool:
    """Whether a layer is for drawing a region."""
    return bool(layer.metadata.get(REGION_KEY))


def is_proposals(layer: Layer) -> bool:
    """Whether a layer shows proposals."""
    return bool(layer.metadata.get(PROPOSALS_KEY))


def why_no_prompts(layer: Layer) -> str:
    """Say what else a layer is for than prompts and results; empty where it may hold them."""
    if is_region(layer):
        return f"{layer.name} shows the region"
    return f"{layer.name} shows what is not taken yet" if is_proposals(layer) else ""
