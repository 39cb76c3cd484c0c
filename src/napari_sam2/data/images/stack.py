"""A stack of frames, read one at a time."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_index import check_frame

from .calibration import Calibration
from .composite import CompositeFrames
from .frame_sources import ArrayPlanes, ClosablePlanes, FrameSource, Opened, PartFrames, PlaneFrames
from .selection import Selection, check_axis, check_level, locate
from .subset import Placement

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

_ADVICE = (
    "it must be (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3); choose one channel, plane or time point first, or name "
    "the axes, such as axes='tczyx'"
)


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a stack comes from.

    Attributes
    ----------
    path : Path or None
        The file or folder behind it.
    selection : Selection
        What was taken of it.
    affine : ndarray or None
        (4, 4) float64 of a medical image: from voxel indices (x, y, z, 1) to millimetres right, anterior and superior.
    """

    path: Path | None = None
    selection: Selection = field(default_factory=Selection)
    affine: NDArray[np.float64] | None = None


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
    calibration : Calibration, optional
        Sizes of pixels and steps, where known.
    origin : Origin, optional
        The file behind the source.
    placement : Placement, optional
        Where the frames lie in a whole stack, for a part of one.

    Raises
    ------
    ValueError
        If `axis` is neither ``"t"`` nor ``"z"``, the pixels are not numbers, or a size is zero.
    """

    def __init__(
        self,
        source: FrameSource,
        axis: str = "t",
        *,
        calibration: Calibration | None = None,
        origin: Origin | None = None,
        placement: Placement | None = None,
    ) -> None:
        # Before the checks, so that a file that fails one is closed too.
        self._finalizer = weakref.finalize(self, source.close)
        if source.dtype.kind not in "buif":
            raise ValueError(f"frames of type {source.dtype} are not images: they must be real numbers")
        if 0 in source.shape:
            raise ValueError(f"a stack of shape {source.shape} has no pixels")
        self._source = source
        self.axis = check_axis(axis)
        self.calibration = calibration or Calibration()
        self.origin = origin or Origin()
        self.placement = placement or Placement.of(self.shape)
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
        array, finest = _one_level(array, selection.level)
        letters = _letters(finest, rgb) if axes is None else _checked_letters(axes, finest)
        planes = ArrayPlanes(array, letters)
        opened = Opened(planes, planes.leading, lambda _axis: calibration or Calibration())
        return stack_of(opened, axis, selection, name="the array")

    @property
    def path(self) -> Path | None:
        """The file or folder behind the stack."""
        return self.origin.path

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
    def is_rgb(self) -> bool:
        """Whether frames are (Y, X, 3)."""
        return len(self._source.shape) == 4

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the machine's byte order."""
        return self._source.dtype.newbyteorder("=")

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
            If there is no such frame, it cannot be read, it holds NaN or infinite values, or the stack is closed.
        """
        frame = check_frame(frame, self.n_frames)
        image = self._source.read(frame)
        if self.is_rgb:
            image = image[..., :3]
        image = np.array(image, dtype=self.dtype, order="C")
        if self.dtype.kind == "f" and not np.isfinite(image).all():
            count = image.size - np.count_nonzero(np.isfinite(image))
            raise ValueError(
                f"frame {frame} holds {count} values that are NaN or infinite: replace them first, for "
                "instance with numpy.nan_to_num"
            )
        return image

    def part(self, *, crop: tuple[int, int, int, int] | None = None, every: Fraction | int = 1) -> Stack:
        """Take a part, to be tracked by itself; its `placement` puts the results back in place.

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
        placement = Placement.of(self.shape, crop, every)
        source = PartFrames(self._source, placement.frames, placement.crop)
        calibration = self.calibration.with_step_times(float(every))
        part = Stack(source, self.axis, calibration=calibration, origin=self.origin, placement=placement)
        part._whole = self  # or it would close the file as garbage
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
    place = locate(opened, axis, selection, name)
    about: dict[str, Any] = {
        "calibration": opened.calibrate(place.axis),
        "origin": Origin(path, selection, opened.affine),
    }
    planes = ClosablePlanes(opened.planes, name)
    if place.channel_axis is None:
        return Stack(PlaneFrames(planes, place.fixed, place.tracked), place.axis, **about)
    if len(opened.planes.shape) - len(opened.axes) > 2:
        raise ValueError(f"{name} has channels that are in colour themselves: choose one of them")
    each = []
    for channel in selection.channels:
        fixed = tuple(channel if i == place.channel_axis else at for i, at in enumerate(place.fixed))
        each.append(Stack(PlaneFrames(planes, fixed, place.tracked), place.axis))
    said = [opened.channels[channel].window for channel in selection.channels] if opened.channels else []
    return Stack(CompositeFrames(each, selection.windows, said), place.axis, **about)


def _one_level(array: Any, level: int) -> tuple[Any, tuple[int, ...]]:
    """Take one resolution of a multiscale image, and the shape of the finest; make anything else an array."""
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
    has_samples = len(shape) > 2 and shape[-1] in (3, 4)
    rgb = has_samples if rgb is None else rgb
    n_axes = len(shape) - (1 if rgb else 0)
    if n_axes not in (2, 3) or (rgb and not has_samples):
        raise ValueError(f"an array of shape {shape} is no {'colour ' if rgb else ''}stack: {_ADVICE}")
    return ("n" if n_axes == 3 else "") + "yx" + ("s" if rgb else "")


def _checked_letters(axes: str, shape: tuple[int, ...]) -> str:
    letters = axes.lower()
    if len(letters) != len(shape) or len(set(letters)) != len(letters) or not {*"yx"} <= {*letters} <= {*"tzcyxs"}:
        raise ValueError(
            f"axes {axes!r} do not fit an array of shape {shape}: give one letter of t, z, c, y, x and s for each of "
            "its axes, y and x among them"
        )
    if "s" in letters and shape[letters.index("s")] not in (3, 4):
        raise ValueError(f"the axis s of shape {shape} must have 3 or 4 colour samples; channels are c")
    return letters
