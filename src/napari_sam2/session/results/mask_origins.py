"""How the masks of a session came about: who made them, and what a person has put another one in place of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.provenance import UNSEEN, Maker, Provenance, Replaced
from napari_sam2.data.labels.scores import ScoreRow


class MaskOrigins:
    """Notes how each mask came about.

    ``describe``: says which model the session runs; it takes a moment, and is asked once.
    """

    def __init__(self, describe: Callable[[], Maker] | None = None) -> None:
        self.describe = describe
        # By frame and object, what a model had drawn there before a person corrected it, and its row. Not saved: after
        # opening a session, the overlap that was found last stays.
        self._replaced: dict[tuple[int, int], tuple[LabelRuns, ScoreRow]] = {}

    @cached_property
    def maker(self) -> Maker | None:
        """The model that answers prompts and tracks."""
        return None if self.describe is None else self.describe()

    def noted(
        self, row: ScoreRow, source: str | None, earlier: ScoreRow | None, *, before: LabelRuns, after: LabelRuns
    ) -> ScoreRow:
        """Add to an object's row how its mask came about.

        ``source``: one of `SOURCES`; ``None`` where the mask is the one that was there.
        ``earlier``: the row that it replaces, of the label image ``before``; the mask is now that in ``after``.
        """
        if earlier is not None and (source is None or (source in UNSEEN and _same_answer(row, earlier))):
            return replace(row, made=earlier.made, replaced=earlier.replaced)
        if source is None or source in UNSEEN:
            return replace(row, made=None if source is None else Provenance(source, self.maker))
        made = Provenance(source, None if source == "painted" else self.maker)
        return self._corrected(replace(row, made=made), earlier, before, after)

    def painted(self, row: ScoreRow, *, before: LabelRuns, after: LabelRuns) -> ScoreRow:
        """Note that a person has put other pixels in place of a row's; the same row where they are the same."""
        if _overlap(row.object_id, before, after) == 1.0:
            return row
        return self._corrected(replace(row, made=Provenance("painted"), sharpness=None), row, before, after)

    def _corrected(self, row: ScoreRow, earlier: ScoreRow | None, before: LabelRuns, after: LabelRuns) -> ScoreRow:
        """The same row, and what a model had put there where it stands in place of that."""
        if earlier is None or earlier.made is None or row.made is None:
            return row
        was = earlier.made
        if not (was.source in UNSEEN or was.corrected):
            return row
        place = row.frame, row.object_id
        if was.source in UNSEEN:
            self._replaced[place] = before.only(before.values == row.object_id), earlier
        replaced = earlier.replaced
        if place in self._replaced:
            mask, old = self._replaced[place]
            overlap = _overlap(row.object_id, mask, after)
            replaced = Replaced(old.sharpness, overlap, None if old.made is None else old.made.maker)
        return replace(row, made=replace(row.made, corrected=True), replaced=replaced)


def _same_answer(one: ScoreRow, other: ScoreRow) -> bool:
    """Whether both rows are of one answer of the model, which was drawn again."""
    numbers = [(row.object_score, row.predicted_iou, row.sharpness) for row in (one, other)]
    return numbers[0] == numbers[1]


def _overlap(object_id: int, one: LabelRuns, other: LabelRuns) -> float:
    """IoU of an object's pixels in two label images; 1 where it has none in either."""
    a, b = (runs.image() == object_id for runs in (one, other))
    either = np.count_nonzero(a | b)
    return round(np.count_nonzero(a & b) / either, 4) if either else 1.0
