"""Words about points and shapes that were added where they mean nothing: beside the image, or in a rolled view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .layer_frames import layer_shape
from .placement import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from napari.layers import Image, Points, Shapes
    from numpy.typing import NDArray

# Pixels reach half a pixel beyond their centres.
_HALF = 0.5


def word_about(layer: Points | Shapes, rows: Iterable[int], image: Image, viewer: ViewerModel) -> str | None:
    """Say why rows of a layer are no prompts on an image; None where all are."""
    dims = viewer.dims
    # A layer's axes are the last of the viewer's.
    if dims.ndisplay == 2 and {*dims.displayed} != {dims.ndim - 2, dims.ndim - 1}:
        shown = " and ".join(dims.axis_labels[axis] for axis in dims.displayed)
        return (
            f"SAM 2 takes the last two axes of {image.name} for Y and X, but the viewer shows {shown}: roll the axes "
            "back, or open the image with Y and X as its last axes."
        )
    place, size = Placement.of(layer, image), np.array(layer_shape(image)[-2:])
    beside = sum(_is_beside(place(np.atleast_2d(layer.data[row]))[:, -2:], size) for row in rows)
    if beside:
        what = "A prompt beside the image does" if beside == 1 else f"{beside} prompts beside the image do"
        return f"{what} not count: {image.name} has {size[0]} rows and {size[1]} columns."
    return None


def _is_beside(corners: NDArray[np.floating], size: NDArray[np.integer]) -> bool:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return bool((high < -_HALF).any() or (low > size - _HALF).any())
