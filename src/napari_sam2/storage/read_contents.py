"""What a session folder holds, read without its image and its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.data.images.subset import Placement
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.placed_results import place_labels, place_scores
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt

from .codec import MALFORMED, decode_image, decode_prompt, decode_row, frame_numbers, whole_number
from .layout import check_inside, read_header
from .read_job import saved_placement
from .saved_state import SavedState


@dataclass(frozen=True, eq=False)
class SavedContents:
    """Prompts and results of a saved session.

    Attributes
    ----------
    data : dict
        What the session says of its image.
    axis : str
        ``"t"`` or ``"z"``.
    placement : Placement
        Where its frames lie in the image.
    labels : LabelStack
        In the frames and pixels of the image, as are scores and prompts.
    scores : ScoreTable
        Scores.
    prompts : tuple of Prompt
        Prompts.
    problems : tuple of str
        What is damaged and left out, a line each.
    """

    data: dict[str, Any]
    axis: str
    placement: Placement
    labels: LabelStack
    scores: ScoreTable
    prompts: tuple[Prompt, ...]
    problems: tuple[str, ...]


def read_contents(folder: Path) -> SavedContents:
    """Read prompts and results of a session folder; it is not changed, and nothing outside it is opened.

    Parameters
    ----------
    folder : Path
        The session folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is no session folder, or what it says of its image is damaged.
    """
    header = read_header(folder)
    state = SavedState.read(check_inside(folder / header["journal"]))
    data = header["data"]
    axis = data.get("axis")
    if axis not in ("t", "z"):
        raise ValueError(f"{folder}: what the session says of its image is damaged: the axis {axis!r}")
    try:
        placement = saved_placement(data)
    except KeyError as error:
        raise ValueError(f"{folder}: what the session says of its image is damaged: {error} is missing") from error
    reading = _Reading(state, placement)
    labels, scores = reading.results()
    prompts = [prompt_outside(prompt, placement) for prompt in reading.prompts()]
    return SavedContents(
        data,
        axis,
        placement,
        labels if placement.is_whole else place_labels(labels, placement),
        scores if placement.is_whole else place_scores(scores, placement),
        tuple(prompts),
        (*state.problems, *reading.problems),
    )


class _Reading:
    """Reads what is whole and notes what is not."""

    def __init__(self, state: SavedState, placement: Placement) -> None:
        self._state = state
        y0, x0, y1, x1 = placement.crop
        self._shape = (len(placement.frames), y1 - y0, x1 - x0)
        self.problems: list[str] = []

    def results(self) -> tuple[LabelStack, ScoreTable]:
        labels, scores, size = LabelStack(self._shape), ScoreTable(), self._shape[1:]
        for frame in sorted(self._state.frames):
            try:
                whole_number(frame, 0, self._shape[0] - 1)
                said = self._state.frames[frame]
                if said["labels"] is not None:
                    image = decode_image(said["labels"], size)
                    labels.widen(image.dtype)
                    labels.set(frame, image)
                for row in said["rows"]:
                    scores.put(decode_row(frame, row, size))
            except MALFORMED as error:
                self.problems.append(f"frame {frame} is damaged and left out: {error}")
        return labels, scores

    def prompts(self) -> list[Prompt]:
        found = []
        for number in self._state.objects:
            try:
                places = frame_numbers(self._state.tracks[number].get("prompts", []), self._shape[0])
                found += [decode_prompt(self._state.prompts[place], self._shape) for place in places.values()]
            except MALFORMED as error:
                self.problems.append(f"prompts of an object are damaged and left out: {error}")
        return found
