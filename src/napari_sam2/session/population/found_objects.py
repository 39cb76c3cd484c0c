"""What was found on a frame: a label image of proposals with a score each, for the user to take or leave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from .proposals.candidates import Candidate


class FoundObject(NamedTuple):
    """One object found on a frame."""

    # (Y, X) bool.
    mask: NDArray[np.bool_]
    # How sure it is, 0..1.
    score: float
    # (y0, x0, y1, x1), the ends excluded.
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class FoundObjects(Sequence[FoundObject]):
    """Objects found on a frame: a sequence of `FoundObject`, each with its mask, score and box.

    Attributes
    ----------
    frame : int
        Index of the frame.
    labels : ndarray
        (Y, X) int32: 1 to N where the objects are, without overlap; 0 for background.
    scores : tuple of float
        How sure each is, 0..1, in the order of the labels: the surest first.
    boxes : tuple of tuple of int
        (y0, x0, y1, x1) of each, the ends excluded.
    """

    frame: int
    labels: NDArray[np.int32]
    scores: tuple[float, ...]
    boxes: tuple[tuple[int, int, int, int], ...]

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, at: int) -> FoundObject: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[FoundObject]: ...
    def __getitem__(self, at: int | slice) -> FoundObject | Sequence[FoundObject]:
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        place = range(len(self))[at]
        return FoundObject(self.labels == place + 1, self.scores[place], self.boxes[place])

    @property
    def areas(self) -> tuple[int, ...]:
        """Pixels of each."""
        return tuple(np.bincount(self.labels.ravel(), minlength=len(self) + 1)[1:].tolist())

    def take(self, labels: Collection[int]) -> FoundObjects:
        """Keep some of them, by their labels; they are numbered anew."""
        kept = [label for label in range(1, len(self) + 1) if label in labels]
        renumbered = np.zeros(len(self) + 1, np.int32)
        renumbered[kept] = np.arange(1, len(kept) + 1)
        return FoundObjects(
            self.frame,
            renumbered[self.labels],
            tuple(self.scores[label - 1] for label in kept),
            tuple(self.boxes[label - 1] for label in kept),
        )

    def above(self, score: float) -> FoundObjects:
        """Keep those that are surer than a score."""
        return self.take([label for label, one in enumerate(self.scores, 1) if one > score])


def paint_objects(frame: int, objects: Sequence[Candidate], frame_size: tuple[int, int]) -> FoundObjects:
    """Put candidates into a label image; where they overlap the surer one wins."""
    order = sorted(objects, key=lambda one: -one.weight)
    labels = np.zeros(frame_size, np.int32)
    for label, one in reversed(list(enumerate(order, 1))):
        labels[one.area][one.mask] = label
    # What is covered all over is none.
    seen = sorted(set(np.unique(labels).tolist()) - {0})
    found = FoundObjects(frame, labels, tuple(one.score for one in order), tuple(one.box for one in order))
    return found if len(seen) == len(order) else found.take(seen)
