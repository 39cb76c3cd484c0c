"""Which part of an image is taken and where it lies in the world, passed from the reader of a file to the writers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import Axis
from .frame_index import whole_number
from .image_part import ImagePart
from .selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

Affine = tuple[tuple[float, ...], ...]
_SPACE = "xyz"
# What is larger in a file is damaged, or made to do harm.
_MOST_FRAMES, _LONGEST_SIDE = 10**7, 2**24


@dataclass(frozen=True)
class Geometry(ImagePart):
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

    affine: Affine | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.affine is not None:
            object.__setattr__(self, "affine", affine_of(self.affine))

    # As an image of its own

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
        values = self.selection.to_json() | {"crop": list(self.crop)}
        return {
            **{key: values.pop(key) for key in ("axis", "crop", "every")},
            "selection": values,
            "whole": list(self.whole_shape),
            "shape": list(self.stack_shape),
            "axes": [asdict(axis) for axis in self.axes],
            "affine": None if self.affine is None else [list(row) for row in self.affine],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned, also by versions that did not write axes yet.

        Parameters
        ----------
        values : mapping
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
            n_frames, height, width = values["whole"]
            sizes = (
                ("a number of frames", n_frames, _MOST_FRAMES),
                *(("a side", n, _LONGEST_SIDE) for n in (height, width)),
            )
            for what, size, most in sizes:
                if not 1 <= whole_number(size, what) <= most:
                    raise ValueError(f"{size} is no {what.removeprefix('a ')}")
            part = {**(values.get("selection") or {}), **{key: values.get(key) for key in ("axis", "crop")}}
            selection = Selection.from_json(part | {"every": values["every"]})
            # Repeated frames make a large stack of a small file.
            if selection.every.denominator > _MOST_FRAMES // n_frames:
                raise ValueError(f"{selection.every} of {n_frames} frames are too many")
            # Older session files have no axes: they are those of the frames, unmeasured.
            bare = cls.of((n_frames, height, width), selection.axis or "t")
            axes = tuple(Axis.from_json(one) for one in values["axes"]) if values.get("axes") else bare.axes
            geometry = cls(axes, selection, values.get("affine"))
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
