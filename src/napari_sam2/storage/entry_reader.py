"""Reading of labels, scores and prompts of a saved session; what is damaged is left out and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.storage.folder.codec import MALFORMED, read_image, read_prompt, read_rows, read_span
from napari_sam2.storage.folder.fields import Numbered

from .saved_state import SavedState, SavedTrack

T = TypeVar("T")


class EntryReader:
    """Reads entries about a stack of ``shape`` (T, Y, X); what is damaged is left out and named in `problems`."""

    def __init__(self, saved: SavedState, shape: tuple[int, int, int]) -> None:
        self.saved = saved
        self.shape = shape
        self.problems: list[str] = []
        self._prompts: dict[int, Prompt] = {}

    def attempt(self, what: str, read: Callable[..., T], *arguments: object) -> T | None:
        """Read something; if it is damaged, report it and return ``None``."""
        try:
            return read(*arguments)
        except MALFORMED as error:
            # One damaged entry must not cost the user the others.
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            self.problems.append(f"{what} is damaged and left out: {reason}")
            return None

    def read_results(self, labels: LabelStack, scores: ScoreTable) -> None:
        """Fill in the saved labels and scores."""
        labels.widen(self.saved.dtype)
        for frame in sorted(self.saved.frames):
            self.attempt(f"frame {frame}", self._read_frame, frame, labels, scores)

    def _read_frame(self, frame: int, labels: LabelStack, scores: ScoreTable) -> None:
        saved = self.saved.frames[check_frame(frame, self.shape[0])]
        if saved.labels is not None:
            labels.set(frame, read_image(saved.labels, self.shape[1:]))
        for row in read_rows(frame, saved):
            scores.put(row)

    def table(self, what: str, pairs: Numbered, read: Callable[[int], T]) -> dict[int, T]:
        """Read the values of a table by frame; damaged ones are left out."""
        # An index beyond the stack damages the whole table; a damaged value only its frame.
        found = {check_frame(frame, self.shape[0]): self.attempt(what, read, number) for frame, number in pairs}
        return {frame: value for frame, value in found.items() if value is not None}

    def span_of(self, saved: SavedTrack) -> LifeSpan:
        """Read when an object begins and ends, and its parent; nothing is known where that is damaged."""
        what = f"begin, end and parent of object {saved.object}"
        return self.attempt(what, read_span, saved.span, self.shape[0]) or LifeSpan()

    def prompt(self, number: int) -> Prompt:
        """Read a prompt, once: edits and objects that refer to the same one share it."""
        if number not in self._prompts:
            self._prompts[number] = read_prompt(self.saved.prompts[number], self.shape)
        return self._prompts[number]

    def prompts_of(self, saved: SavedTrack) -> dict[int, Prompt]:
        """Read the prompts of an object by frame."""
        prompts = self.table(f"a prompt of object {saved.object}", saved.prompts, self.prompt)
        # A prompt about another frame or object than the table says must not be used under its name.
        return {frame: p for frame, p in prompts.items() if (p.frame, p.object_id) == (frame, saved.object)}
