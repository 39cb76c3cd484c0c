"""Labels and scores of a session, written frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.label_stack import LabelMark, LabelPainter, LabelStack, label_dtype
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable

from .frame_result import FrameResult

# Of the labels, the row of the score table and the note that it was tracked, for each object and frame.
RECORD_BYTES = 1500


@dataclass(frozen=True, eq=False)
class ErasedObject:
    """Masks and rows of an object that was taken out.

    Attributes
    ----------
    object_id : int
        Its label.
    masks : LabelStack
        1 where it was drawn.
    rows : tuple of ScoreRow
        Its rows of the score table.
    """

    object_id: int
    masks: LabelStack
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True, eq=False)
class OutputsMark:
    """Labels and scores of one moment; packed labels and rows are shared, not copied."""

    labels: LabelMark
    scores: ScoreTable

    def records_beyond(self, other: OutputsMark) -> int:
        """How many results, of an object on a frame, are held here that another moment does not share."""
        packed, others = self.labels.frames.packed, other.labels.frames.packed
        object_ids = self.labels.object_ids
        return sum(len(object_ids.get(frame, ())) for frame, image in packed.items() if others.get(frame) is not image)


class SessionOutputs:
    """The label stack and the score table.

    Parameters
    ----------
    labels : LabelStack
        Empty; where the labels go.

    Attributes
    ----------
    labels : LabelStack
        Labels.
    scores : ScoreTable
        Scores.
    touched : set of int
        Frames whose labels or rows have changed, until whoever saves them takes them out.
    """

    def __init__(self, labels: LabelStack) -> None:
        self.labels = labels
        self.scores = ScoreTable()
        self.touched: set[int] = set()

    def emptied(self) -> SessionOutputs:
        """Start anew, without labels and scores, in the same place."""
        return SessionOutputs(self.labels.emptied())

    def mark(self) -> OutputsMark:
        """Note labels and scores as they are now, for `go_back`."""
        return OutputsMark(self.labels.mark(), self.scores.copy())

    def go_back(self, mark: OutputsMark) -> None:
        """Bring labels and scores of a moment back; the mark stays usable."""
        self._touch_all()
        self.labels.go_back(mark.labels)
        self.scores = mark.scores.copy()
        self._touch_all()

    def _touch_all(self) -> None:
        self.touched.update(self.labels.frames_done, (row.frame for row in self.scores))

    def write(self, result: FrameResult, painted: dict[int, NDArray[np.bool_]]) -> None:
        """Write the labels and scores of a frame.

        Parameters
        ----------
        result : FrameResult
            Masks of the objects to draw. Objects drawn before that have no row here keep their pixels.
        painted : dict
            By object id, masks the user gave on this frame, which are drawn to the pixel.
        """
        self.touched.add(result.frame)
        self.labels.widen(label_dtype(result.object_ids))
        image = self._compose(result, painted)
        others = [i for i in self.labels.object_ids(result.frame) if i not in result.object_ids]
        if others:
            earlier = self.labels[result.frame]
            kept = np.isin(earlier, others)
            for mask in painted.values():
                kept &= ~mask
            image[kept] = earlier[kept]
        self.labels.set(result.frame, image)
        for row, object_id in enumerate(result.object_ids):
            if not np.isnan(result.object_score_logits[row]):
                scores = (float(result.object_scores[row]), float(result.ious[row]))
                self.scores.put(ScoreRow.from_mask(result.frame, object_id, scores=scores, mask=image == object_id))
        if painted:
            self._measure(result.frame, others)

    def _compose(self, result: FrameResult, painted: dict[int, NDArray[np.bool_]]) -> NDArray[Any]:
        # One object at a time: a hundred masks of a large frame, upsampled together, would take gigabytes.
        painter = LabelPainter(result.size, self.labels.dtype)
        for row, object_id in enumerate(result.object_ids):
            if object_id in painted:
                # Above anything the model says: what the user painted is not up for competition.
                painter.paint(object_id, np.where(painted[object_id], np.float32(np.inf), np.float32(-np.inf)))
            else:
                crop, logits = result.row_logits(row)
                painter.paint(object_id, logits, crop)
        return painter.image

    def erase(self, frame: int, object_id: int) -> None:
        """Remove an object's pixels and row on one frame."""
        self.touched.add(frame)
        if object_id in self.labels.object_ids(frame):
            image = self.labels[frame]
            image[image == object_id] = 0
            self.labels.set(frame, image)
        self.scores.remove_frames([frame], object_id)

    def take_out(self, object_id: int) -> ErasedObject:
        """Remove an object everywhere and return what it takes to bring it back."""
        masks = LabelStack(self.labels.shape, np.uint8)
        for frame in self.labels.frames_done:
            if object_id in self.labels.object_ids(frame):
                masks.set(frame, (self.labels[frame] == object_id).astype(np.uint8))
        rows = tuple(row for row in self.scores if row.object_id == object_id)
        self.touched.update(masks.frames_done, (row.frame for row in rows))
        self.labels.remove_object(object_id)
        self.scores.remove_object(object_id)
        return ErasedObject(object_id, masks, rows)

    def bring_back(self, erased: ErasedObject) -> None:
        """Undo `take_out`; pixels that another object has taken since go back."""
        for frame in erased.masks.frames_done:
            image = self.labels[frame]
            others = self.labels.object_ids(frame)
            image[erased.masks[frame] > 0] = erased.object_id
            self.labels.set(frame, image)
            self._measure(frame, others)
        for row in erased.rows:
            self.scores.put(row)
        self.touched.update(erased.masks.frames_done, (row.frame for row in erased.rows))

    def mask(self, frame: int, object_id: int) -> NDArray[np.bool_] | None:
        """(Y, X) mask of an object as drawn on a frame, ``None`` where it has no pixels."""
        if object_id not in self.labels.object_ids(frame):
            return None
        drawn: NDArray[np.bool_] = self.labels[frame] == object_id
        return drawn

    def _measure(self, frame: int, object_ids: Iterable[int]) -> None:
        """Bring the rows of objects up to date that have lost pixels to another one."""
        image = self.labels[frame]
        for object_id in object_ids:
            row = self.scores.get(frame, object_id)
            if row is not None:
                scores = (row.object_score, row.predicted_iou)
                self.scores.put(ScoreRow.from_mask(frame, object_id, scores=scores, mask=image == object_id))
