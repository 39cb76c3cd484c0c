"""Results of an earlier run: a folder that ``segment`` or ``batch`` wrote, or a label file by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output_folder import LABELS, PROMPTS, RECORD, SCORES

if TYPE_CHECKING:
    from napari_sam2.data.formats import Results
    from napari_sam2.data.images.pixels.contrast import Window
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.label_stack import LabelStack


@dataclass(frozen=True)
class FinishedResults:
    """Labels of a run, with its scores and the record of how it was made where they are known."""

    # The label file.
    labels: Path
    scores: Path | None = None
    # The content of session.json; empty for a label file by itself.
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> FinishedResults:
        """Read the record of a folder of results; ``ValueError`` where there are no labels in it."""
        from napari_sam2.data.formats.tiff_and_tables import read_session_json

        if not path.is_dir():
            return cls(path)
        if not (path / LABELS).exists():
            raise ValueError(f"{path} holds no {LABELS}: name a folder that 'napari-sam2 segment' or 'batch' wrote")
        record = read_session_json(path / RECORD) if (path / RECORD).exists() else {}
        if "volumes" in record:
            raise ValueError(f"{path} holds volumes over time: 'napari-sam2 volumes --export' writes their formats")
        scores = path / SCORES
        return cls(path / LABELS, scores if scores.exists() else None, record)

    def open_labels(self) -> Stack:
        """Open the labels as a stack."""
        from napari_sam2.data.readers.open_stack import open_stack

        return open_stack(self.labels, axis=self.record.get("input", {}).get("axis"))

    def prompted(self) -> dict[int, set[int]]:
        """The prompted frames of each object, where they are known."""
        from napari_sam2.data.prompts.prompt import read_prompts

        path = self.labels.parent / self.record.get("prompts", PROMPTS)
        prompted: dict[int, set[int]] = {}
        for prompt in read_prompts(path) if self.record and path.exists() else ():
            prompted.setdefault(prompt.object_id, set()).add(prompt.frame)
        return prompted

    def open_images(self, path: Path | None) -> AbstractContextManager[Stack | None]:
        """Open the images; a context with None where nobody knows where they are."""
        from napari_sam2.data.images.selection import Selection
        from napari_sam2.data.readers.open_stack import open_stack

        known = self.record.get("input", {})
        image = path or (Path(known["path"]) if known.get("path") else None)
        if image is None or (path is None and not image.exists()):
            return nullcontext()
        # The recorded part names axis, index and channels; labels are always those of the whole frames.
        selection = Selection.from_json({**self.record.get("part", {}), "axis": known.get("axis")})
        return open_stack(image, selection=selection.whole)

    def check_needs_no_images(self, name: str) -> None:
        """Refuse a format that shows the images; ``ValueError`` names the last known place of the images."""
        from napari_sam2.data.formats import FORMATS

        path = self.record.get("input", {}).get("path")
        where = f"{path} is not there any more" if path else f"nothing says which images {self.labels} belongs to"
        if FORMATS[name].needs_pixels:
            raise ValueError(f"the format {name} shows the images, but {where}: say where they are with --image")

    def results(self, stack: Stack, labels: Stack, *, has_pixels: bool, **edits: Any) -> Results:
        """Read all that formats are written from; ``edits``: what becomes of the background, as `Results` has it."""
        from napari_sam2.data.formats import Results
        from napari_sam2.data.formats.tiff_and_tables import read_scores_csv
        from napari_sam2.data.labels.lineage import Lineage
        from napari_sam2.data.labels.scores import ScoreTable

        scores = ScoreTable() if self.scores is None else read_scores_csv(self.scores)
        window = self._window() if has_pixels else None
        kept = self._label_stack(labels)
        lineage = Lineage.of_frames(map(kept.object_ids, range(labels.n_frames)), self._parents())
        return Results(
            kept,
            stack,
            scores,
            window=window,
            has_pixels=has_pixels,
            lineage=lineage,
            classes=self._classes(),
            out_of_date=self.n_out_of_date,
            **edits,
        )

    @property
    def n_out_of_date(self) -> int:
        """How many frames awaited an update when the results were written."""
        return sum(last - first + 1 for first, last in self.record.get("out_of_date", ()))

    def _parents(self) -> dict[int, int]:
        """The objects that others were born of, as the record says; ``ValueError`` if that is damaged."""
        try:
            return {int(child): int(parent) for child, parent in self.record.get("parents", {}).items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{RECORD} beside {self.labels} does not say who came from whom: {error}") from error

    def _classes(self) -> dict[int, str]:
        """The classes of objects, as the record says; ``ValueError`` if that is damaged."""
        from napari_sam2.data.labels.object_classes import check_class_name

        try:
            return {
                int(object_id): check_class_name(name) for object_id, name in self.record.get("classes", {}).items()
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{RECORD} beside {self.labels} does not say which classes there are: {error}") from error

    def _window(self) -> Window | None:
        from napari_sam2.data.images.pixels.contrast import Window

        limits = self.record.get("input", {}).get("contrast_limits")
        return Window(*limits) if limits else None

    def _label_stack(self, labels: Stack) -> LabelStack:
        """Read the frames that were tracked, or that have labels."""
        from napari_sam2.data.labels.label_stack import LabelStack

        # Tracked frames without objects are results as well: "nothing is here".
        spans = self.record.get("tracked_frames", [[0, labels.n_frames - 1]])
        tracked = {frame for first, last in spans for frame in range(first, last + 1)}
        kept = LabelStack(labels.shape, labels.dtype)
        for frame in range(labels.n_frames):
            image = labels.read(frame)
            if frame in tracked or image.any():
                kept.set(frame, image)
        return kept


def find_results(paths: Iterable[Path]) -> list[Path]:
    """Take folders of results and label files as they are, and the folders of results in a folder of a batch."""
    return [found for path in paths for found in _results_in(path)]


def _results_in(path: Path) -> Iterator[Path]:
    inside = sorted(path.glob(f"*/{LABELS}")) if path.is_dir() and not (path / LABELS).exists() else []
    # A folder without results is kept: reading it says what is wrong with it.
    yield from (labels.parent for labels in inside) if inside else (path,)
