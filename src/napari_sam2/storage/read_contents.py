"""What a session folder holds, read without its image and its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.placed_results import place_labels, place_scores
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.storage.schema import DataRecord

from .codec import MALFORMED, read_image, read_prompt, read_row
from .layout import check_inside, read_header
from .saved_state import SavedState


@dataclass(frozen=True, eq=False)
class SavedContents:
    """Prompts and results of a saved session.

    Attributes
    ----------
    data : DataRecord
        What the session says of its image.
    geometry : Geometry
        Which part of the image its frames are.
    labels : LabelStack
        In the frames and pixels of the image, as are scores and prompts.
    scores : ScoreTable
        Scores.
    prompts : tuple of Prompt
        Prompts.
    problems : tuple of str
        What is damaged and left out, a line each.
    """

    data: DataRecord
    geometry: Geometry
    labels: LabelStack
    scores: ScoreTable
    prompts: tuple[Prompt, ...]
    problems: tuple[str, ...]


def read_contents(folder: Path) -> SavedContents:
    """Read prompts and results of a session folder; it is not changed, and nothing outside it is opened.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is no session folder, or what it says of its image is damaged.
    """
    header = read_header(folder)
    saved = SavedState.read(check_inside(folder / header.journal))
    geometry = header.data.geometry
    reading = _Reading(saved, header.data.shape)
    labels, scores = reading.results()
    prompts = [prompt_outside(prompt, geometry) for prompt in reading.prompts()]
    return SavedContents(
        header.data,
        geometry,
        labels if geometry.is_whole else place_labels(labels, geometry),
        scores if geometry.is_whole else place_scores(scores, geometry),
        tuple(prompts),
        (*saved.problems, *reading.problems),
    )


class _Reading:
    """Reads what is whole and notes what is not."""

    def __init__(self, saved: SavedState, shape: tuple[int, int, int]) -> None:
        self._saved = saved
        self._shape = shape
        self.problems: list[str] = []

    def results(self) -> tuple[LabelStack, ScoreTable]:
        labels, scores, size = LabelStack(self._shape), ScoreTable(), self._shape[1:]
        for frame, record in sorted(self._saved.frames.items()):
            try:
                check_frame(frame, self._shape[0])
                if record.labels is not None:
                    image = read_image(record.labels, size)
                    labels.widen(image.dtype)
                    labels.set(frame, image)
                for row in record.rows:
                    scores.put(read_row(frame, row))
            except MALFORMED as error:
                self.problems.append(f"frame {frame} is damaged and left out: {error}")
        return labels, scores

    def prompts(self) -> list[Prompt]:
        found = []
        for number in self._saved.objects:
            try:
                places = self._saved.tracks[number].prompts
                found += [read_prompt(self._saved.prompts[place], self._shape) for _, place in places]
            except MALFORMED as error:
                self.problems.append(f"prompts of an object are damaged and left out: {error}")
        return found
