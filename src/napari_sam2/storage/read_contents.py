"""Reading the prompts and results of a session folder without its image and its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.placed_results import place_results
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.storage.folder.layout import check_inside, read_header
from napari_sam2.storage.folder.schema import DataRecord

from .entry_reader import EntryReader
from .saved_state import SavedState


@dataclass(frozen=True, eq=False)
class SavedContents:
    """Prompts and results of a saved session, in the frames and pixels of the whole image."""

    data: DataRecord
    geometry: Geometry
    labels: LabelStack
    scores: ScoreTable
    prompts: tuple[Prompt, ...]
    # What is damaged and left out, a line each.
    problems: tuple[str, ...]


def read_contents(folder: Path) -> SavedContents:
    """Read prompts and results of a session folder; it is not changed, and nothing outside it is opened.

    ``FileNotFoundError`` if there is none, ``ValueError`` if it is no session folder, or its header is damaged.
    """
    header = read_header(folder)
    data, geometry = header.data, header.data.geometry
    saved = SavedState.read(check_inside(folder / header.journal))
    # Read for the part of the image that was tracked, then moved to where that lies in the whole.
    reader = EntryReader(saved, data.shape)
    labels, scores = LabelStack(data.shape), ScoreTable()
    reader.read_results(labels, scores)
    objects = [reader.attempt("an object", lambda n: reader.prompts_of(saved.tracks[n]), n) for n in saved.objects]
    prompts = [prompt_outside(prompt, geometry) for found in objects if found for prompt in found.values()]
    placed = place_results(labels, scores, geometry)
    return SavedContents(data, geometry, *placed, tuple(prompts), (*saved.problems, *reader.problems))
