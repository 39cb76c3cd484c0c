"""A part of a stack that is tracked by itself."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placement:
    """Where the frames of a part lie in the whole stack.

    Attributes
    ----------
    frames : tuple of int
        For every frame of the part the frame of the whole it is; repeated slices come several times.
    crop : tuple of int
        (y0, x0, y1, x1) in pixels of the whole, the ends excluded.
    shape : tuple of int
        (T, Y, X) of the whole.
    """

    frames: tuple[int, ...]
    crop: Box
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, shape: tuple[int, int, int], crop: Box | None = None, every: Fraction | int = 1) -> Placement:
        """Choose a part.

        Parameters
        ----------
        shape : tuple of int
            (T, Y, X) of the whole.
        crop : tuple of int, optional
            (y0, x0, y1, x1); the whole frame by default.
        every : Fraction or int, default: 1
            3 takes every third frame, from the first on; 1/2 takes each frame twice.

        Returns
        -------
        Placement
            The part.

        Raises
        ------
        ValueError
            If the crop is empty or leaves the frame, or `every` is neither a whole number nor one over one.
        """
        ratio = Fraction(every)
        if ratio <= 0 or 1 not in (ratio.numerator, ratio.denominator):
            raise ValueError(f"every is a whole number (3: each third frame) or one over one (1/2: twice), not {every}")
        frames = [t for t in range(0, shape[0], ratio.numerator) for _ in range(ratio.denominator)]
        return cls(tuple(frames), _checked_crop(crop, shape), shape)

    @property
    def is_whole(self) -> bool:
        """Whether the part is all there is."""
        return self.crop == (0, 0, *self.shape[1:]) and self.frames == tuple(range(self.shape[0]))

    def frame_inside(self, frame: int) -> int:
        """Find a frame of the whole in the part.

        Parameters
        ----------
        frame : int
            Index in the whole.

        Returns
        -------
        int
            Index in the part, the first where the frame is repeated.

        Raises
        ------
        ValueError
            If it is left out; the message names its neighbours.
        """
        place = bisect_left(self.frames, frame)
        if place == len(self.frames) or self.frames[place] != frame:
            around = " and ".join(map(str, dict.fromkeys(self.frames[max(0, place - 1) : place + 1])))
            raise ValueError(f"frame {frame} is left out of the part that is tracked: take {around} instead")
        return place

    def paste(self, image: NDArray[Any]) -> NDArray[Any]:
        """Put an image of the crop into a frame of zeros."""
        y0, x0, y1, x1 = self.crop
        frame = np.zeros(self.shape[1:], image.dtype)
        frame[y0:y1, x0:x1] = image
        return frame


def _checked_crop(crop: Box | None, shape: tuple[int, int, int]) -> Box:
    height, width = shape[1:]
    if crop is None:
        return (0, 0, height, width)
    y0, x0, y1, x1 = (int(edge) for edge in crop)
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ValueError(
            f"the crop {y0},{x0},{y1},{x1} (y0, x0, y1, x1) must be a box inside the frame of {height} x {width} pixels"
        )
    return (y0, x0, y1, x1)
