"""A stack of frames along time or depth, read one frame at a time."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_index import check_frame

from .frame_sources import ArrayPlanes, ClosablePlanes, FrameSource, Opened, PartFrames, PlaneFrames
from .geometry import Geometry
from .locate import locate
from .pixels.composite import CompositeFrames
from .pixels.missing_pixels import MissingPixels
from .selection import Selection, check_axis, check_level

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from .axes import Axis
    from .calibration import Calibration

_ADVICE = (
    "it must be (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3); choose one channel, plane or time point first, or name "
    "the axes, such as axes='tczyx'"
)


class Stack:
    """Frames of one shape along time or depth, fetched when asked for and never all held.

    Made by `Stack.from_array` or `open_stack`. Reading from several threads is safe. A stack over a file can
    be used as a context manager; without that, the file is closed when the stack is garbage.

    Parameters
    ----------
    source : FrameSource
        Where the frames come from.
    axis : {"t", "z"}, default: "t"
        What the frames are: time points or planes.
    geometry : Geometry, optional
        Which part of which image the frames are, and where they lie; `axis` is then what it says.
    path : Path, optional
        The file or folder behind the source.

    Raises
    ------
    ValueError
        If `axis` is neither ``"t"`` nor ``"z"``, the pixels are not numbers, a size is zero, or the geometry is
        that of other frames.
    """

    def __init__(
        self, source: FrameSource, axis: str = "t", *, geometry: Geometry | None = None, path: Path | None = None
    ) -> None:
        # Before the checks, so that a file that fails one is closed too.
        self._finalizer = weakref.finalize(self, source.close)
        if source.dtype.kind not in "buif":
            raise ValueError(f"frames of type {source.dtype} are not images: they must be real numbers")
        # Percentiles and geometry need at least one pixel.
        if 0 in source.shape:
            raise ValueError(f"a stack of shape {source.shape} has no pixels")
        self._source = source
        # Shared by all stacks over one image, so that it is said once and refused everywhere.
        self.missing = MissingPixels()
        self.geometry = Geometry.of(self.shape, check_axis(axis)) if geometry is None else geometry
        self.axis = check_axis(self.geometry.selection.axis or axis)
        if self.geometry.stack_shape != self.shape:
            raise ValueError(f"frames of {self.shape} do not fit a geometry of {self.geometry.stack_shape}")
        self.path = path
        # Whether the file or the user said that `axis`; else it is only what most unlabelled stacks are.
        self.is_axis_known = True
        # Of one volume, where the frames are all planes of volumes over time, time point by time point.
        self.n_planes: int | None = None
        self._whole: Stack | None = None

    @classmethod
    def from_array(
        cls,
        array: Any,
        axis: str | None = None,
        *,
        axes: str | None = None,
        rgb: bool | None = None,
        calibration: Calibration | None = None,
        selection: Selection | None = None,
    ) -> Stack:
        """Wrap an array, which stays where it is.

        Parameters
        ----------
        array : array-like
            (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3); NumPy, dask, zarr or anything else that has
            `shape` and `dtype` and can be indexed. A fourth sample (alpha) is left out. A list of arrays that
            shrink from one to the next is one image in several resolutions.
        axis : {"t", "z"}, optional
            What the frames are. By default what `axes` says, and time where it says nothing.
        axes : str, optional
            A letter for each axis of the array, in any order: ``t``, ``z``, ``c`` (channels), ``y``, ``x`` and ``s``
            (colour samples).
        rgb : bool, optional
            Whether the last axis is colour. By default it is where it has 3 or 4 entries and there are
            three axes or more: no image is that narrow. Not used where `axes` is given.
        calibration : Calibration, optional
            Sizes of pixels and steps.
        selection : Selection, optional
            Place on the axes that are not tracked, channels and resolution.

        Returns
        -------
        Stack
            One frame long for a single image.

        Raises
        ------
        ValueError
            If the shape is none of the above, does not fit `axes` or `rgb`, or what is selected does not exist.
        """
        selection = selection or Selection()
        axis = axis or selection.axis
        # Colour is guessed by the finest level: a coarse level may itself be three pixels wide.
        array, finest = _one_level(array, selection.level)
        letters = _letters(finest, rgb) if axes is None else _checked_letters(axes, finest)
        planes = ArrayPlanes(array, letters)
        stack = stack_of(Opened(planes, planes.leading), axis, selection, name="the array")
        if calibration is not None:
            stack.geometry = stack.geometry.calibrated(calibration)
        return stack

    @property
    def whole(self) -> Stack:
        """The stack that this one is a part of; itself where it is no part."""
        return self if self._whole is None else self._whole

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X), without the colour axis."""
        n_frames, height, width = self._source.shape[:3]
        return n_frames, height, width

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return self.shape[1]

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return self.shape[2]

    @property
    def is_slices(self) -> bool:
        """Whether frames are slices of one volume, where an object that has ended does not come back."""
        return self.axis == "z" and self.n_planes is None

    @property
    def is_rgb(self) -> bool:
        """Whether frames are (Y, X, 3)."""
        return len(self._source.shape) == 4

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the machine's byte order."""
        return self._source.dtype.newbyteorder("=")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the frames as an array, (T, Y, X): names, sizes, scales, translations and units."""
        return self.geometry.taken().axes

    @property
    def calibration(self) -> Calibration:
        """Sizes of a pixel and of a step, where known."""
        return self.geometry.calibration

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Height and width of a pixel in `unit`, where known."""
        return self.calibration.pixel_size

    @property
    def step(self) -> float | None:
        """Distance between frames in `step_unit`, where known."""
        return self.calibration.step

    @property
    def unit(self) -> str | None:
        """Unit of `pixel_size`."""
        return self.calibration.unit

    @property
    def step_unit(self) -> str | None:
        """Unit of `step`."""
        return self.calibration.step_unit

    def __len__(self) -> int:
        return self.n_frames

    def read(self, frame: int) -> NDArray[Any]:
        """Fetch one frame.

        Parameters
        ----------
        frame : int
            Index from 0.

        Returns
        -------
        ndarray
            (Y, X) or (Y, X, 3) of type `dtype`; a copy, the caller's to change.

        Raises
        ------
        ValueError
            If there is no such frame, it cannot be read, it holds NaN where that is refused, or the stack is closed.
        """
        frame = check_frame(frame, self.n_frames)
        image = self._source.read(frame)
        # Alpha carries no intensity that the model could use.
        if self.is_rgb:
            image = image[..., :3]
        # Always a copy: sources may return views of a memory map or of their cache.
        image = np.array(image, dtype=self.dtype, order="C")
        self.missing.check(image, frame)
        return image

    def part(self, *, crop: tuple[int, int, int, int] | None = None, every: Fraction | int = 1) -> Stack:
        """Take a part, to be tracked by itself; its `geometry` puts the results back in place.

        Parameters
        ----------
        crop : tuple of int, optional
            (y0, x0, y1, x1), the ends excluded; the whole frame by default.
        every : Fraction or int, default: 1
            3 takes every third frame, ``Fraction(1, 2)`` takes each frame twice.

        Returns
        -------
        Stack
            Over the same file, which closing the whole stack closes.

        Raises
        ------
        ValueError
            If the crop leaves the frame or `every` is neither a whole number nor one over one.
        """
        # Parts of parts read from the whole stack directly, whatever their depth of nesting.
        geometry = self.geometry.part(crop, every)
        source = PartFrames(self.whole._source, geometry.frames, geometry.crop)
        part = Stack(source, geometry=geometry, path=self.path)
        part._whole = self.whole  # or it would close the file as garbage
        part.missing = self.missing
        part.is_axis_known = self.is_axis_known
        return part

    def close(self) -> None:
        """Close the file behind the stack, once a read that is under way has ended; nothing can be read after that."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stack_of(opened: Opened, axis: str | None, selection: Selection, *, name: str, path: Path | None = None) -> Stack:
    """Take the frames that a selection names out of an opened image."""
    geometry = locate(opened, axis, selection, name)
    channels = geometry.selection.channel_numbers
    planes = ClosablePlanes(opened.planes, name)
    places, tracked = geometry.places, geometry.tracked
    # `locate` put an axis of one place in front; the source has none, so there is nothing to run along.
    if len(places) > len(opened.axes):
        places, tracked = places[1:], None
    several = len(channels) > 1 and "c" in opened.axes
    # One source for each channel, over the same file: closing one of them closes it for all.
    each = []
    for channel in channels if several else (0,):
        fixed = [channel if several and letter == "c" else at for letter, at in zip(opened.axes, places, strict=True)]
        each.append(PlaneFrames(planes, fixed, tracked))
    # A single channel keeps its type and range; several become 8-bit RGB.
    frames: FrameSource = each[0]
    missing = MissingPixels()
    if several:
        defaults = [opened.channels[channel].window for channel in channels] if opened.channels else []
        frames = CompositeFrames(channel_stacks(each, missing), selection.windows, defaults)
    stack = Stack(frames, geometry=geometry, path=path)
    stack.missing = missing
    stack.is_axis_known = axis is not None or stack.n_frames == 1 or opened.axes[geometry.tracked or 0] != "n"
    return stack if selection == selection.whole else stack.part(crop=selection.crop, every=selection.every)


def channel_stacks(sources: Iterable[FrameSource], missing: MissingPixels) -> list[Stack]:
    """Make stacks of channels that are to be shown together."""
    stacks = [Stack(source) for source in sources]
    for stack in stacks:
        stack.missing = missing
    return stacks


def _one_level(array: Any, level: int) -> tuple[Any, tuple[int, ...]]:
    """Take one resolution of a multiscale image, and the shape of the finest; make anything else an array."""
    # napari hands multiscale images over as lists; a list of equal arrays is a stack instead.
    if isinstance(array, Sequence) and len(array) and all(hasattr(one, "shape") for one in array):
        shapes = [tuple(one.shape) for one in array]
        shrinks = (a != b and all(map(int.__ge__, a, b)) for a, b in pairwise(shapes))
        if len(array) == 1 or all(shrinks):
            check_level(level, [shape[-2:] for shape in shapes], "the multiscale image")
            return array[level], shapes[0]
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        array = np.asarray(array)
    check_level(level, [tuple(array.shape)[-2:]], "the array")
    return array, tuple(array.shape)


def _letters(shape: tuple[int, ...], rgb: bool | None) -> str:
    # A last axis of 3 or 4 is colour, as for napari and Pillow.
    has_samples = len(shape) > 2 and shape[-1] in (3, 4)
    rgb = has_samples if rgb is None else rgb
    n_axes = len(shape) - (1 if rgb else 0)
    if n_axes not in (2, 3) or (rgb and not has_samples):
        raise ValueError(f"an array of shape {shape} is no {'colour ' if rgb else ''}stack: {_ADVICE}")
    return ("n" if n_axes == 3 else "") + "yx" + ("s" if rgb else "")


def _checked_letters(axes: str, shape: tuple[int, ...]) -> str:
    # Both "TCZYX" and "tczyx" are common.
    letters = axes.lower()
    if len(letters) != len(shape) or len(set(letters)) != len(letters) or not {*"yx"} <= {*letters} <= {*"tzcyxs"}:
        raise ValueError(
            f"axes {axes!r} do not fit an array of shape {shape}: give one letter of t, z, c, y, x and s for each of "
            "its axes, y and x among them"
        )
    if "s" in letters and shape[letters.index("s")] not in (3, 4):
        raise ValueError(f"the axis s of shape {shape} must have 3 or 4 colour samples; channels are c")
    return letters
