"""Time-lapses of volumes (T, Z, Y, X), read plane by plane; each volume or plane over time is a `Stack`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_index import check_frame

from .axes import Axis
from .frame_sources import WHOLE, Area, ArrayPlanes, ClosablePlanes, FrameSource, Opened, PartFrames, PlaneSource
from .geometry import Geometry
from .locate import locate_volumes
from .pixels.composite import CompositeFrames
from .pixels.missing_pixels import MissingPixels
from .selection import Selection
from .stack import Stack, channel_stacks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from .calibration import Calibration


class VolumeSeries:
    """Volumes of one shape over time, read plane by plane and never all held.

    Made by `VolumeSeries.from_array` or `open_volumes`. Can be used as a context manager, as a `Stack` can.

    Parameters
    ----------
    planes : Stack
        All planes, time point by time point.
    n_times : int
        How many time points they make.
    geometry : Geometry, optional
        Of the image, with both time and depth among its axes.

    Attributes
    ----------
    planes : Stack
        As given; plane z of time t is its frame ``t * n_planes + z``.
    geometry : Geometry
        As given.

    Raises
    ------
    ValueError
        If the planes do not make that many volumes.
    """

    def __init__(self, planes: Stack, n_times: int, *, geometry: Geometry | None = None) -> None:
        # Volumes with different numbers of planes cannot be told apart in a flat stack.
        if n_times < 1 or planes.n_frames % n_times:
            raise ValueError(f"{planes.n_frames} planes do not make {n_times} volumes of one size")
        self.planes = planes
        self._n_times = n_times
        planes.n_planes = planes.n_frames // n_times
        self.geometry = geometry or Geometry(tuple(map(Axis, "tzyx", self.shape)))

    @classmethod
    def from_array(cls, array: Any, axes: str = "tzyx", *, selection: Selection | None = None) -> VolumeSeries:
        """Wrap an array, which stays where it is.

        Parameters
        ----------
        array : array-like
            NumPy, dask, zarr or anything else that has `shape` and `dtype` and can be indexed.
        axes : str, default: "tzyx"
            A letter for each of its axes: ``t``, ``z``, ``c`` (channels), ``y``, ``x`` and ``s`` (colour samples).
        selection : Selection, optional
            The channels.

        Returns
        -------
        VolumeSeries
            Without sizes.

        Raises
        ------
        ValueError
            If the axes do not fit, or there is no time or no depth among them.
        """
        # Checked here and not on reading, where the error would name a plane instead of the mistake.
        letters = axes.lower()
        if len(letters) != len(array.shape) or len({*letters}) != len(letters) or not {*letters} <= {*"tzcyxs"}:
            raise ValueError(f"axes {axes!r} do not fit an array of shape {tuple(array.shape)}")
        planes = ArrayPlanes(array, letters)
        return series_of(Opened(planes, planes.leading), selection or Selection(), name="the array")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, Z, Y, X), without the colour axis."""
        return self.n_times, self.n_planes, self.planes.height, self.planes.width

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the volumes as an array, (T, Z, Y, X): names, sizes, scales, translations and units."""
        named = dict(zip(self.geometry.names, self.geometry.axes, strict=True))
        return tuple(named[name] for name in "tzyx")

    @property
    def calibration(self) -> Calibration:
        """Of one volume: pixel size and distance between planes."""
        return self.geometry.along("z", 0).calibration

    @property
    def interval(self) -> tuple[float | None, str | None]:
        """Time between volumes and its unit, None where not known."""
        # Along time, the step of the tracked axis is the interval.
        time = self.geometry.along("t", 0).calibration
        return time.step, time.step_unit

    @property
    def n_times(self) -> int:
        """Number of time points."""
        return self._n_times

    @property
    def n_planes(self) -> int:
        """Number of planes of a volume."""
        return self.planes.n_frames // self._n_times

    @property
    def path(self) -> Path | None:
        """The file or folder behind the series."""
        return self.planes.path

    def volume(self, time: int) -> Stack:
        """Take one volume.

        Parameters
        ----------
        time : int
            Index of the time point.

        Returns
        -------
        Stack
            (Z, Y, X), along z.

        Raises
        ------
        ValueError
            If there is no such time point.
        """
        self.check_time(time)
        places = ((time, plane) for plane in range(self.n_planes))
        return self._stack(places, self.geometry.along("z", time))

    def through_time(self, plane: int, times: Iterable[int] | None = None) -> Stack:
        """Take one plane at several time points.

        Parameters
        ----------
        plane : int
            Index of the plane.
        times : iterable of int, optional
            Time points in the order wanted; all where not given.

        Returns
        -------
        Stack
            (T, Y, X), along time.

        Raises
        ------
        ValueError
            If there is no such plane or time point.
        """
        check_frame(plane, self.n_planes)
        wanted = range(self.n_times) if times is None else [self.check_time(time) for time in times]
        geometry = self.geometry.along("t", plane)
        # A subset of times keeps its start on the time axis; its steps are taken as the usual ones.
        if len(wanted) != self.n_times:
            axes = [axis.taken(wanted[0], len(wanted)) if axis.name == "t" else axis for axis in geometry.axes]
            geometry = replace(geometry, axes=tuple(axes))
        return self._stack(((time, plane) for time in wanted), geometry)

    def check_time(self, time: int) -> int:
        """Check the index of a time point.

        Parameters
        ----------
        time : int
            The index.

        Returns
        -------
        int
            The same index.

        Raises
        ------
        ValueError
            If there is no such time point; the message gives the range.
        """
        if not 0 <= time < self.n_times:
            raise ValueError(f"there is no time point {time}: the volumes are 0 to {self.n_times - 1}")
        return time

    def close(self) -> None:
        """Close the file behind the series, as `Stack.close` does."""
        self.planes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stack(self, places: Iterable[tuple[int, int]], geometry: Geometry) -> Stack:
        # Planes are numbered time point by time point, as `_GridFrames` reads them.
        frames = [time * self.n_planes + plane for time, plane in places]
        whole = (0, 0, self.planes.height, self.planes.width)
        # Closing the returned stack must leave the series open for its other volumes.
        source = PartFrames(_SharedPlanes(self), frames, whole)
        stack = Stack(source, geometry=geometry, path=self.path)
        stack.missing = self.planes.missing
        return stack


class _GridFrames:
    """All planes of an image with time and depth, time point by time point."""

    def __init__(self, planes: PlaneSource, axes: str, channel: int | None) -> None:
        self._planes = planes
        self._axes = axes
        self._channel = channel
        sizes = dict(zip(axes, planes.shape, strict=False))
        self.n_times, self.n_planes = sizes["t"], sizes["z"]
        self.shape: tuple[int, ...] = (self.n_times * self.n_planes, *planes.shape[len(axes) :])
        self.dtype: np.dtype[Any] = planes.dtype

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it."""
        time, plane = divmod(frame, self.n_planes)
        # Axes come in any order in a file; `at` brings the index into that order.
        at = {"t": time, "z": plane, "c": self._channel or 0}
        return self._planes.read(tuple(at.get(letter, 0) for letter in self._axes), area)

    def close(self) -> None:
        """Close the image."""
        self._planes.close()


class _SharedPlanes:
    """The planes of a series that somebody else closes."""

    def __init__(self, series: VolumeSeries) -> None:
        # The series, not its source: it would close the file as garbage.
        self._series = series
        planes = series.planes
        self.shape: tuple[int, ...] = (*planes.shape, *((3,) if planes.is_rgb else ()))
        self.dtype: np.dtype[Any] = planes.dtype

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it."""
        try:
            return self._series.planes.read(frame)[area]
        # The frame number in the message counts all planes, which tells a user nothing.
        except ValueError as error:
            time, plane = divmod(frame, self._series.n_planes)
            raise ValueError(f"plane {plane} of time point {time}: {error}") from error

    def close(self) -> None:
        """Do nothing: the series closes its file."""


def series_of(opened: Opened, selection: Selection, *, name: str, path: Path | None = None) -> VolumeSeries:
    """Take the volumes that a selection names out of an opened image."""
    geometry = locate_volumes(opened, selection, name)
    channels = geometry.selection.channel_numbers
    planes = ClosablePlanes(opened.planes, name)
    several = len(channels) > 1 and "c" in opened.axes
    sources = [_GridFrames(planes, opened.axes, channel) for channel in channels or (None,)]
    frames: FrameSource = sources[0]
    missing = MissingPixels()
    if several:
        # Display ranges of the file, where it has them, come before measured ones.
        windows = [opened.channels[channel].window for channel in channels] if opened.channels else []
        frames = CompositeFrames(channel_stacks(sources, missing), selection.windows, windows)
    # The flat stack of all planes has no depth of its own; the real axes are in `geometry`.
    n_planes, height, width = frames.shape[:3]
    flat = Geometry.of((n_planes, height, width), calibration=geometry.along("t", 0).calibration)
    flat_stack = Stack(frames, geometry=flat, path=path)
    flat_stack.missing = missing
    return VolumeSeries(flat_stack, sources[0].n_times, geometry=geometry)
