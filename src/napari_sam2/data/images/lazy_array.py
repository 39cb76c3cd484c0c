"""An image file as a read-only array that loads planes when they are indexed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from .frame_sources import WHOLE, Area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from .frame_sources import PlaneSource
    from .stack import Stack


class LazyPlanes:
    """Planes of an image as a read-only array of all its axes.

    Indexing takes whole numbers and slices, and reads only the planes that are asked for.
    """

    def __init__(self, planes: PlaneSource, leading: int) -> None:
        self._planes = planes
        self._leading = leading
        self.shape = planes.shape
        # napari and Qt take native byte order only, while TIFF files are often big-endian.
        self.dtype: np.dtype[Any] = planes.dtype.newbyteorder("=")
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        wanted = _whole_index(index, self.ndim)
        leading, rest = wanted[: self._leading], wanted[self._leading :]
        # Indexing a range resolves negative numbers and slices the way NumPy does.
        places = [range(size)[one] for one, size in zip(leading, self.shape, strict=False)]
        kept = [len(place) for place in places if isinstance(place, range)]
        # Every combination of leading indices is one plane to read.
        numbers = product(*(place if isinstance(place, range) else [place] for place in places))
        images = [self._read(number)[tuple(rest)] for number in numbers]
        # An empty slice reads nothing but must still have the right shape.
        if not images:
            blank = np.empty(self.shape[self._leading :], self.dtype)[tuple(rest)]
            return np.empty((*kept, *blank.shape), self.dtype)
        return np.stack(images).reshape(*kept, *images[0].shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        # NumPy 2 asks for a view this way and expects an error where there is none.
        if copy is False:
            raise ValueError("the image is read from its file: an array of it is always a copy")
        return self[()].astype(dtype or self.dtype, copy=False)

    def _read(self, number: Sequence[int]) -> NDArray[Any]:
        return np.asarray(self._planes.read(tuple(number)), self.dtype)


class StackPlanes:
    """Frames of a stack, as planes of an image with one axis before Y and X."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.shape: tuple[int, ...] = (*stack.shape, *((3,) if stack.is_rgb else ()))
        self.dtype: np.dtype[Any] = stack.dtype

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        return self._stack.read(index[0])[area]

    def close(self) -> None:
        """Close the stack."""
        self._stack.close()


def _whole_index(index: Any, ndim: int) -> list[Any]:
    """Spell an index out for every axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    # An ellipsis stands for as many full slices as are missing.
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        parts[place : place + 1] = [slice(None)] * (ndim - len(parts) + 1)
    if len(parts) > ndim:
        raise IndexError(f"{len(parts)} indices are too many for {ndim} axes")
    parts += [slice(None)] * (ndim - len(parts))
    return [part if isinstance(part, slice) else int(part) for part in parts]
