"""A stack of frames, read one at a time."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .calibration import Calibration
from .folder import FolderSource, is_image_file, is_tiff_file, read_image
from .prompts import check_frame
from .sources import ArraySource, FrameSource
from .tiff import open_tiff

if TYPE_CHECKING:
    import os
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

AXES = ("t", "z")


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
    path : Path, optional
        The file or folder behind the source.

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
        path: Path | None = None,
    ) -> None:
        # Before the checks, so that a file that fails one is closed too.
        self._finalizer = weakref.finalize(self, source.close)
        if source.dtype.kind not in "buif":
            raise ValueError(f"frames of type {source.dtype} are not images: they must be real numbers")
        if 0 in source.shape:
            raise ValueError(f"a stack of shape {source.shape} has no pixels")
        self._source = source
        self.axis = _check_axis(axis)
        self.calibration = calibration or Calibration()
        self.path = path

    @classmethod
    def from_array(
        cls, array: Any, axis: str = "t", *, rgb: bool | None = None, calibration: Calibration | None = None
    ) -> Stack:
        """Wrap an array, which stays where it is.

        Parameters
        ----------
        array : array-like
            (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3); NumPy, dask, zarr or anything else that has
            `shape` and `dtype` and can be indexed. A fourth sample (alpha) is left out.
        axis : {"t", "z"}, default: "t"
            What the frames are.
        rgb : bool, optional
            Whether the last axis is colour. By default it is where it has 3 or 4 entries and there are
            three axes or more: no image is that narrow.
        calibration : Calibration, optional
            Sizes of pixels and steps.

        Returns
        -------
        Stack
            One frame long for a single image.

        Raises
        ------
        ValueError
            If the shape is none of the above or does not fit `rgb`.
        """
        if not (hasattr(array, "shape") and hasattr(array, "dtype")):
            array = np.asarray(array)
        shape = tuple(array.shape)
        has_samples = len(shape) > 2 and shape[-1] in (3, 4)
        rgb = has_samples if rgb is None else rgb
        n_axes = len(shape) - (1 if rgb else 0)
        if n_axes not in (2, 3) or (rgb and not has_samples):
            kind = "colour " if rgb else ""
            raise ValueError(
                f"an array of shape {shape} is no {kind}stack: it must be (T, Y, X), (T, Y, X, 3), (Y, X) or "
                "(Y, X, 3); choose one channel, plane or time point first"
            )
        return cls(ArraySource(array, single=n_axes == 2), axis, calibration=calibration)

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
            If there is no such frame, it cannot be read, or it holds NaN or infinite values.
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

    def close(self) -> None:
        """Close the file behind the stack, if there is one."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_stack(path: str | os.PathLike[str], *, axis: str | None = None) -> Stack:
    """Open a file or a folder as a stack, without reading its frames.

    Parameters
    ----------
    path : str or path-like
        A TIFF file (ImageJ, OME or plain) with the axes T, Z or neither, Y, X and RGB samples or none; a
        single PNG or JPEG image; or a folder of PNG, JPEG or TIFF images of one shape, taken in natural
        order of their names.
    axis : {"t", "z"}, optional
        What the frames are. By default what the file says, and time where it says nothing.

    Returns
    -------
    Stack
        With pixel size, step and units where an ImageJ or OME-TIFF states them. TIFF frames are read page
        by page, except from files that compress several frames into one block.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is no image, has other axes, or a folder's images differ; the message names the file.
    """
    place = Path(path)
    if axis is not None:
        _check_axis(axis)
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist")
    if place.is_dir():
        folder = FolderSource(place)
        return Stack(folder, axis or "t", calibration=folder.calibration, path=place)
    if is_tiff_file(place):
        source, found_axis, calibration = open_tiff(place, axis)
        return Stack(source, found_axis, calibration=calibration, path=place)
    if is_image_file(place):
        return Stack(ArraySource(read_image(place), single=True), axis or "t", path=place)
    raise ValueError(f"{place} is not a TIFF, PNG or JPEG file, nor a folder of such images")


def _check_axis(axis: str) -> str:
    if axis not in AXES:
        raise ValueError(f"the axis of a stack is 't' (time) or 'z' (depth), not {axis!r}")
    return axis
