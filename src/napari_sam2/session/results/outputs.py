"""The label stack and score table of a session, updated frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.labels.label_painter import LabelPainter
from napari_sam2.data.labels.label_stack import LabelStack, label_dtype
from napari_sam2.data.labels.label_storage import LabelRuns, PackedFrame
from napari_sam2.data.labels.provenance import Maker
from napari_sam2.data.labels.scores import Measures, ScoreRow, ScoreTable, measure

from .compose import ObjectMask, PixelBox
from .mask_origins import MaskOrigins

# Bytes for each object and frame: its part of the labels, its row of scores, and the note that it was tracked.
RECORD_BYTES = 1500


@dataclass(frozen=True)
class FrameOutputs:
    """Labels and scores of a frame; never changed."""

    # ``None`` where none were ever set.
    labels: PackedFrame | None
    rows: tuple[ScoreRow, ...]


class SessionOutputs:
    """The label stack and the score table."""

    def __init__(self, labels: LabelStack, describe_maker: Callable[[], Maker] | None = None) -> None:
        self.labels = labels
        self.scores = ScoreTable()
        self.origins = MaskOrigins(describe_maker)
        # Frames changed since the session was last saved; whoever saves clears it.
        self.touched: set[int] = set()
        # What frames held before the step that is being taken; whoever begins a step puts its table here.
        self.before: dict[int, FrameOutputs] = {}

    def emptied(self) -> SessionOutputs:
        """Empty outputs in the same place, a folder or memory."""
        return SessionOutputs(self.labels.emptied(), self.origins.describe)

    def on_frame(self, frame: int) -> FrameOutputs:
        """Return what a frame holds."""
        return FrameOutputs(self.labels.packed(frame), self.scores.on_frame(frame))

    def put_back(self, frame: int, outputs: FrameOutputs) -> None:
        """Store what `on_frame` returned."""
        self._touch(frame)
        self.labels.put_back(frame, outputs.labels)
        self.scores.remove_frames([frame])
        for row in outputs.rows:
            self.scores.put(row)

    def _touch(self, frame: int) -> None:
        # Called before every change, so that a step knows what was there.
        self.touched.add(frame)
        if frame not in self.before:
            self.before[frame] = self.on_frame(frame)

    def write(self, frame: int, masks: Sequence[ObjectMask], *, changed: Collection[int]) -> None:
        """Write the labels and scores of a frame.

        ``masks``: all objects whose logits are known there, in their order; where masks overlap, objects with a prompt
        on the frame win over those without, and among equals the higher logit. Others keep the pixels they have, but
        for those of objects with a prompt. What a person has accepted is left as it is.
        """
        locked = self.accepted_on(frame)
        masks, changed = [m for m in masks if m.object_id not in locked], set(changed) - locked
        # Labels are kept as runs, which are small; only the area that may change is drawn again.
        self.labels.widen(label_dtype(mask.object_id for mask in masks))
        runs = self.labels.runs(frame)
        before = measure(runs)
        # Pixels can only change where a changed object was or is, and only masks that reach there compete for them.
        size = self.labels.shape[1:]
        reaches = [mask.reach(size) for mask in masks if mask.object_id in changed]
        bounds = [measures.bbox for object_id, measures in before.items() if object_id in changed]
        area = PixelBox.around([box for box in (*reaches, *bounds) if box is not None])
        drawn = None if area is None else self._draw(runs, masks, changed=changed, area=area, locked=[*locked])
        if drawn is not None or (masks and not self.labels.is_set(frame)):
            self._touch(frame)
            self.labels.set_runs(frame, drawn or runs)
        # Scores are measured on what was drawn: overlaps take pixels away from masks.
        after = before if drawn is None else measure(drawn)
        rows = {}
        for mask in masks:
            if mask.object_id in changed:
                row = mask.score_row(frame).measured(after.get(mask.object_id, Measures()))
                earlier = self.scores.get(frame, mask.object_id)
                rows[mask.object_id] = self.origins.noted(
                    row, mask.source, earlier, before=runs, after=runs if drawn is None else drawn
                )
        # An object that changed but has no mask any more loses its row.
        for object_id in changed - rows.keys():
            if self.scores.get(frame, object_id) is not None:
                self._touch(frame)
                self.scores.remove_frames([frame], object_id)
        self.put_rows(rows.values())
        # Objects that lost or gained pixels to the changed ones keep their scores but are measured again.
        others = (before.keys() | after.keys()) - changed
        self._measure_again(frame, [i for i in others if before.get(i) != after.get(i)], after)

    def _draw(
        self,
        runs: LabelRuns,
        masks: Sequence[ObjectMask],
        *,
        changed: Collection[int],
        area: PixelBox,
        locked: Sequence[int] = (),
    ) -> LabelRuns | None:
        """Draw an area of a frame again; ``None`` if it is as it was."""
        image = runs.image()
        earlier = image[area.crop]
        # One object at a time: a hundred masks of a large frame, upsampled together, would take gigabytes.
        painter = LabelPainter(area.size, self.labels.dtype)
        for is_prompted in (False, True):
            # The user has just said where these are; of the others the model only believes it.
            painter.outrank()
            for mask in masks:
                if mask.is_prompted == is_prompted and (found := mask.logits(area, runs.shape)) is not None:
                    part, logits = found
                    painter.paint(mask.object_id, logits, part.moved(-area.y0, -area.x0).crop)
        # Objects whose logits are gone cannot compete: they keep their pixels, except where an object is prompted.
        known = {*changed, *(mask.object_id for mask in masks)}
        if others := [object_id for object_id in runs.object_ids if object_id not in known]:
            prompted = [mask.object_id for mask in masks if mask.is_prompted]
            kept = np.isin(earlier, others) & ~np.isin(painter.image, prompted)
            # What a person has accepted stays, whoever claims it.
            kept |= np.isin(earlier, locked)
            painter.image[kept] = earlier[kept]
        if np.array_equal(painter.image, earlier):
            return None
        earlier[...] = painter.image
        return LabelRuns.of(image)

    def accepted_on(self, frame: int) -> set[int]:
        """Objects whose mask on a frame a person has accepted."""
        return {row.object_id for row in self.scores.on_frame(frame) if row.accepted}

    def accept(
        self, frame: int, object_ids: Collection[int], *, shown: NDArray[Any] | None = None, accepted: bool = True
    ) -> None:
        """Call some objects right on a frame, or not any more.

        ``shown``: (Y, X) labels in place of those there are.
        """
        before = self.labels.runs(frame)
        if shown is not None:
            self._touch(frame)
            image, ids = self.labels[frame], list(object_ids)
            image[np.isin(image, ids)] = 0
            self.labels.set(frame, np.where(np.isin(shown, ids), shown, image).astype(image.dtype))
        rows = [row for row in self.scores.on_frame(frame) if row.object_id in object_ids]
        if shown is not None:
            rows = [self.origins.painted(row, before=before, after=self.labels.runs(frame)) for row in rows]
        self.put_rows([replace(row, accepted=accepted) for row in rows])
        if shown is not None:
            self._measure_again(frame, object_ids, measure(self.labels.runs(frame)))

    def take(self, frame: int, image: NDArray[Any], rows: Iterable[ScoreRow], object_ids: Collection[int]) -> None:
        """Draw objects on a frame as they are in (Y, X) labels, with their scores; all others keep their pixels."""
        ids = [*object_ids]
        self._touch(frame)
        self.labels.widen(label_dtype(ids))
        drawn = self.labels[frame]
        drawn[np.isin(drawn, ids)] = 0
        taken = np.isin(image, ids) & (drawn == 0)
        drawn[taken] = image[taken]
        self.labels.set(frame, drawn)
        measured = measure(self.labels.runs(frame))
        for object_id in ids:
            self.scores.remove_frames([frame], object_id)
        self.put_rows(row.measured(measured.get(row.object_id, Measures())) for row in rows if row.object_id in ids)

    def remove_object(self, object_id: int) -> list[int]:
        """Remove an object everywhere; return the frames on which it was drawn."""
        drawn = self.frames_of(object_id)
        for frame in {*drawn, *(row.frame for row in self.scores if row.object_id == object_id)}:
            self._touch(frame)
        self.labels.remove_object(object_id)
        self.scores.remove_object(object_id)
        return drawn

    def frames_of(self, object_id: int) -> list[int]:
        """List the frames on which an object is drawn."""
        return [frame for frame in self.labels.frames_done if object_id in self.labels.object_ids(frame)]

    def relabel(self, frame: int, new_ids: Mapping[int, int]) -> None:
        """Give objects other ids on a frame; 0 erases one, and of two that become one the larger has the score."""
        earlier = self.on_frame(frame)
        if not new_ids.keys() & {*self.labels.object_ids(frame), *(row.object_id for row in earlier.rows)}:
            return
        self.labels.widen(label_dtype(new_ids.values()))
        runs = self.labels.runs(frame).relabelled(new_ids, self.labels.dtype)
        measured = measure(runs)
        rows: dict[int, ScoreRow] = {}
        drawn = set[int]()
        for row in sorted(earlier.rows, key=lambda row: row.area):
            if object_id := new_ids.get(row.object_id, row.object_id):
                # What a person has accepted is not what two are together.
                is_alone = object_id not in drawn
                drawn |= {object_id} if row.area else set()
                taken = replace(row, object_id=object_id, accepted=row.accepted and is_alone)
                rows[object_id] = taken.measured(measured.get(object_id, Measures()))
        labels = None if earlier.labels is None else PackedFrame.pack(runs)
        self.put_back(frame, FrameOutputs(labels, tuple(rows.values())))

    def mask(self, frame: int, object_id: int) -> NDArray[np.bool_] | None:
        """(Y, X) mask of an object as drawn on a frame, ``None`` where it has no pixels."""
        if object_id not in self.labels.object_ids(frame):
            return None
        drawn: NDArray[np.bool_] = self.labels[frame] == object_id
        return drawn

    def _measure_again(self, frame: int, object_ids: Iterable[int], measured: dict[int, Measures]) -> None:
        """Measure objects again that lost pixels to another one, or got them back; their scores stay."""
        rows = [self.scores.get(frame, object_id) for object_id in object_ids]
        self.put_rows([row.measured(measured.get(row.object_id, Measures())) for row in rows if row is not None])

    def put_rows(self, rows: Iterable[ScoreRow]) -> None:
        """Put rows of scores in place of those there are."""
        for row in rows:
            if self.scores.get(row.frame, row.object_id) != row:
                self._touch(row.frame)
                self.scores.put(row)
