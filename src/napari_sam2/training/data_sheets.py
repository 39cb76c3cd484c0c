"""Pictures of what a run would train on, one for each origin of its labelled images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sam2.data.pictures.outlines import draw_objects
from napari_sam2.evaluation.image_sets import Part, Split
from napari_sam2.synthetic import Clip
from napari_sam2.training.data.clips import Batch, draw_batch
from napari_sam2.training.data.labelled_images import ImageSets
from napari_sam2.training.data.simulated_prompts import boxes_of, click_in

from .loop import augmentation_of
from .train_settings import TrainSettings

_SIDE, _ROWS, _FRAMES, _OBJECTS = 192, 4, 6, 6
_CLICK, _MIDDLE, _BOX = (255, 40, 40), (60, 255, 60), (255, 220, 0)


@dataclass(frozen=True)
class _Family:
    """The sets of one origin as a source of clips."""

    sets: ImageSets
    parts: list[Part]

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        return self.sets.draw_from(self.parts, rng, frames=frames)


def write_data_sheets(settings: TrainSettings, target: Path) -> list[Path]:
    """Draw what is read of folders of labelled images, as it would be trained on.

    Each row is a clip, or so many stills, with the truth of the objects that are prompted: a click near the middle
    (green), one anywhere (red) and a box.
    """
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in settings.data:
        if not any(Path(name).glob("*/labels*")):
            continue
        sets = ImageSets(name, Split(without=settings.without))
        for parts in sets.families:
            first = parts[0].images
            rows = _rows(_Family(sets, parts), settings, stills=first.is_stills)
            kind = "stills" if first.is_stills else first.axis
            path = target / f"{re.sub(r'[^A-Za-z0-9]+', '_', first.name)}_{kind}.png"
            _stack_rows(rows).save(path)
            written.append(path)
    return written


def _rows(source: _Family, settings: TrainSettings, *, stills: bool) -> list[Image.Image]:
    # The batches of a run, drawn as it would draw them.
    rng, generator = np.random.default_rng(settings.seed), torch.Generator().manual_seed(settings.seed)
    augmentation = augmentation_of(settings)
    rows = []
    for row in range(_ROWS):
        # Of stills the last row shows one in motion.
        single = stills and row < _ROWS - 1
        shape = (_FRAMES, 1, _OBJECTS) if single else (1, _FRAMES, _OBJECTS)
        batch = draw_batch([source], rng, size=settings.image_size, shape=shape, augmentation=augmentation)
        tiles = [_tile(batch, item, 0, generator) for item in range(_FRAMES)] if single else []
        tiles = tiles or [_tile(batch, 0, frame, generator) for frame in range(_FRAMES)]
        whole = Image.new("RGB", (_SIDE * _FRAMES, _SIDE))
        for column, tile in enumerate(tiles):
            whole.paste(tile, (column * _SIDE, 0))
        rows.append(whole)
    return rows


def _tile(batch: Batch, item: int, frame: int, generator: torch.Generator) -> Image.Image:
    masks = batch.masks_btnhw[item, frame]
    image: NDArray[np.uint8] = batch.frames_btchw[item, frame].permute(1, 2, 0).numpy()
    labels = np.zeros(image.shape[:2], np.int64)
    for number, mask in enumerate(masks.numpy(), 1):
        labels[mask] = number
    picture = draw_objects(np.ascontiguousarray(image), labels, (_SIDE, _SIDE))
    if frame == 0:
        _mark(ImageDraw.Draw(picture), masks, _SIDE / image.shape[0], generator=generator)
    return picture


def _mark(pen: ImageDraw.ImageDraw, masks: torch.Tensor, scale: float, *, generator: torch.Generator) -> None:
    for share, colour in ((0.0, _CLICK), (1.0, _MIDDLE)):
        for x, y in (click_in(masks, generator, middle_share=share) * scale).tolist():
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour, outline=(0, 0, 0))
    for (x0, y0), (x1, y1) in (boxes_of(masks[:1], generator) * scale).tolist():
        pen.rectangle((x0, y0, x1, y1), outline=_BOX)


def _stack_rows(rows: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for index, row in enumerate(rows):
        sheet.paste(row, (0, index * row.height))
    return sheet
