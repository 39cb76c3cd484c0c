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
from napari_sam2.data.images.volume_series import VolumeSeries

from .layer_geometry import layer_geometry, scanner_like, transform_like, turned

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

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
# In place of an axis to track along: through volumes over time.
THROUGH_VOLUMES = -1
_T = TypeVar("_T")


class FramesView:
    """The whole frames of an array of any kind, lazily: only the frame that is asked for is read."""

    def __init__(self, array: Any, space: LayerFrames) -> None:
        self._array, self._space = array, space.whole
        # Colour is an axis more than the index has.
        index = self._space.index(0)
        sides = [size for size, i in zip(array.shape, index, strict=False) if isinstance(i, slice)]
        self.shape = (space.n_frames, *sides, *array.shape[len(index) :])
        self.dtype = np.dtype(array.dtype)

    def __getitem__(self, frame: int) -> NDArray[Any]:
        return np.asarray(self._array[self._space.index(frame)])


@dataclass(frozen=True)
class LayerFrames(Geometry):
    """Frames of an image layer: which ones, not where, so that it stays the same when the layer is moved or scaled.

    What is given to it or comes from it as a place, an index or a position is in the order of the layer's axes.
    """

    # Unique id of the layer.
    image: str = ""
    # The layer's axes in the order of `axes`, rows and columns of the frames last; empty where that is the same.
    order: tuple[int, ...] = ()
    # The axis of time, where the frames are all planes of volumes over time, time point by time point.
    over: int | None = None

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
    def choice(self) -> int | None:
        """What the user chose these frames by: the axis that they run along, or `THROUGH_VOLUMES`."""
        return self.layer_axis if self.over is None else THROUGH_VOLUMES

    @property
    def running(self) -> tuple[int, ...]:
        """The layer's axes along which one comes from one frame to another."""
        return tuple(axis for axis in (self.over, self.layer_axis) if axis is not None)

    @property
    def n_planes(self) -> int | None:
        """Planes of a volume, where the frames are those of volumes over time."""
        return None if self.over is None else super().n_frames

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return super().n_frames * (1 if self.over is None else self.shape[self.over])

    @property
    def plane_axes(self) -> tuple[int, int]:
        """The layer's axes that are rows and columns of the frames."""
        row, column = (self.order or tuple(range(len(self.axes))))[-2:]
        return row, column

    @property
    def in_own_planes(self) -> LayerFrames:
        """All planes of a volume that the layer's last two axes make, where these frames lie across them."""
        return frames_along(0, shape=self.layer_shape, image=self.image) if self.order else self

    def plane(self, frame: int) -> tuple[int, ...]:
        """Index of the plane that a frame lies in, on the axes before Y and X."""
        if self.over is None:
            return super().plane(frame)
        time, plane = divmod(frame, super().n_frames)
        places = super().plane(plane)
        return (*places[: self.over], time, *places[self.over + 1 :])

    def index(self, frame: int) -> tuple[int | slice, ...]:
        """Index of a frame in the layer's data."""
        return self._in_layer(super().index(frame))

    def position(self, frame: int, y: float, x: float) -> tuple[float, ...]:
        """Data coordinates of a place on a frame."""
        return self._in_layer(super().position(frame, y, x))

    def frame_of(self, position: ArrayLike) -> int | None:
        """Frame that data coordinates lie on; None if they lie on none of these."""
        place = np.array(position, float)
        if self.over is None:
            return super().frame_of(place[list(self.order)] if self.order else place)
        time, place[self.over] = round(place[self.over]), 0
        plane = super().frame_of(place)
        is_here = plane is not None and 0 <= time < self.shape[self.over]
        return time * super().n_frames + plane if is_here and plane is not None else None

    def named(self, frame: int) -> str:
        """Call a frame as the user counts: by its number, or by time point and plane."""
        return f"frame {frame}" if not self.n_planes else "t {}, z {}".format(*divmod(frame, self.n_planes))

    def _in_layer(self, values: tuple[_T, ...]) -> tuple[_T, ...]:
        return tuple(values[self.order.index(i)] for i in range(len(values))) if self.order else values

    def to_json(self) -> dict[str, Any]:
        """Return the frames as an object that JSON can hold."""
        over = {} if self.over is None else {"over": self.over}
        return super().to_json() | ({"order": list(self.order)} if self.order else {}) | over

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; ``ValueError`` if it is damaged."""
        order = tuple(whole_number(axis, "an axis") for axis in values.get("order", ()))
        space, over = replace(super().from_json(values), order=order), values.get("over")
        if over is None:
            return space
        if not 0 <= whole_number(over, "an axis") < len(space.axes) - 2 or over == space.tracked or order:
            raise ValueError(f"axis {over} is none on which volumes follow each other")
        return replace(space, over=over)


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
    found = [(axis, axis_name(layer.axis_labels, axis)) for axis in range(n_axes if is_volume else n_axes - 2)]
    if (volumes := volume_axes(layer)) is not None:
        time, depth = (axis_name(layer.axis_labels, axis) for axis in volumes)
        is_named = frame_kind(layer, volumes[0]) and frame_kind(layer, volumes[1])
        found.append((THROUGH_VOLUMES, "time and depth" if is_named else f"{time} (time) and {depth} (depth)"))
    return found


def volume_axes(layer: Image) -> tuple[int, int] | None:
    """The axes of time and depth of volumes over time, by name; of two axes without names time is the first."""
    shape = layer_shape(layer)
    kinds = [axis_kind(str(label)) for label in layer.axis_labels[: len(shape) - 2]]
    if len(kinds) == 2 and None in kinds:
        first = kinds[0] or {"t": "z", "z": "t", None: "t"}.get(kinds[1], "c")
        kinds = [first, "z" if first == "t" else "t"]
    axes = tuple(kinds.index(kind) if kind in kinds else -1 for kind in AXES)
    return (axes[0], axes[1]) if all(axis >= 0 and shape[axis] > 1 for axis in axes) else None


def frame_kind(layer: Image, axis: int | None) -> str | None:
    """What the places along an axis are by its name: ``"t"`` or ``"z"``; None where it does not say."""
    if axis is None:
        return None
    if axis == THROUGH_VOLUMES:
        return "t"
    # Along Y or X of a volume they are slices as well.
    kind = "z" if axis >= len(layer.axis_labels) - 2 else axis_kind(str(layer.axis_labels[axis]))
    return kind if kind in AXES else None


def name_axis(layer: Layer, axis: int, name: str) -> None:
    """Give an axis of a layer a name."""
    labels = [str(label) for label in layer.axis_labels]
    layer.axis_labels = (*labels[:axis], name, *labels[axis + 1 :])


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
    stack.path = None if path is None or space.order or looks or space.n_planes else Path(path)
    stack.n_planes = space.n_planes
    placed = {**transform_like(layer), "metadata": layer.metadata}
    placed = placed if not space.order else turned(placed, space.order)
    stack.geometry = layer_geometry(placed, space.shape, *_named(layer, space, axis))
    if space.n_planes:
        # All planes have no depth of their own.
        stack.geometry = Geometry.of(stack.shape, axis, stack.geometry.calibration)
    return stack if space.is_whole else stack.part(crop=space.crop)


def volumes_of(layer: Image, space: LayerFrames, planes: Stack) -> VolumeSeries | None:
    """Volumes over time, with their geometry, where the frames of a layer are the planes of such; else None."""
    if space.over is None:
        return None
    kinds = {space.over: "t", space.layer_axis: "z"}
    names = [*(kinds.get(axis, f"axis {axis}") for axis in range(len(space.shape) - 2)), "y", "x"]
    placed = {**transform_like(layer), "metadata": layer.metadata}
    whole = layer_geometry(placed, space.shape, names, Selection(space.selection.at, axis="z"))
    axes = tuple(axis for axis in whole.axes if not axis.name.startswith("axis"))
    geometry = Geometry(axes, Selection(axis="z"), whole.affine)
    return VolumeSeries(planes, space.shape[space.over], geometry=geometry)


def _stack_of(layer: Image, space: LayerFrames, axis: str) -> Stack:
    data = layer.data[0] if layer.multiscale else layer.data
    if space.layer_axis is not None:
        data = FramesView(data, space)
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


def is_orphan(layer: Layer, images: Collection[str]) -> bool:
    """Whether a layer was made by the widget for an image that is none of some, given by their unique ids."""
    return is_own(layer) and layer.metadata.get(_IMAGE_KEY) not in images


def leave_to_user(layer: Layer) -> None:
    """Make a layer that was made by the widget one of the user's own, and mark it as kept."""
    for key in (_IMAGE_KEY, _LAYER_KEY):
        layer.metadata.pop(key, None)
    layer.name = f"{layer.name} (kept)"


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
