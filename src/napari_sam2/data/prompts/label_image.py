"""Reading of mask prompts from a label image, whose pixels hold the numbers of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import label as connected_parts

from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.stack import stack_of
from napari_sam2.data.readers.open_image import open_image

from .labels_onto import labels_onto
from .prompt import Prompt

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack

# A picture has hundreds of values that lie about in crumbs; labels are whole, or broken into some pieces.
_MANY_LABELS = 20
_MOST_PIECES = 20
_LEAST_PIXELS = 4


def read_label_prompts(path: str | os.PathLike[str], onto: Stack | None = None) -> list[Prompt]:
    """Read each label on each frame of an image as a mask prompt for the object of that number.

    Colours of a palette count by their index; floats are labels where they are whole numbers. With ``onto``, all frames
    of the image to prompt, labels that lie elsewhere or run another way are put in place.
    """
    labels = read_labels(path, onto)
    return [
        Prompt(frame, int(label), mask=image == label)
        for frame, image in enumerate(labels)
        for label in np.unique(image)
        if label > 0
    ]


def read_labels(path: str | os.PathLike[str], onto: Stack | None = None) -> NDArray[Any]:
    """Read (T, Y, X) labels, put onto the frames of an image where one is given."""
    place, opened = open_image(path, indices=True)
    with stack_of(opened, None, Selection(), name=str(place), path=place) as stack:
        labels = np.stack([_labels(stack.read(t), f"frame {t} of {path}") for t in range(stack.n_frames)])
        return labels if onto is None else labels_onto(labels, stack, onto)


def _labels(image: NDArray[Any], name: str) -> NDArray[Any]:
    """Check that an image holds labels and not a picture; return them as (Y, X) whole numbers."""
    advice = "prompts are a JSON or CSV file, or an image of labels: whole numbers, 0 for the background"
    if image.ndim == 3:
        # Some programs write grey images as colour.
        if (image != image[..., :1]).any():
            raise ValueError(f"{name} is in colour: {advice}")
        image = image[..., 0]
    if image.dtype.kind == "f":
        image = np.nan_to_num(image, nan=0.0)
        if (odd := image[image != np.round(image)]).size:
            raise ValueError(f"{name} holds {odd[0]:g}, which is no label: {advice}")
        image = image.astype(np.int64)
    if image.min() < 0:
        raise ValueError(f"{name} holds {image.min()}, which is no label: {advice}")
    n_labels = np.unique(image).size
    if n_labels > _MANY_LABELS:
        _, n_pieces = connected_parts(image, return_num=True)
        # A photograph given by mistake would make an object of every grey value.
        if n_pieces > _MOST_PIECES * n_labels or np.count_nonzero(image) < _LEAST_PIXELS * n_pieces:
            found = f"{n_labels} values in {n_pieces} pieces"
            raise ValueError(f"{name} looks like a picture, not like labels, with {found}: {advice}")
    return image
