"""Sources of frames and planes: the interfaces that readers implement, and sources over arrays and opened images."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .calibration import Size
    from .geometry import Affine
    from .pixels.contrast import Window

# Rows and columns to read of a frame.
Area = tuple[slice, slice]
WHOLE: Area = (slice(None), slice(None))

# What an axis before Y and X may be: time, depth, frames that the file gives no name to, and channels.
FRAME_AXES = "tzn"


class FrameSource(Protocol):
    """Frames that are fetched one at a time, from any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X), or (T, Y, X, S) with 3 or 4 samples."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it, (Y, X) or (Y, X, S)."""

    def close(self) -> None:
        """Let go of open files."""


class PlaneSource(Protocol):
    """Planes of an image of any number of axes, fetched one at a time, from any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., Y, X) or (..., Y, X, S)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch the plane at an index on the axes before Y and X, or an area of it."""

    def close(self) -> None:
        """Let go of open files."""


@dataclass(frozen=True)
class Channel:
    """What a file records about one channel."""

    # Its name.
    name: str | None = None
    # The values it is shown with.
    window: Window | None = None


@dataclass(frozen=True)
class Opened:
    """An opened image."""

    # Its pixels.
    planes: PlaneSource
    # A letter of ``tznc`` for each axis before Y and X: time, depth, frames of no given kind, channels.
    axes: str = "n"
    # Sizes that the file records, by letter of the axis; also of ``"t"`` or ``"z"`` where frames have no given kind.
    sizes: Mapping[str, Size] = field(default_factory=dict)
    # One for each channel, or none where the file does not describe them.
    channels: tuple[Channel, ...] = field(default=())
    # 4 x 4: from voxel indices (x, y, z, 1) to millimetres right, anterior and superior.
    affine: Affine | None = None


class ArrayPlanes:
    """Planes of anything that has a shape and a dtype and can be indexed: NumPy, dask, zarr, NIfTI."""

    def __init__(self, array: Any, axes: str) -> None:
        self._array = array
        self._axes = axes
        # `axes` has one letter for each axis, in the order of the array: t, z, n, c, y, x, and s for colour samples.
        sizes = dict(zip(axes, (int(size) for size in array.shape), strict=True))
        self.leading = "".join(letter for letter in axes if letter not in "yxs")
        # Planes come out as (Y, X) or (Y, X, S), wherever the array has these axes.
        self._plane = "yxs" if "s" in axes else "yx"
        self.shape: tuple[int, ...] = tuple(sizes[letter] for letter in self.leading + self._plane)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it; nothing else is read where the array is lazy."""
        if not hasattr(self._array, "ndim"):
            # Something that only knows how to give a frame, as the axes say: frames first.
            return np.asarray(self._array[index[0] if len(index) == 1 else index])[area]
        # Indexed before conversion to NumPy, so that a lazy array loads this area and nothing else.
        wanted: dict[str, Any] = dict(zip(self.leading, index, strict=True)) | {"y": area[0], "x": area[1]}
        image = np.asarray(self._array[tuple(wanted.get(letter, slice(None)) for letter in self._axes)])
        # Whole numbers removed the leading axes; what is left may still be in the wrong order (X before Y in NIfTI).
        kept = [letter for letter in self._axes if letter in self._plane]
        return image.transpose([kept.index(letter) for letter in self._plane])

    def close(self) -> None:
        """Do nothing: an array is its owner's to close."""


class FilePlanes(ArrayPlanes):
    """Planes of an array in a file, read when they are asked for: damage and missing codecs surface only then."""

    def __init__(self, array: Any, axes: str, path: Path, *, unreadable: tuple[type[Exception], ...]) -> None:
        super().__init__(array, axes)
        self._path = path
        # What the library below raises.
        self._unreadable = unreadable

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it."""
        try:
            return super().read(index, area)
        except self._unreadable as error:
            raise ValueError(f"{self._path} cannot be read at {index}: {error}") from error


class ClosablePlanes:
    """Planes of an image until it is closed: a read that is under way then still gets its plane, later ones none."""

    def __init__(self, planes: PlaneSource, name: str) -> None:
        self._planes: PlaneSource | None = planes
        self._name = name
        self._lock = threading.Lock()
        # A file closed under a reading thread can crash the process: the last reader out closes it.
        self._reads_under_way = 0
        self._closed = False
        self.shape: tuple[int, ...] = planes.shape
        self.dtype: np.dtype[Any] = planes.dtype

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it."""
        with self._lock:
            planes = self._planes
            if self._closed or planes is None:
                raise ValueError(f"{self._name} is closed: open it again to read from it")
            self._reads_under_way += 1
        try:
            return planes.read(index, area)
        finally:
            self._leave(reads=1)

    def close(self) -> None:
        """Close the image once no read is under way."""
        self._closed = True
        self._leave(reads=0)

    def _leave(self, *, reads: int) -> None:
        unused: PlaneSource | None = None
        # Whoever leaves last takes the planes out, so that they are closed once.
        with self._lock:
            self._reads_under_way -= reads
            if self._closed and not self._reads_under_way:
                unused, self._planes = self._planes, None
        # Outside of the lock: closing may wait for the disk.
        if unused is not None:
            unused.close()


class PlaneFrames:
    """Frames along one axis of an image, the other axes held at one index; without an axis, a single frame."""

    def __init__(self, planes: PlaneSource, fixed: Sequence[int], axis: int | None) -> None:
        self._planes = planes
        self._fixed = tuple(fixed)
        self._axis = axis
        self.shape: tuple[int, ...] = (1 if axis is None else planes.shape[axis], *planes.shape[len(self._fixed) :])
        self.dtype: np.dtype[Any] = planes.dtype

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        index = list(self._fixed)
        if self._axis is not None:
            # The rest of the index stays at the places that the user chose.
            index[self._axis] = frame
        return self._planes.read(tuple(index), area)

    def close(self) -> None:
        """Close the image."""
        self._planes.close()


class PartFrames:
    """Some frames of another source, cropped to (y0, x0, y1, x1)."""

    def __init__(self, source: FrameSource, frames: Sequence[int], crop: tuple[int, int, int, int]) -> None:
        self._source = source
        self._frames = frames
        y0, x0, y1, x1 = crop
        self._area = (slice(y0, y1), slice(x0, x1))
        self.shape: tuple[int, ...] = (len(frames), y1 - y0, x1 - x0, *source.shape[3:])
        self.dtype: np.dtype[Any] = source.dtype

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        # The source reads only the crop; the caller's area is relative to it.
        return self._source.read(self._frames[frame], self._area)[area]

    def close(self) -> None:
        """Do nothing: the whole stack owns the source."""
