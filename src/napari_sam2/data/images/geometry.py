"""Which part of an image is taken and where it lies in the world, passed from the reader of a file to the writers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import Axis
from .calibration import Calibration
from .frame_index import whole_number
from .selection import Box, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

Affine = tuple[tuple[float, ...], ...]
_SPACE = "xyz"
# What is larger in a file is damaged, or made to do harm.
_MOST_FRAMES, _LONGEST_SIDE = 10**7, 2**24


@dataclass(frozen=True)
class Geometry:
    """Frames of an image: the axes of the image, the part of it that the frames are, and where that lies in the world.

    Attributes
    ----------
    axes : tuple of Axis
        Of the image at the resolution that is taken, Y and X last; colour samples are no axis.
    selection : Selection
        The part.
    affine : tuple of tuple of float or None
        4 x 4, of a medical image or a turned layer: from voxel indices (x, y, z, 1) to the world, which for medical
        images is right, anterior and superior. It then holds for these axes in place of scale and translation.

    Raises
    ------
    ValueError
        If two axes have one name, Y and X do not come last, there is no such place, the crop leaves the frame, or the
        affine is not 4 x 4.
    """

    axes: tuple[Axis, ...]
    selection: Selection = field(default_factory=Selection)
    affine: Affine | None = None

    def __post_init__(self) -> None:
        # Names are keys everywhere below, and the crop is always on the last two axes.
        if self.names[-2:] != ("y", "x") or len(set(self.names)) < len(self.names):
            raise ValueError(f"the axes of an image have different names, y and x last, not {', '.join(self.names)}")
        if self.affine is not None:
            object.__setattr__(self, "affine", affine_of(self.affine))
        if self.selection.crop is not None:
            crop = _checked_crop(self.selection.crop, *self.whole_shape[1:])
            # One way to say that frames are whole.
            said = None if crop == (0, 0, *self.whole_shape[1:]) else crop
            object.__setattr__(self, "selection", replace(self.selection, crop=said))
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

    def calibrated(self, said: Calibration) -> Self:
        """Return the same frames with other sizes of a pixel and a step."""
        # Only scales and units change: where the image begins in the world stays.
        height, width = said.pixel_size or (None, None)
        axes = list(self.axes)
        axes[-2] = replace(axes[-2], scale=height, unit=said.unit)
        axes[-1] = replace(axes[-1], scale=width, unit=said.unit)
        if self.tracked is not None:
            axes[self.tracked] = replace(axes[self.tracked], scale=said.step, unit=said.step_unit)
        return replace(self, axes=tuple(axes))

    # What the frames are

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(axis.size for axis in self.axes)

    @property
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
        if "c" in self.names and self.selection.channels:
            places[self.names.index("c")] = self.selection.channels[0]
        return tuple(places)

    @property
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

    @property
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

    def taken(self) -> Geometry:
        """Return the geometry of these frames as an image of their own: the tracked axis, Y and X."""
        y0, x0, y1, x1 = self.crop
        every = self.selection.every
        # A frame that no axis runs along becomes the only place on one.
        axis = Axis(self.selection.axis or "t", 1) if self.tracked is None else self.axes[self.tracked]
        affine = None
        if self.affine is not None:
            # The new affine first moves to the cropped corner and strides along depth, then does what the old one did.
            inner = np.diag([1.0, 1.0, float(every) if axis.name == "z" else 1.0, 1.0])
            inner[:3, 3] = (x0, y0, self.place_on("z"))
            affine = affine_of(np.array(self.affine) @ inner)
        y, x = self.axes[-2].taken(y0, y1 - y0), self.axes[-1].taken(x0, x1 - x0)
        frames = axis.taken(0, self.n_frames, every)
        return Geometry((frames, y, x), Selection(axis=axis.name), affine)

    def straightened(self) -> Self:
        """Give scale and translation in place of an affine along the axes; the same where there is none such."""
        if self.affine is None:
            return self
        affine = np.array(self.affine)
        sizes = np.diag(affine)[:3]
        if not np.allclose(affine[:3, :3], np.diag(sizes), atol=1e-6 * np.abs(sizes).max()):
            return self
        rows = {name: "xyz".index(name) for name in self.names if name in ("x", "y", "z")}
        axes = (
            replace(axis, scale=sizes[rows[axis.name]], translation=affine[rows[axis.name], 3])
            if axis.name in rows
            else axis
            for axis in self.axes
        )
        return replace(self, axes=tuple(axes), affine=None)

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

    # The image and the world

    @property
    def world(self) -> tuple[str, ...]:
        """Names of the world's axes: those of the image, and depth where an affine places a single plane in space."""
        leading = self.names[:-2]
        return (*leading, *(("z",) if self.affine and "z" not in leading else ()), "y", "x")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Matrix from indices on the axes of the image (and 1) to world coordinates (and 1)."""
        columns = {name: column for column, name in enumerate(self.names)}
        # Row by row of the world: space from the affine where there is one, all else from scale and translation.
        matrix = np.zeros((len(self.world) + 1, len(columns) + 1))
        matrix[-1, -1] = 1
        for row, name in enumerate(self.world):
            if self.affine is not None and name in _SPACE:
                # The affine counts x, y, z, while the axes of the image run z, y, x.
                *factors, matrix[row, -1] = self.affine[_SPACE.index(name)]
                for letter, factor in zip(_SPACE, factors, strict=True):
                    if letter in columns:
                        matrix[row, columns[letter]] = factor
            else:
                axis = self.axes[columns[name]]
                matrix[row, columns[name]], matrix[row, -1] = axis.scale or 1.0, axis.translation
        return matrix

    def to_world(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Convert indices to world coordinates.

        Parameters
        ----------
        indices : array-like
            (..., D), one for each axis of the image.

        Returns
        -------
        ndarray
            (..., W) float64, in the order of `world`.
        """
        matrix = self.matrix
        world: NDArray[np.float64] = np.asarray(indices, np.float64) @ matrix[:-1, :-1].T + matrix[:-1, -1]
        return world

    def to_indices(self, world: ArrayLike) -> NDArray[np.float64]:
        """Convert world coordinates to indices.

        Parameters
        ----------
        world : array-like
            (..., W), in the order of `world`.

        Returns
        -------
        ndarray
            (..., D) float64, for each axis of the image; for a single plane, those of its nearest place.
        """
        matrix = self.matrix
        moved = np.asarray(world, np.float64) - matrix[:-1, -1]
        indices: NDArray[np.float64] = moved @ np.linalg.pinv(matrix[:-1, :-1]).T
        return indices

    # JSON

    def to_json(self) -> dict[str, Any]:
        """Return the geometry as an object that JSON can hold."""
        said = self.selection.to_json() | {"crop": list(self.crop)}
        return {
            **{key: said.pop(key) for key in ("axis", "crop", "every")},
            "selection": said,
            "whole": list(self.whole_shape),
            "shape": list(self.stack_shape),
            "axes": [asdict(axis) for axis in self.axes],
            "affine": None if self.affine is None else [list(row) for row in self.affine],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned, also by versions that did not write axes yet.

        Parameters
        ----------
        said : mapping
            The JSON object.

        Returns
        -------
        Geometry
            With unmeasured axes where the file has none.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        try:
            # Sizes are checked before anything is allocated by them: session files come from other people.
            n_frames, height, width = said["whole"]
            sizes = (
                ("a number of frames", n_frames, _MOST_FRAMES),
                *(("a side", n, _LONGEST_SIDE) for n in (height, width)),
            )
            for what, size, most in sizes:
                if not 1 <= whole_number(size, what) <= most:
                    raise ValueError(f"{size} is no {what.removeprefix('a ')}")
            part = {**(said.get("selection") or {}), **{key: said.get(key) for key in ("axis", "crop")}}
            selection = Selection.from_json(part | {"every": said["every"]})
            # Repeated frames make a large stack of a small file.
            if selection.every.denominator > _MOST_FRAMES // n_frames:
                raise ValueError(f"{selection.every} of {n_frames} frames are too many")
            # Older session files have no axes: they are those of the frames, unmeasured.
            bare = cls.of((n_frames, height, width), selection.axis or "t")
            axes = tuple(Axis.from_json(one) for one in said["axes"]) if said.get("axes") else bare.axes
            geometry = cls(axes, selection, said.get("affine"))
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"the part of an image is damaged: {type(error).__name__}: {error}") from error
        # The shape is in the file twice; a mismatch means that somebody edited one of them.
        if geometry.whole_shape != bare.whole_shape:
            raise ValueError(f"frames of {bare.whole_shape} are not those of axes of {geometry.shape}")
        return geometry


def affine_of(matrix: ArrayLike) -> Affine:
    """Convert a matrix to tuples, which can be compared and hashed; ``ValueError`` if it is not 4 x 4 and finite."""
    array = np.asarray(matrix, np.float64)
    if array.shape != (4, 4) or not np.isfinite(array).all():
        raise ValueError(f"an affine is 4 x 4 finite numbers, not {matrix!r}")
    return tuple(map(tuple, array.tolist()))


def _checked_crop(crop: Box, height: int, width: int) -> Box:
    y0, x0, y1, x1 = (int(edge) for edge in crop)
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ValueError(
            f"the crop {y0},{x0},{y1},{x1} (y0, x0, y1, x1) must be a box inside the frame of {height} x {width} pixels"
        )
    return y0, x0, y1, x1
