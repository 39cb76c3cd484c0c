"""Where a stack's frames come from: what every source offers, and the source over an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FrameSource(Protocol):
    """Frames that are fetched one at a time, from any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X), or (T, Y, X, S) with 3 or 4 samples."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def read(self, frame: int) -> NDArray[Any]:
        """Fetch one frame, (Y, X) or (Y, X, S)."""

    def close(self) -> None:
        """Let go of open files."""


class ArraySource:
    """Frames of anything that has a shape and a dtype and can be indexed: NumPy, dask, zarr.

    Parameters
    ----------
    array : object
        With the frame axis first, or without one where `single` is set.
    single : bool, default: False
        Whether the array is one image instead of a stack.
    samples_first : bool, default: False
        Whether the colour samples of a frame come before Y and X.
    """

    def __init__(self, array: Any, *, single: bool = False, samples_first: bool = False) -> None:
        self._array = array
        self._single = single
        self._samples_first = samples_first
        frame = tuple(int(size) for size in (array.shape if single else array.shape[1:]))
        if samples_first:
            frame = (*frame[1:], frame[0])
        self.shape: tuple[int, ...] = (1 if single else int(array.shape[0]), *frame)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    def read(self, frame: int) -> NDArray[Any]:
        """Fetch one frame."""
        image = np.asarray(self._array[...] if self._single else self._array[frame])
        return np.moveaxis(image, 0, -1) if self._samples_first else image

    def close(self) -> None:
        """Do nothing: an array is its owner's to close."""
