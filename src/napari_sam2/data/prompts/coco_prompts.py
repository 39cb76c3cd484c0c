"""Reading of prompts from COCO's JSON: masks where it has them, else boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.rle import decode_rle
from napari_sam2.data.readers.image_folder import natural_key

from .drawn_shapes import fill_outline
from .prompt_parts import PromptParts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .prompt import Prompt

# Names that programs have for the index of a frame, and for an object that is the same on several frames.
_FRAMES = ("frame_id", "frame_index", "frame")
_OBJECTS = ("track_id", "instance_id", "object_id")


def is_coco(document: object) -> bool:
    """Tell COCO's JSON from other documents."""
    return isinstance(document, dict) and {"images", "annotations"} <= {*document}


def coco_prompts(
    document: Mapping[str, Any], source: Path, shape: tuple[int, int, int], names: Sequence[str]
) -> list[Prompt]:
    """Make prompts of COCO's annotations for a stack of `shape` (T, Y, X), whose frames are files called `names`.

    Frames go by the images' own index, else by the names of the stack's files, else by the natural order of file names.
    Annotations with the same ``track_id`` are about one object; without one each is about an object of its own.
    """
    parts = PromptParts(source)
    try:
        frames = _frames(document["images"], names, shape)
        for number, one in enumerate(document["annotations"], start=1):
            about = (frames[one["image_id"]], _object_id(one, number))
            mask = _mask(one.get("segmentation"), shape)
            if mask is None:
                x, y, width, height = map(float, one["bbox"])
                parts.add_box(*about, (y, x, y + height, x + width))
            else:
                parts.add_mask(*about, mask)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{source} cannot be read as COCO's JSON: {type(error).__name__}: {error}") from error
    except ValueError as error:
        raise error if str(source) in str(error) else ValueError(f"{source}: {error}") from error
    return parts.prompts()


def _frames(
    images: Sequence[Mapping[str, Any]], names: Sequence[str], shape: tuple[int, int, int]
) -> dict[object, int]:
    """Find the frame of every image, by its id."""
    for image in images:
        # Annotations of an image that was scaled would lie elsewhere.
        size = image.get("height", shape[1]), image.get("width", shape[2])
        if size != tuple(shape[1:]):
            raise ValueError(f"image {image['id']} is {size[0]} x {size[1]} pixels, the frames {shape[1]} x {shape[2]}")
    for key in _FRAMES:
        if all(key in image for image in images):
            return {image["id"]: int(image[key]) for image in images}
    files = {image["id"]: str(image.get("file_name", "")).replace("\\", "/").rpartition("/")[2] for image in images}
    known = {name: frame for frame, name in enumerate(names)}
    if known and {*files.values()} <= {*known}:
        return {i: known[name] for i, name in files.items()}
    if len(files) not in (1, shape[0]):
        raise ValueError(f"{len(files)} images cannot be told among {shape[0]} frames: give each a frame_id, from 0")
    order = sorted(files, key=lambda i: natural_key(files[i]))
    return {i: frame for frame, i in enumerate(order)}


def _object_id(annotation: Mapping[str, Any], number: int) -> int:
    known = (int(annotation[key]) for key in _OBJECTS if annotation.get(key) is not None)
    return next(known, number)


def _mask(segmentation: Any, shape: tuple[int, int, int]) -> NDArray[np.bool_] | None:
    """Decode a mask of polygons or runs; None where there is none."""
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        if (height, width) != shape[1:]:
            raise ValueError(f"a mask of {height} x {width} pixels does not fit frames of {shape[1]} x {shape[2]}")
        return decode_rle((height, width), segmentation["counts"])
    mask = np.zeros(shape[1:], bool)
    for polygon in segmentation:
        # COCO counts from the corner of the first pixel, and x comes first.
        corners = np.array(polygon, float).reshape(-1, 2)[:, ::-1] - 0.5
        fill_outline("polygon", corners, mask)
    return mask
