"""The geometry of an image as napari's layers hold it: made into the attributes of a layer, and read back from them."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.axes import measured_axes
from napari_sam2.data.images.calibration import Size, unit_name
from napari_sam2.data.images.geometry import Geometry, affine_of

from .placement import SCANNER_KEY, matrix_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_sam2.data.images.axes import Axis
    from napari_sam2.data.images.geometry import Affine
    from napari_sam2.data.images.selection import Selection

# Attributes that prompts and labels share with their image, so that they lie on it.
_TRANSFORM = ("scale", "translate", "rotate", "shear", "units", "axis_labels")
# Share of a voxel below which an affine counts as straight.
_STRAIGHT = 1e-6


def layer_options(axes: Sequence[Axis], affine: Affine | None = None) -> dict[str, Any]:
    """Give the keyword arguments that place a layer: labels, scale, units, translation, affine, and metadata.

    ``affine`` is that of a medical image, from (x, y, z, 1) to the world, in place of scale and translation.
    """
    placed: dict[str, Any] = {
        "axis_labels": tuple(axis.name for axis in axes),
        "scale": tuple(axis.scale or 1.0 for axis in axes),
        # Without a step of its own an axis counts frames.
        "units": tuple((axis.unit if axis.scale else None) or "pixel" for axis in axes),
    }
    if affine is None:
        translate = tuple(axis.translation for axis in axes)
        return placed | ({"translate": translate} if any(translate) else {})
    # The scale says how large voxels are; the affine turns, flips and moves what has that size.
    shown, scanner = _shown(np.array(affine), "z" in placed["axis_labels"])
    matrix = np.eye(len(axes) + 1)
    matrix[:-1, -1] = [0.0 if axis.name in "xyz" else axis.translation for axis in axes]
    rows, at = _space(placed["axis_labels"])
    matrix[np.ix_(rows, [*rows, -1])] = shown[np.ix_(at, [*at, 3])]
    matrix[np.ix_(rows, rows)] /= [placed["scale"][row] for row in rows]
    return placed | {"affine": matrix, "metadata": {SCANNER_KEY: scanner.tolist()}}


def transform_like(layer: Layer) -> dict[str, Any]:
    """Keyword arguments that put a new layer of the same dimensions onto a layer."""
    return {name: getattr(layer, name) for name in _TRANSFORM} | {"affine": layer.affine.affine_matrix}


def lay_on(layer: Layer, image: Image) -> None:
    """Put a layer of the same dimensions onto an image layer."""
    for name, value in transform_like(image).items():
        setattr(layer, name, value)


def scanner_like(layer: Layer) -> dict[str, Any]:
    """Metadata that tell of a layer on another one in which scanner's world they are."""
    return {SCANNER_KEY: layer.metadata[SCANNER_KEY]} if SCANNER_KEY in layer.metadata else {}


def layer_geometry(
    placed: Mapping[str, Any], shape: tuple[int, ...], names: Sequence[str], selection: Selection
) -> Geometry:
    """Compute where frames of a layer lie in the world.

    ``placed`` holds what the layer has of scale, translate, rotate, shear, affine, units and metadata; ``shape`` is
    without the colour axis; ``names`` are to be the names of its axes, Y and X last.
    """
    n_axes = len(shape)
    matrix = matrix_of(placed, n_axes)
    linear, offset = matrix[:-1, :-1], matrix[:-1, -1]
    affine = _affine(matrix, names, (placed.get("metadata") or {}).get(SCANNER_KEY))
    scales = np.diag(linear).copy()
    if affine is not None:
        # The affine has the signs and the place; what is left to the axes is their size.
        rows, at = _space(names)
        scales[rows], offset[rows] = np.linalg.norm(np.array(affine)[:3, at], axis=0), 0.0
    elif not np.allclose(linear, np.diag(scales)):
        scales = np.asarray(placed.get("scale", np.ones(n_axes)), float)
    units = [unit_name(str(unit)) for unit in placed.get("units") or ["pixel"] * n_axes]
    sizes = {}
    for name, scale, unit, translation in zip(names, scales.tolist(), units, offset.tolist(), strict=True):
        # A scale of one in pixels says that nothing is known; a pixel has two sides.
        plain = tuple(scales[-2:]) == (1.0, 1.0) if name in "yx" else scale == 1
        if not (plain and unit is None and translation == 0):
            sizes[name] = Size(scale, unit, translation)
    return Geometry(measured_axes(names, shape, sizes), selection, affine)


def turned(placed: Mapping[str, Any], order: Sequence[int]) -> dict[str, Any]:
    """Say what `layer_geometry` takes of a layer whose last three axes, Z, Y and X, are taken in another order."""
    matrix = matrix_of(placed, len(order))[np.ix_([*order, -1], [*order, -1])]
    units = placed.get("units") or ["pixel"] * len(order)
    found: dict[str, Any] = {"affine": matrix, "units": [units[axis] for axis in order]}
    metadata = dict(placed.get("metadata") or {})
    if SCANNER_KEY in metadata:
        # The world's axes were renamed with the data's: the scanner's matrix begins with the old names.
        first = len(order) - 3
        old = np.zeros((4, 4))
        old[-1, -1] = 1
        for letter, axis in zip("zyx", order[-3:], strict=True):
            old["xyz".index("zyx"[axis - first]), "xyz".index(letter)] = 1
        metadata[SCANNER_KEY] = (np.asarray(metadata[SCANNER_KEY], float) @ old).tolist()
    return found | {"metadata": metadata}


def _space(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the axes of space among all, and their places among x, y, z."""
    rows = [i for i, name in enumerate(names) if name in ("x", "y", "z")]
    return rows, ["xyz".index(names[i]) for i in rows]


def _affine(matrix: NDArray[np.float64], names: Sequence[str], scanner: Any) -> Affine | None:
    """Cut x, y and z out of a layer's matrix; None where it is straight, or mixes space with time."""
    rows, at = _space(names)
    others = [i for i in range(len(names)) if i not in rows]
    if scanner is None and np.allclose(matrix[:-1, :-1], np.diag(np.diag(matrix)[:-1])):
        return None
    if matrix[np.ix_(rows, others)].any() or matrix[np.ix_(others, rows)].any():
        return None
    affine = np.eye(4)
    affine[np.ix_(at, [*at, 3])] = matrix[np.ix_(rows, [*rows, -1])]
    return affine_of(affine if scanner is None else np.asarray(scanner, float) @ affine)


def _shown(affine: NDArray[np.float64], has_depth: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Part an affine into what napari can show, 4 x 4, and the way from there to the scanner's world.

    napari shows planes of the data. Where these are planes of the scanner's world too, that is the world; else it is
    one with axes along those of the data, which is the same one for files that run the other way.
    """
    linear = affine[:3, :3]
    sizes = np.linalg.norm(linear, axis=0)
    tilts = np.abs([*linear[2, :2] / sizes[:2], *linear[:2, 2] / sizes[2]])
    if tilts.max() < _STRAIGHT:
        shown = affine.copy()
    else:
        # Every axis of the data gets the sign that it has along that axis of the world which it is nearest to.
        along = linear / sizes
        nearest = max(permutations(range(3)), key=lambda order: sum(abs(along[order[i], i]) for i in range(3)))
        signs = [np.sign(along[nearest[i], i]) or 1.0 for i in range(3)]
        shown = np.diag([*(sizes * signs), 1.0])
        shown[:3, 3] = np.linalg.inv(linear @ np.linalg.inv(shown[:3, :3])) @ affine[:3, 3]
    if not has_depth:
        # A single plane has no axis to lie in depth on.
        shown[2], shown[:, 2] = (0, 0, 1, 0), (0, 0, 1, 0)
    return shown, np.eye(4) if np.array_equal(shown, affine) else affine @ np.linalg.inv(shown)
