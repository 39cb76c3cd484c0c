"""Contact sheets: a few frames of a sequence with the truth and what was tracked, to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.drawing import draw_caption, draw_objects
from napari_sam2.data.frames import choose_window, to_rgb8

from .sequences import LabelledSequence

COLUMNS, HEIGHT, _LONGEST = 8, 180, 320
_TRUTH = (255, 255, 255)


def write_sheet(
    sequence: LabelledSequence, masks: Mapping[tuple[int, int], NDArray[np.bool_]], path: Path, *, title: str
) -> None:
    """Draw up to eight evenly spread frames in a row.

    Parameters
    ----------
    sequence : LabelledSequence
        Frames and truth, whose outlines are white.
    masks : mapping
        By (frame, object id), (Y, X) bool.
    path : path
        PNG to write.
    title : str
        Written on the first frame.
    """
    objects, window = sequence.objects(), choose_window(sequence.stack)
    height, width = sequence.labels.shape[1:]
    size = (min(round(HEIGHT * width / height), _LONGEST), HEIGHT)
    pictures: list[Image.Image] = []
    for frame in np.unique(np.linspace(0, len(sequence.labels) - 1, COLUMNS).round().astype(int)):
        drawn = np.zeros((height, width), np.int64)
        for object_id in objects:
            if (mask := masks.get((int(frame), object_id))) is not None:
                drawn[mask] = object_id
        image = draw_objects(to_rgb8(sequence.stack.read(int(frame)), window), drawn, size)
        picture = _outlined(image, sequence, int(frame), objects=objects)
        draw_caption(picture, f"{title}, frame {frame}" if not pictures else str(frame))
        pictures.append(picture)
    sheet = Image.new("RGB", (size[0] * len(pictures), size[1]))
    for column, picture in enumerate(pictures):
        sheet.paste(picture, (column * size[0], 0))
    sheet.save(path)


def _outlined(image: Image.Image, sequence: LabelledSequence, frame: int, *, objects: list[int]) -> Image.Image:
    pixels = np.array(image)
    for object_id in objects:
        truth = Image.fromarray(sequence.truth(frame, object_id)).resize(image.size, Image.Resampling.NEAREST)
        inside = np.pad(np.asarray(truth), 1)
        core = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        pixels[inside[1:-1, 1:-1] & ~core] = _TRUTH
    return Image.fromarray(pixels)
