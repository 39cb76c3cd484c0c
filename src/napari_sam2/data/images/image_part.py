"""The frames that are taken of an image: the axis they run along, places on the others, crop and stride."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import Axis
from .calibration import Calibration
from .selection import Box, Selection

if TYPE_CHECKING:
    from fractions import Fraction
    from typing import Self

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ImagePart:
    """Frames of an image: the axes of the image, and the part of it that the frames are.

    Attributes
    ----------
    axes : tuple of Axis
        Of the image at the resolution that is taken, Y and X last; colour samples are no axis.
    selection : Selection
        The part.

    Raises
    ------
    ValueError
        If two axes have one name, Y and X do not come last, there is no such place, or the crop leaves the frame.
    """

    axes: tuple[Axis, ...]
    selection: Selection = field(default_factory=Selection)

    def __post_init__(self) -> None:
        # Names are keys everywhere below, and the crop is always on the last two axes.
        if self.names[-2:] != ("y", "x") or len(set(self.names)) < len(self.names):
            raise ValueError(f"the axes of an image have different names, y and x last, not {', '.join(self.names)}")
        if self.selection.crop is not None:
            crop = _checked_crop(self.selection.crop, *self.whole_shape[1:])
            # One way to say that frames are whole.
            kept = None if crop == (0, 0, *self.whole_shape[1:]) else crop
            object.__setattr__(self, "selection", replace(self.selection, crop=kept))
        # An axis of size 0 is left to `Stack`, which reports it better.
        if any(place >= max(size, 1) for place, size in zip(self.places, self.shape, strict=False)):
            raise ValueError(f"an image of shape {self.shape} has no place {self.places}")

    @classmethod
    def of(cls, shape: tuple[int, int, int], axis: str = "t", calibration: Calibration | None = None) -> Self:
        """Make the geometry of all frames of a (T, Y, X) array.

        Parameters
        ----------
        shape : tuple of int
            (T, Y, X).
        axis : {"t", "z"}, default: "t"
            What the frames are.
        calibration : Calibration, optional
            Sizes of a pixel and a step.

        Returns
        -------
        Geometry
            Uncropped, with every frame.
        """
        bare = cls(tuple(map(Axis, (axis, "y", "x"), shape)), Selection(axis=axis))
        return bare if calibration is None else bare.calibrated(calibration)

    def calibrated(self, calibration: Calibration) -> Self:
        """Return the same frames with other sizes of a pixel and a step."""
        # Only scales and units change: where the image begins in the world stays.
        height, width = calibration.pixel_size or (None, None)
        axes = list(self.axes)
        axes[-2] = replace(axes[-2], scale=height, unit=calibration.unit)
        axes[-1] = replace(axes[-1], scale=width, unit=calibration.unit)
        if self.tracked is not None:
            axes[self.tracked] = replace(axes[self.tracked], scale=calibration.step, unit=calibration.step_unit)
        return replace(self, axes=tuple(axes))

    # What the frames are

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def tracked(self) -> int | None:
        """The axis that the frames run along; None for a single image without one."""
        axis = self.selection.axis
        return self.names.index(axis) if axis in self.names[:-2] else None

    @cached_property
    def places(self) -> tuple[int, ...]:
        """An index for each axis before Y and X; that of the tracked one is 0."""
        places = [0] * (len(self.axes) - 2)
        # Time or depth, whichever is not tracked, and frame axes without a name; channels are chosen separately.
        others = [i for i, name in enumerate(self.names[:-2]) if name != "c" and i != self.tracked]
        at = self.selection.at
        if isinstance(at, tuple):
            chosen = dict(zip(others, at, strict=True))
        else:
            # An axis of one entry is no choice.
            chosen = dict.fromkeys([i for i in others if self.axes[i].size > 1][:1], at or 0)
        for i, place in chosen.items():
            places[i] = place
        # Of several channels the first stands for all: they lie in the same place.
        if "c" in self.names and self.selection.channel_numbers:
            places[self.names.index("c")] = self.selection.channel_numbers[0]
        return tuple(places)

    @cached_property
    def whole_shape(self) -> tuple[int, int, int]:
        """(T, Y, X) of all frames, uncropped."""
        n_frames = 1 if self.tracked is None else self.axes[self.tracked].size
        return n_frames, self.axes[-2].size, self.axes[-1].size

    @property
    def stack_shape(self) -> tuple[int, int, int]:
        """(T, Y, X) of the frames."""
        y0, x0, y1, x1 = self.crop
        return self.n_frames, y1 - y0, x1 - x0

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        # Rounded up, because frame 0 is always taken.
        every = self.selection.every
        return -(-self.whole_shape[0] // every.numerator) * every.denominator

    @property
    def frames(self) -> tuple[int, ...]:
        """Index among all frames of the image, for each of these; repeated frames come several times."""
        return tuple(map(self.frame_outside, range(self.n_frames)))

    @cached_property
    def crop(self) -> Box:
        """(y0, x0, y1, x1) in pixels of the image, the ends excluded."""
        return self.selection.crop or (0, 0, *self.whole_shape[1:])

    @property
    def is_whole(self) -> bool:
        """Whether the frames are all there are, uncropped."""
        return self.selection == self.selection.whole

    @property
    def calibration(self) -> Calibration:
        """Sizes of a pixel and of a step from one frame to the next."""
        # Scales can be negative (flipped axes); sizes cannot.
        y, x = self.axes[-2:]
        tracked = None if self.tracked is None else self.axes[self.tracked]
        pixel_size = (abs(y.scale), abs(x.scale)) if y.scale and x.scale else None
        step = abs(tracked.scale) * float(self.selection.every) if tracked and tracked.scale else None
        return Calibration(pixel_size, step, x.unit if x.unit == y.unit else None, tracked.unit if tracked else None)

    def place_on(self, name: str) -> int:
        """Index on an axis before Y and X that is not tracked; 0 where there is no such axis."""
        return dict(zip(self.names, self.places, strict=False)).get(name, 0)

    def along(self, axis: str, at: int) -> Self:
        """Return all frames along another axis, at index `at` of the axis that was tracked until now."""
        return replace(self, selection=replace(self.selection.whole, axis=axis, at=at))

    # Other parts

    @property
    def whole(self) -> Self:
        """All frames, uncropped."""
        return replace(self, selection=self.selection.whole)

    def part(self, crop: Box | None = None, every: Fraction | int = 1) -> Self:
        """Take a part of these frames.

        Parameters
        ----------
        crop : tuple of int, optional
            (y0, x0, y1, x1) in pixels of these frames, the ends excluded.
        every : Fraction or int, default: 1
            3 takes every third of these frames, ``Fraction(1, 2)`` takes each twice.

        Returns
        -------
        Geometry
            Relative to the same image.

        Raises
        ------
        ValueError
            If the crop leaves the frames, or strides and repetitions are mixed.
        """
        # A part of a part is expressed relative to the image, so that results go back in one step.
        mine = self.selection.every
        # Repeated frames that are then left out again, or the other way round, are no stride.
        if 1 not in (mine, every) and (mine > 1) != (every > 1):
            raise ValueError(f"every {every} of a part that has every {mine}: take the part of the whole stack")
        inner = crop and _checked_crop(crop, *self.stack_shape[1:])
        y0, x0 = self.crop[:2]
        box = self.selection.crop if inner is None else (inner[0] + y0, inner[1] + x0, inner[2] + y0, inner[3] + x0)
        return replace(self, selection=replace(self.selection, crop=box, every=mine * every))

    # Frames and the image

    def frame_outside(self, frame: int) -> int:
        """Convert an index among these frames to one among all frames of the image."""
        every = self.selection.every
        return frame // every.denominator * every.numerator

    def frame_inside(self, frame: int) -> int:
        """Convert an index among all frames of the image to one among these, the first where it is repeated.

        Raises
        ------
        ValueError
            If it is left out; the message names its neighbours.
        """
        # Frames that the stride passes over have no place in the part; the message names those that have.
        stride, last = self.selection.every.numerator, self.whole_shape[0] - 1
        before = min(max(frame, 0), last) // stride * stride
        if before != frame:
            after = before + stride if 0 <= frame < last and before + stride <= last else before
            around = " and ".join(map(str, dict.fromkeys((before, after))))
            raise ValueError(f"frame {frame} is left out of the part that is tracked: take {around} instead")
        return frame // stride * self.selection.every.denominator

    def paste(self, image: NDArray[Any]) -> NDArray[Any]:
        """Put an image of the crop into a frame of zeros."""
        y0, x0, y1, x1 = self.crop
        frame = np.zeros(self.whole_shape[1:], image.dtype)
        frame[y0:y1, x0:x1] = image
        return frame

    def plane(self, frame: int) -> tuple[int, ...]:
        """Index of the plane that a frame lies in, on the axes before Y and X."""
        places = list(self.places)
        if self.tracked is not None:
            places[self.tracked] = self.frame_outside(frame)
        return tuple(places)

    def index(self, frame: int) -> tuple[int | slice, ...]:
        """Index of a frame in the image's pixels."""
        y0, x0, y1, x1 = self.crop
        return (*self.plane(frame), slice(y0, y1), slice(x0, x1))

    def position(self, frame: int, y: float, x: float) -> tuple[float, ...]:
        """Indices, on all axes of the image, of a place on a frame."""
        return (*map(float, self.plane(frame)), y + self.crop[0], x + self.crop[1])

    def frame_of(self, position: ArrayLike) -> int | None:
        """Frame that indices on the axes of the image lie on; None if they lie on none of these frames."""
        # A viewer's position is between pixels: the nearest plane is the one that is shown.
        leading = [int(place) for place in np.round(np.asarray(position, float)[: len(self.places)])]
        if self.tracked is None:
            return 0
        frame, leading[self.tracked] = leading[self.tracked], 0
        is_here = tuple(leading) == self.places and 0 <= frame < self.whole_shape[0]
        return self.frame_inside(frame) if is_here and frame % self.selection.every.numerator == 0 else None


def _checked_crop(crop: Box, height: int, width: int) -> Box:
    y0, x0, y1, x1 = (int(edge) for edge in crop)
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ValueError(
            f"the crop {y0},{x0},{y1},{x1} (y0, x0, y1, x1) must be a box inside the frame of {height} x {width} pixels"
        )
    return y0, x0, y1, x1
