"""Results of one stack for the user interface: scores, stale and accepted frames, doubtful frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.scores import Measures, ScoreRow, ScoreTable
from napari_sam2.plugin.worker.messages import AcceptedFrame, State

from .division_queue import DivisionQueue
from .review import Review

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2.plugin.worker.messages import FrameUpdate
    from napari_sam2.session.population.proposed_divisions import DivisionProposal

DOUBTS = {
    "score": "lowest confidence",
    "iou": "lowest shape quality",
    "area": "sudden change of area",
}
# Scores that are kept as curves over the frames.
COLUMNS = ("object_score", "predicted_iou", "area")


def stretches(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])).astype(int)))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


class ResultStore:
    """Scores by object and frame, and which frames are prompted, stale and accepted.

    A copy of what the session has, which only the GUI thread uses. ``shape`` is (T, Y, X) of the stack; ``origin``
    (y, x) is where it begins on the planes, as a region does not begin in their corner. ``n_planes`` are those of a
    volume, where frames are the planes of volumes over time.
    """

    def __init__(
        self, shape: tuple[int, int, int], origin: tuple[int, int] = (0, 0), *, n_planes: int | None = None
    ) -> None:
        self.shape = shape
        self.origin = origin
        self.n_planes = n_planes
        self.table = ScoreTable()
        self.state = State()
        # Labels of frames on which all is accepted, to learn from; and of whatever objects are accepted on any frame.
        self.accepted = LabelStack(shape, np.uint32)
        self._locked = LabelStack(shape, np.uint32)
        # By object, (3, n_frames) of `COLUMNS`, NaN where there is no result.
        self._series: dict[int, NDArray[np.float64]] = {}
        # By object, frames whose result is of an earlier session: another model, window or zoom.
        self._outdated: dict[int, set[int]] = {}
        # By frame, pixels of the parts that each object is drawn in, the largest first.
        self._pieces: dict[int, dict[int, tuple[int, ...]]] = {}
        self.divisions = DivisionQueue()
        # By object, how often its rows have changed.
        self.revisions: Counter[int] = Counter()
        self.review = Review(self)
        # What `scores` gave last, and the frames that have changed since.
        self._scores: pd.DataFrame | None = None
        self._changed: set[int] = set()

    @property
    def n_frames(self) -> int:
        """Length of the stack."""
        return self.shape[0]

    @property
    def object_ids(self) -> list[int]:
        """Objects with a score or a prompt, rising."""
        scored = (i for i, values in self._series.items() if not np.isnan(values[0]).all())
        return sorted({*scored, *self.state.prompted})

    def take(self, update: FrameUpdate) -> None:
        """Replace what is known of a frame."""
        frame = update.frame
        self._changed.add(frame)
        self._pieces[frame] = dict(update.pieces)
        # Objects that are no longer on the frame lose their scores there, before the others get theirs.
        for object_id, values in self._series.items():
            if object_id not in update.rows and not np.isnan(values[0, frame]):
                self.table.remove_frames([frame], object_id)
                values[:, frame] = np.nan
                self.revisions[object_id] += 1
        for row in update.rows.values():
            self.table.put(row)
            self.revisions[row.object_id] += 1
            values = self._series.setdefault(row.object_id, np.full((len(COLUMNS), self.n_frames), np.nan))
            values[:, frame] = [getattr(row, column) for column in COLUMNS]
        for frames in self._outdated.values():
            frames.discard(frame)
        # The user has accepted labels, not a frame: other ones have to be accepted again.
        accepted = [row.object_id for row in update.rows.values() if row.accepted]
        for stack in (self.accepted, self._locked):
            stack.remove_frames([frame])
        if accepted:
            self._locked.set(frame, np.where(np.isin(update.image, accepted), update.image, 0).astype(np.uint32))
        if accepted and len(accepted) == len(update.rows):
            self.accepted.set(frame, update.image)

    def rows_of(self, object_id: int) -> list[ScoreRow]:
        """The rows of an object, by frame, rising."""
        values = self._series.get(object_id)
        known = () if values is None else np.flatnonzero(~np.isnan(values[0])).tolist()
        return [row for frame in known if (row := self.table.get(frame, object_id)) is not None]

    def scores(self) -> pd.DataFrame:
        """All scores as a data frame, a new one each time; only rows of frames that have changed are made anew."""
        import pandas as pd

        columns = self.table.columns
        if self._scores is not None and tuple(self._scores.columns) != columns:
            # More is told than before, of all rows.
            self._scores, self._changed = None, {row.frame for row in self.table}
        found = (self.table.get(frame, object_id) for frame in self._changed for object_id in self._series)
        fresh = ScoreTable(row for row in found if row is not None).to_pandas(columns)
        if self._scores is not None:
            kept = self._scores[~self._scores["frame"].isin(self._changed)]
            parts = [part for part in (kept, fresh) if len(part)]
            fresh = pd.concat(parts).sort_values(["frame", "object"], ignore_index=True) if parts else fresh
        self._scores, self._changed = fresh, set()
        table = fresh.copy()
        if self.n_planes:
            table.insert(1, "t", table["frame"] // self.n_planes)
            table.insert(2, "z", table["frame"] % self.n_planes)
        return table

    def forget_accepted(self) -> None:
        """Withdraw the acceptance of all frames."""
        for row in [row for row in self.table if row.accepted]:
            self.table.put(replace(row, accepted=False))
            self.revisions[row.object_id] += 1
        for stack in (self.accepted, self._locked):
            stack.remove_frames(stack.frames_done)

    def locked(self) -> list[AcceptedFrame]:
        """What the user has accepted, as another session can take it over."""
        found = []
        for frame in self._locked.frames_done:
            rows = [row for row in self.table.on_frame(frame) if row.accepted]
            scores = {row.object_id: (row.object_score, row.predicted_iou) for row in rows}
            made = {row.object_id: row.made for row in rows if row.made is not None}
            found.append(AcceptedFrame(frame, self._locked[frame], scores, made))
        return found

    def is_locked(self, frame: int, object_id: int) -> bool:
        """Whether the user has called an object right on a frame."""
        row = self.table.get(frame, object_id)
        return self.is_accepted(frame) or (row is not None and row.accepted)

    def locks(self, object_id: int) -> NDArray[np.bool_]:
        """(n_frames,) True where the user has called an object right."""
        return self.marks({*self.accepted.frames_done, *self.table.accepted(object_id)})

    def outdate(self) -> None:
        """Keep all scores as results of a session that is gone, out of date until they are tracked again."""
        self.state = State()
        for object_id, values in self._series.items():
            self._outdated[object_id] = {int(t) for t in np.flatnonzero(~np.isnan(values[0]))}

    @property
    def is_outdated(self) -> bool:
        """Whether there are results of a session that is gone."""
        return any(self._outdated.values())

    @property
    def is_any(self) -> bool:
        """Whether there is a result on any frame."""
        return any(not np.isnan(values[0]).all() for values in self._series.values())

    def n_known(self, object_id: int) -> int:
        """Number of frames with a result of an object."""
        values = self._series.get(object_id)
        return 0 if values is None else int(np.count_nonzero(~np.isnan(values[0])))

    def is_known(self, frame: int) -> bool:
        """Whether there is a result on a frame."""
        return any(not np.isnan(values[0, frame]) for values in self._series.values())

    def is_accepted(self, frame: int) -> bool:
        """Whether the user has called a frame right."""
        return frame in self.accepted.frames_done

    def series(self, object_id: int, column: str) -> NDArray[np.float64]:
        """(n_frames,) of ``object_score``, ``predicted_iou`` or ``area``; NaN where there is no result."""
        values = self._series.get(object_id)
        return np.full(self.n_frames, np.nan) if values is None else values[COLUMNS.index(column)].copy()

    def marks(self, frames: Iterable[int]) -> NDArray[np.bool_]:
        """(n_frames,) True at the frames given."""
        marked = np.zeros(self.n_frames, bool)
        marked[list(frames)] = True
        return marked

    def stale(self, object_id: int) -> NDArray[np.bool_]:
        """(n_frames,) True where an object is out of date."""
        marked = self.marks(self._outdated.get(object_id, ()))
        marked[self.state.stale.get(object_id, [])] = True
        return marked

    def stale_frames(self) -> list[int]:
        """Frames on which any object is out of date."""
        stale = np.any([self.stale(i) for i in {*self.state.stale, *self._outdated}], axis=0)
        return np.flatnonzero(stale).tolist()

    def summary(self, object_id: int, threshold: float) -> dict[str, Any]:
        """Describe an object in a row: how sure, how often, from when to when it is seen."""
        scores = self.series(object_id, "object_score")
        known = ~np.isnan(scores)
        seen = np.flatnonzero(known & (scores >= threshold))
        hidden = stretches(known & (scores < threshold))
        return {
            "mean_score": round(float(scores[known].mean()), 3) if known.any() else np.nan,
            "lowest_score": round(float(scores[known].min()), 3) if known.any() else np.nan,
            "frames_seen": len(seen),
            "first_frame": int(seen[0]) if len(seen) else -1,
            "last_frame": int(seen[-1]) if len(seen) else -1,
            "hidden": ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in hidden),
        }

    def centres(self, object_id: int) -> NDArray[np.float64]:
        """(n_frames, 2) rows (y, x) of an object's centre; NaN where it is not drawn."""
        return self._measured(object_id, "centroid", 2)

    def boxes(self, object_id: int) -> NDArray[np.float64]:
        """(n_frames, 4) rows (y0, x0, y1, x1), the ends excluded; NaN where an object is not drawn."""
        return self._measured(object_id, "bbox", 4)

    def pieces(self, object_id: int) -> NDArray[np.float64]:
        """(n_frames,) parts that an object is drawn in; NaN where it is not drawn or they were not counted."""
        counts = np.full(self.n_frames, np.nan)
        for frame, pieces in self._pieces.items():
            if object_id in pieces:
                counts[frame] = len(pieces[object_id])
        return counts

    def find_divisions(self) -> None:
        """Find out which divisions the tracks suggest."""
        from napari_sam2.session.population.proposed_divisions import DrawnObject

        measures: dict[int, dict[int, Measures]] = {}
        for row in self.table:
            if row.area:
                measures.setdefault(row.object_id, {})[row.frame] = Measures(row.area, row.centroid, row.bbox)
        # What is out of date says nothing: a daughter is drawn with her sister until she is tracked again.
        stale = {object_id: self.stale(object_id) for object_id in measures}
        pieces = {
            i: {t: self._pieces.get(t, {}).get(i, ()) for t in found if not stale[i][t]}
            for i, found in measures.items()
        }
        drawn = {i: DrawnObject(found, pieces[i]) for i, found in measures.items()}
        self.divisions.look(drawn, self.state.parents)

    @property
    def open_divisions(self) -> list[DivisionProposal]:
        """Divisions that are proposed and that nobody has answered."""
        # Asked with every step of the slider, and mostly there is none.
        if not self.divisions.is_any:
            return []
        return self.divisions.open(self.object_ids, self.state.parents, self.state.refused)

    def division_on(self, frame: int, selected: int) -> DivisionProposal | None:
        """What is proposed on a frame, of the selected object first."""
        here = [one for one in self.open_divisions if one.frame == frame]
        return min(here, key=lambda one: one.mother != selected, default=None)

    def life(self, object_id: int) -> tuple[int, int] | None:
        """First and last frame on which an object is drawn; None where there is none."""
        drawn = np.flatnonzero(self.series(object_id, "area") > 0)
        return (int(drawn[0]), int(drawn[-1])) if len(drawn) else None

    def _measured(self, object_id: int, name: str, length: int) -> NDArray[np.float64]:
        values = np.full((self.n_frames, length), np.nan)
        for frame in range(self.n_frames):
            row = self.table.get(frame, object_id)
            if row is not None and getattr(row, name) is not None:
                values[frame] = getattr(row, name)
        return values

    def doubtful(self, object_id: int, kind: str) -> list[int]:
        """Frames with a result, the most doubtful first."""
        if kind == "area":
            doubt = self._area_jumps(object_id)
        else:
            doubt = -self.series(object_id, {"score": "object_score", "iou": "predicted_iou"}[kind])
        known = np.flatnonzero(~np.isnan(doubt))
        return [int(t) for t in known[np.argsort(-doubt[known], kind="stable")]]

    def _area_jumps(self, object_id: int) -> NDArray[np.float64]:
        area = self.series(object_id, "area")
        jumps = np.full(self.n_frames, np.nan)
        # Ratios, so that small objects count as much as large ones; +1 keeps an empty mask finite.
        jumps[1:] = self.within_volumes(np.abs(np.diff(np.log(area + 1))))
        return jumps

    def within_volumes(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Leave out, as NaN, the changes from one frame to the next that lead from a volume to another."""
        if self.n_planes:
            changes[self.n_planes - 1 :: self.n_planes] = np.nan
        return changes
