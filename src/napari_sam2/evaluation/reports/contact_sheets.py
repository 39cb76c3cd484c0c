"""Contact sheets: a few frames of a sequence in a row, with the truth and the tracked masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.data.pictures.outlines import draw_caption, draw_objects, font
from napari_sam2.evaluation.grading import Masks
from napari_sam2.evaluation.labelled_sequences import LabelledSequence
from napari_sam2.evaluation.metrics import region_similarity

COLUMNS, HEIGHT, _LONGEST = 8, 180, 320
TITLE_HEIGHT, _TITLE_SIZE = 26, 14
_TRUTH, _PAPER, _INK = (255, 255, 255), (24, 26, 30), (235, 235, 235)


def frame_accuracy(sequence: LabelledSequence, masks: Masks) -> dict[int, float]:
    """J of each frame that is graded, averaged over the objects graded there; a missing mask is an empty one."""
    nothing = np.zeros(sequence.labels.shape[1:], dtype=bool)
    # Objects are graded on different frames: not on those they were prompted on.
    by_frame: dict[int, list[float]] = {}
    for object_id in sequence.objects():
        for t in sequence.tracked_frames(object_id):
            j = region_similarity(masks.get((t, object_id), nothing), sequence.truth(t, object_id))
            by_frame.setdefault(t, []).append(j)
    return {t: float(np.mean(by_frame[t])) for t in sorted(by_frame)}


def worst_frames(accuracy: Mapping[int, float]) -> list[int]:
    """Up to eight frames of lowest J, the worst first."""
    return sorted(accuracy, key=lambda t: accuracy[t])[:COLUMNS]


def spread_frames(sequence: LabelledSequence) -> list[int]:
    """Up to eight evenly spread frames; the one nearest to the prompt of the largest object gives way to that."""
    prompted = sequence.prompt_frame(sequence.objects()[0])
    frames = [int(t) for t in np.unique(np.linspace(0, len(sequence.labels) - 1, COLUMNS).round())]
    frames[min(range(len(frames)), key=lambda index: abs(frames[index] - prompted))] = prompted
    return frames


def draw_sheet(
    sequence: LabelledSequence,
    masks: Masks,
    *,
    frames: Sequence[int],
    captions: Mapping[int, str],
    title: str,
) -> Image.Image:
    """Draw frames in a row; that on which the largest object was prompted is marked."""
    objects, window, top = sequence.objects(), choose_window(sequence.stack), TITLE_HEIGHT if title else 0
    prompted = sequence.prompt_frame(objects[0])
    height, width = sequence.labels.shape[1:]
    # Very wide frames are squeezed, so that a row stays readable.
    size = (min(round(HEIGHT * width / height), _LONGEST), HEIGHT)
    sheet = Image.new("RGB", (size[0] * len(frames), size[1] + top), _PAPER)
    for column, frame in enumerate(frames):
        # Masks in colours, the truth as white outlines over them.
        drawn = np.zeros((height, width), np.int64)
        for object_id in objects:
            if (mask := masks.get((frame, object_id))) is not None:
                drawn[mask] = object_id
        image = draw_objects(to_rgb8(sequence.stack.read(frame), window), drawn, size)
        picture = _outlined(image, sequence, frame, objects=objects)
        mark = "prompt" if frame == prompted else captions.get(frame, "")
        draw_caption(picture, f"{frame} {mark}".rstrip())
        sheet.paste(picture, (column * size[0], top))
    if title:
        ImageDraw.Draw(sheet).text((8, top / 2), title, _INK, font(_TITLE_SIZE), anchor="lm")
    return sheet


def _outlined(image: Image.Image, sequence: LabelledSequence, frame: int, *, objects: list[int]) -> Image.Image:
    pixels: NDArray[np.uint8] = np.array(image)
    for object_id in objects:
        truth = Image.fromarray(sequence.truth(frame, object_id)).resize(image.size, Image.Resampling.NEAREST)
        # The outline is what erosion takes away.
        inside = np.pad(np.asarray(truth), 1)
        core = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        pixels[inside[1:-1, 1:-1] & ~core] = _TRUTH
    return Image.fromarray(pixels)
