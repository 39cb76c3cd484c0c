"""The labels of a saved session that a person has called right, to learn from and to measure on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.storage.entry_reader import EntryReader
from napari_sam2.storage.folder.layout import check_inside, read_header
from napari_sam2.storage.folder.schema import Header
from napari_sam2.storage.locate_inputs import find_data
from napari_sam2.storage.reader import settings_of
from napari_sam2.storage.saved_state import SavedState

from .examples import LabelledStack


@contextmanager
def session_labels(folder: Path) -> Iterator[tuple[LabelledStack, Header]]:
    """Open the image of a session folder, with its labels and the frames on which all of them are accepted."""
    header = read_header(folder)
    saved = SavedState.read(check_inside(folder / header.journal))
    labels, scores = LabelStack(header.data.shape), ScoreTable()
    EntryReader(saved, header.data.shape).read_results(labels, scores)
    rows = ((frame, scores.on_frame(frame)) for frame in labels.frames_done)
    accepted = tuple(frame for frame, found in rows if found and all(row.accepted for row in found))
    with find_data(header.data, folder, None) as stack:
        yield LabelledStack(stack, labels, accepted, settings_of(header, saved).get("contrast_limits")), header
