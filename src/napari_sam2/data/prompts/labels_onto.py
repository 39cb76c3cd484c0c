"""Labels of a file put onto the frames of an image: by where both lie in the world, or by index."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.calibration import Size, same_kind
from napari_sam2.data.images.pixels.resample import sampled_plane
from napari_sam2.data.readers.ome_zarr import is_zarr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2.data.images.geometry import Geometry
    from napari_sam2.data.images.stack import Stack

# Share by which pixels that are said to be the same may differ, as programs round them.
_ROUNDED = 0.01
# Share of a voxel within which two grids are one.
_CLOSE = 1e-3


def labels_onto(labels_tyx: NDArray[Any], source: Stack, image: Stack) -> NDArray[Any]:
    """Put labels onto the frames of an image.

    Where both files say where they lie (an affine, or OME-Zarr), each pixel of the image gets the nearest label in the
    world. Where one of them does not, frames and pixels count by their index.

    Parameters
    ----------
    labels_tyx : ndarray
        (T, Y, X) labels.
    source : Stack
        What they were read from, for its geometry.
    image : Stack
        All frames of the image.

    Returns
    -------
    ndarray
        (T, Y, X) labels, on the frames and pixels of the image.

    Raises
    ------
    ValueError
        If pixels are said to have another size than the image's and there is no telling where they lie, or no label
        lies on the image.
    """
    mine, whole = source.geometry.taken(), image.geometry.taken()
    matrix = _way(mine, whole) if _is_placed(source) and _is_placed(image) else None
    if matrix is None:
        _check_sizes(mine, whole, str(source.path))
        return labels_tyx
    # A single plane lies at one depth, whatever its only frame is called.
    in_depth = all(one.names[0] == "z" or one.shape[0] == 1 for one in (mine, whole))
    if not in_depth and mine.names[0] != whole.names[0]:
        kinds = [{"t": "time", "z": "depth"}[one.names[0]] for one in (mine, whole)]
        raise ValueError(
            f"the labels in {source.path} run along {kinds[0]}, and the frames of the image along {kinds[1]}"
        )
    if np.allclose(matrix, np.eye(4), atol=_CLOSE) and labels_tyx.shape[1:] == whole.shape[1:]:
        return labels_tyx
    found = np.zeros((whole.shape[0] if in_depth else len(labels_tyx), *whole.shape[1:]), labels_tyx.dtype)
    for frame, plane in enumerate(found):
        # From (y, x, 1) on the frame, whose depth is its index or 0, to (z, y, x) of the labels.
        columns = np.column_stack(
            [matrix[:3, 1], matrix[:3, 0], matrix[:3, 2] * (frame if in_depth else 0) + matrix[:3, 3]]
        )
        plane[:] = sampled_plane(labels_tyx if in_depth else labels_tyx[frame][None], columns[::-1], plane.shape)
    _tell_lost(labels_tyx, found, str(source.path))
    return found


def _is_placed(stack: Stack) -> bool:
    """Whether a file says where its first pixel lies; others know sizes at most."""
    return stack.geometry.affine is not None or (stack.path is not None and is_zarr(stack.path))


def _way(mine: Geometry, whole: Geometry) -> NDArray[np.float64] | None:
    """4 x 4 from voxels (x, y, z, 1) of an image to those of labels; None where their worlds cannot be compared."""
    if (mine.affine is None) != (whole.affine is None):
        return None
    matrices = [_voxels(one, other) for one, other in ((mine, whole), (whole, mine))]
    if matrices[0] is None or matrices[1] is None:
        return None
    way: NDArray[np.float64] = np.linalg.inv(matrices[0]) @ matrices[1]
    return way


def _voxels(one: Geometry, other: Geometry) -> NDArray[np.float64] | None:
    """4 x 4 from voxels (x, y, z, 1) to a world in micrometres, or in numbers where neither image has a unit."""
    units = [geometry.axes[-1].unit for geometry in (one, other)]
    if units[0] != units[1] and not same_kind(*units):
        return None
    factor = Size(1.0, units[0]).converted("um").scale if same_kind(units[0], "um") else 1.0
    if one.affine is not None:
        matrix: NDArray[np.float64] = np.diag([factor, factor, factor, 1]) @ np.array(one.affine)
        return matrix
    matrix = np.eye(4)
    for axis in one.axes:
        # Depth that only one of them has is no place to compare.
        if axis.name == "z" and "z" not in other.names:
            continue
        if axis.name in ("x", "y", "z"):
            if axis.scale is None:
                return None
            row = "xyz".index(axis.name)
            matrix[row, row], matrix[row, 3] = axis.scale * factor, axis.translation * factor
    return matrix


def _check_sizes(mine: Geometry, whole: Geometry, name: str) -> None:
    """Refuse labels whose pixels are said to have another size than those of the image."""
    for here, there in zip(mine.axes[-2:], whole.axes[-2:], strict=True):
        comparable = here.unit == there.unit or same_kind(here.unit, there.unit)
        if not (here.scale and there.scale and comparable):
            continue
        scale = abs(Size(here.scale, here.unit).converted(there.unit).scale)
        if abs(scale - abs(there.scale)) > _ROUNDED * abs(there.scale):
            raise ValueError(
                f"{name} has pixels of {abs(here.scale):g} {here.unit or ''} and the image of {abs(there.scale):g} "
                f"{there.unit or ''}, and there is no telling where they lie on it: resample them onto the image, or "
                "give both as NIfTI or OME-Zarr"
            )


def _tell_lost(labels: NDArray[Any], found: NDArray[Any], name: str) -> None:
    ids, kept = ({*np.unique(array).tolist()} - {0} for array in (labels, found))
    if ids and not kept:
        raise ValueError(f"none of the labels in {name} lies on the image, by what both files say of their place")
    if lost := sorted(ids - kept):
        warnings.warn(f"no pixel of the image lies in {lost} of {name}: they are left out", stacklevel=3)
