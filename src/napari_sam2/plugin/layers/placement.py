"""Where the data of a layer lie on an image layer, as both are seen in the viewer: through the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Layer
    from numpy.typing import ArrayLike, NDArray

# What of a layer says where its data lie in the world.
TRANSFORM = ("scale", "translate", "rotate", "shear", "affine")
# Entry of a layer's metadata: 4 x 4, from the world that napari shows it in (x, y, z, 1) to that of the scanner. Only
# where the image lies in a scanner's world; it is more than the identity where that one is oblique to the slices.
SCANNER_KEY = "napari_sam2_scanner"
# Share of a pixel within which two layers count as lying on each other.
_CLOSE = 1e-3


class UnrelatedError(ValueError):
    """A layer has no place on an image; says why, in one line."""


@dataclass(frozen=True, eq=False)
class Placement:
    """From the data coordinates of a layer to those of an image layer."""

    # (D of the image + 1, D of the layer + 1), for coordinates followed by a 1; None where they are the same.
    matrix: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, layer: Layer, image: Image) -> Placement:
        """Find where the data of a layer lie.

        Raises
        ------
        UnrelatedError
            If the layer has axes that the image has not or the other way round, one of them has no extent, or they are
            shown in the worlds of scanners that are tilted against each other.
        """
        check_worlds(layer, image)
        mine, others = layer_matrix(layer), layer_matrix(image)
        surplus = image.ndim - layer.ndim
        shape = image.data[0].shape if image.multiscale else image.data.shape
        # An axis of one place asks no question: what has no such axis lies there.
        if surplus < 0 or any(size > 1 for size in shape[:surplus]):
            raise UnrelatedError(
                f"{layer.name} has {layer.ndim} axes and {image.name} {image.ndim}: there is no telling on which frame "
                "it lies"
            )
        ratios = unit_ratios(layer, image)
        mine[:-1] *= ratios[:, None]
        if surplus == 0 and np.array_equal(mine, others):
            return cls()
        try:
            inside = np.linalg.inv(others[surplus:, surplus:]) @ mine
        except np.linalg.LinAlgError as error:
            raise UnrelatedError(f"{image.name} has a scale of 0") from error
        matrix = np.zeros((image.ndim + 1, layer.ndim + 1))
        matrix[surplus:] = inside
        return cls(matrix)

    def __call__(self, positions: ArrayLike) -> NDArray[Any]:
        """Convert (..., D) coordinates of the layer to those of the image."""
        places = np.asarray(positions)
        if self.matrix is None:
            return places
        moved: NDArray[np.float64] = places @ self.matrix[:-1, :-1].T + self.matrix[:-1, -1]
        return moved

    def inverse(self, positions: ArrayLike) -> NDArray[Any]:
        """Convert (..., D) coordinates of the image to those of a layer with as many axes."""
        back = None if self.matrix is None else np.asarray(np.linalg.inv(self.matrix), np.float64)
        return Placement(back)(positions)

    def is_same_grid(self, shape: Sequence[int]) -> bool:
        """Whether the pixels of an array of a shape lie on those of the image with the same index."""
        if self.matrix is None:
            return True
        n_axes = len(shape)
        if self.matrix.shape != (n_axes + 1, n_axes + 1):
            return False
        # An affine map is furthest from the identity at a corner.
        corners = np.stack(np.meshgrid(*((0, size - 1) for size in shape), indexing="ij"), -1).reshape(-1, n_axes)
        return bool(np.abs(self(corners) - corners).max() < _CLOSE)

    def keeps_planes(self, axes: Sequence[int]) -> bool:
        """Whether what lies in one plane of the layer lies in one of the image's planes of these two axes."""
        if self.matrix is None:
            return True
        # A layer's axes are the last of the image's.
        surplus = self.matrix.shape[0] - self.matrix.shape[1]
        others = [row for row in range(self.matrix.shape[0] - 1) if row not in axes]
        columns = [axis - surplus for axis in axes if axis >= surplus]
        return bool(np.abs(self.matrix[np.ix_(others, columns)]).max(initial=0) < _CLOSE)


class Placements:
    """Placements that were found: asked for several times at a click, and a millisecond each to find."""

    def __init__(self) -> None:
        self._found: dict[tuple[Layer, Image], Placement] = {}

    def of(self, layer: Layer, image: Image) -> Placement:
        """Find where the data of a layer lie, or know it from before; raises as `Placement.of` does."""
        if (layer, image) not in self._found:
            self._found[layer, image] = Placement.of(layer, image)
        return self._found[layer, image]

    def forget(self) -> None:
        """Find them anew: a layer or the image was moved, or others are in use."""
        self._found.clear()


def check_worlds(layer: Layer, image: Image) -> None:
    """Refuse a layer whose way from the world on the screen to that of the scanner is not the image's."""
    worlds = [one.metadata.get(SCANNER_KEY) for one in (layer, image)]
    if None not in worlds and not np.allclose(worlds[0], worlds[1], atol=_CLOSE):
        raise UnrelatedError(
            f"{layer.name} is tilted against {image.name} in the scanner's space, which napari does not show"
        )


def layer_matrix(layer: Layer) -> NDArray[np.float64]:
    """(D + 1, D + 1) from the data coordinates of a layer to the world's."""
    return matrix_of({name: getattr(layer, name) for name in TRANSFORM}, layer.ndim)


def matrix_of(placed: Mapping[str, Any], n_axes: int) -> NDArray[np.float64]:
    """(D + 1, D + 1) from data to the world, of what a layer has of scale, translate, rotate, shear and affine."""
    own = Affine(**{key: placed[key] for key in TRANSFORM[:-1] if key in placed}, ndim=n_axes)
    further = placed.get("affine", np.eye(n_axes + 1))
    # The layer's transform is its own one followed by the affine.
    matrix: NDArray[np.float64] = getattr(further, "affine_matrix", np.asarray(further, float)) @ own.affine_matrix
    return matrix


def unit_ratios(layer: Layer, image: Image) -> NDArray[np.float64]:
    """How many of the image's units one of the layer's is, along each axis of the layer."""
    ratios = np.ones(layer.ndim)
    # Axes are matched from the last. napari draws in units where all can be converted, and else in plain numbers.
    pairs = list(zip(layer.units[::-1], image.units[::-1], strict=False))
    if all(one.is_compatible_with(other) for one, other in pairs):
        for place, (one, other) in enumerate(pairs, 1):
            ratios[-place] = (1 * one).to(other).magnitude
    return ratios
