"""Reading of folders of the Cell Tracking Challenge: masks as prompts, the table of tracks as lineage."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.prompt_parts import PromptParts

if TYPE_CHECKING:
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.prompt import Prompt

# Of results, and of true tracks, which lie in a folder of their own.
_TABLES = ("res_track.txt", "man_track.txt", "TRA/man_track.txt")
_MASK = re.compile(r"(?:mask|man_track)(\d+)\.tiff?")


@dataclass(frozen=True)
class _TrackLine:
    """A line of the table: label, first and last frame, label of the parent or 0."""

    label: int
    begin: int
    end: int
    parent: int


def is_ctc_folder(place: Path) -> bool:
    """Tell whether a folder has a table of tracks as the Challenge knows it."""
    return _table(place) is not None


def ctc_prompts(source: Path, stack: Stack) -> list[Prompt]:
    """Read each label on each frame as a mask prompt.

    A track that goes on after a gap has a label of its own there, and an only child: both are one object here.
    """
    table = _table(source)
    assert table is not None
    object_of = _objects(_rows(table))
    masks = {int(match[1]): one for one in table.parent.iterdir() if (match := _MASK.fullmatch(one.name))}
    if not masks:
        raise ValueError(f"{table.parent} has {table.name} and no masks (mask000.tif or man_track000.tif, one a frame)")
    parts = PromptParts(source)
    for frame in sorted(masks):
        if frame >= stack.n_frames:
            raise ValueError(f"{masks[frame]} is of frame {frame}, and the image has {stack.n_frames}, from 0 on")
        image = np.squeeze(tifffile.imread(masks[frame]))
        if image.shape != stack.shape[1:3]:
            size, wanted = (" x ".join(map(str, shape)) for shape in (image.shape, stack.shape[1:3]))
            raise ValueError(f"{masks[frame]} is of {size} pixels, and frames are of {wanted}")
        for label in np.unique(image[image > 0]).tolist():
            if label not in object_of:
                raise ValueError(f"{masks[frame]} has label {label}, which {table.name} does not name")
            parts.add_mask(frame, object_of[label], image == label)
    return parts.prompts()


def ctc_spans(source: Path) -> dict[int, LifeSpan]:
    """Read begin, end and parent of each object."""
    table = _table(source)
    assert table is not None
    rows = _rows(table)
    object_of, spans = _objects(rows), dict[int, LifeSpan]()
    for row in sorted(rows, key=lambda one: one.begin):
        number = object_of[row.label]
        parent = object_of.get(row.parent)
        if number in spans:
            spans[number] = LifeSpan(spans[number].begin, row.end, spans[number].parent)
        else:
            spans[number] = LifeSpan(row.begin, row.end, None if parent == number else parent)
    return spans


def _table(place: Path) -> Path | None:
    return next((place / name for name in _TABLES if (place / name).is_file()), None)


def _rows(table: Path) -> list[_TrackLine]:
    rows = []
    for number, line in enumerate(table.read_text(encoding="utf-8-sig").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            label, begin, end, parent = map(int, words)
        except ValueError as error:
            form = "label, first frame, last frame and parent"
            raise ValueError(f"{table}, line {number}: {line!r} is not {form}, four whole numbers") from error
        rows.append(_TrackLine(label, begin, end, parent))
    return rows


def _objects(rows: list[_TrackLine]) -> dict[int, int]:
    """By label, the object that it is a part of: the label that it had at first."""
    n_children = Counter(row.parent for row in rows)
    objects: dict[int, int] = {}
    for row in sorted(rows, key=lambda one: one.begin):
        goes_on = row.parent in objects and n_children[row.parent] == 1
        objects[row.label] = objects[row.parent] if goes_on else row.label
    return objects
