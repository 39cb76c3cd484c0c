"""Labels layers whose pixels are on disk: recognized, made, and replaced where their integer type is too narrow."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.data.files.optional_packages import MissingExtraError, load_extra

from .labels_layer import new_labels_layer

if TYPE_CHECKING:
    import os

    from napari.layers import Image, Labels

    from .layer_frames import LayerFrames

# Sides of the chunks on disk: a frame of this size is read and written in one go.
_CHUNK = 2048


def is_in_memory(layer: Labels) -> bool:
    """Whether a layer's labels are in main memory, and not in a zarr array, a memory map or another file."""
    array = layer.data
    if not isinstance(array, np.ndarray):
        return False
    # A view of a memory map is a plain array, so its bases are looked at as well.
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return False
        array = array.base
    return True


def labels_on_disk(image: Image, space: LayerFrames, folder: str | os.PathLike[str], *, object_id: int) -> Labels:
    """Make a Labels layer whose pixels are in a new zarr array on disk, uint32, a chunk or more for each plane."""
    zarr = load_extra("zarr", "keeping labels on disk")
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ValueError(f"Labels go to a new folder, but {place} is there already: take another name.")
    # A frame is read and written at a time, so no chunk holds parts of two.
    shape = space.layer_shape
    chunks = tuple(min(size, _CHUNK) if axis in space.plane_axes else 1 for axis, size in enumerate(shape))
    array = zarr.create_array(store=str(place), shape=shape, chunks=chunks, dtype="uint32", fill_value=0)
    return new_labels_layer(image, space, object_id=object_id, data=array)


def wider_labels(narrow: Labels, image: Image, space: LayerFrames, *, object_id: int) -> tuple[Labels, str]:
    """Make a layer in place of one on disk that has no room for an object's number; with a line for the user."""
    file = getattr(getattr(narrow.data, "store", None), "root", None) or getattr(narrow.data, "filename", None)
    layer, place = None, "a new layer in memory"
    # Beside the old file, or in memory where that cannot be.
    if file is not None:
        free = (Path(file).with_name(f"{Path(file).stem}-{number}.zarr") for number in count(2))
        folder = next(path for path in free if not path.exists())
        try:
            layer, place = labels_on_disk(image, space, folder, object_id=object_id), str(folder)
        except (OSError, MissingExtraError) as error:
            place += f" ({error})"
    text = (
        f"The labels in {narrow.name} are on disk as {narrow.dtype}, which has no room for object {object_id}: they "
        f"stay as they are, and all results go to {place}."
    )
    return layer or new_labels_layer(image, space, object_id=object_id), text
