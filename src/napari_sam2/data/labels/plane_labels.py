"""Labels of volumes over time presented as one stack of planes, for code that works on stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .label_stack import LabelStack


class Volumes(Protocol):
    """Label images of volumes over time."""

    # (T, Z, Y, X).
    shape: tuple[int, int, int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that holds every id."""

    @property
    def object_ids(self) -> list[int]:
        """All objects that have pixels somewhere, rising."""

    def volume(self, time: int) -> LabelStack:
        """Fetch one volume, (Z, Y, X)."""


class PlaneLabels:
    """All planes of volumes as label images of one stack, time point by time point."""

    def __init__(self, labels: Volumes) -> None:
        self._labels = labels
        times, planes, height, width = labels.shape
        self.shape = times * planes, height, width

    @property
    def object_ids(self) -> list[int]:
        """All objects that have pixels somewhere, rising."""
        return self._labels.object_ids

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        time, plane = divmod(index, self._labels.shape[1])
        # Volumes have types of their own; a stack has one.
        return self._labels.volume(time)[plane].astype(self._labels.dtype, copy=False)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))
