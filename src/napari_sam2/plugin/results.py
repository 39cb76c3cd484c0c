"""What the user interface knows of a session's results, and which frames deserve a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.scores import ScoreTable

from .messages import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .messages import FrameUpdate

DOUBTS = {
    "score": "lowest object score",
    "iou": "lowest predicted IoU",
    "area": "sudden change of area",
}


def stretches(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])).astype(int)))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


class Results:
    """Scores by object and frame, and what is prompted and stale; a copy that only the GUI thread touches.

    Parameters
    ----------
    n_frames : int
        Length of the stack.
    """

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        self.table = ScoreTable()
        self.state = State()

    @property
    def object_ids(self) -> list[int]:
        """Objects with a score or a prompt, rising."""
        return sorted({*self.table.object_ids, *self.state.prompted})

    def take(self, update: FrameUpdate, known: Iterable[int]) -> None:
        """Replace what is known of a frame."""
        for object_id in known:
            if object_id not in update.rows:
                self.table.remove_frames([update.frame], object_id)
        for row in update.rows.values():
            self.table.put(row)

    def series(self, object_id: int, column: str) -> NDArray[np.float64]:
        """(n_frames,) of ``object_score``, ``predicted_iou`` or ``area``; NaN where there is no result."""
        values = np.full(self.n_frames, np.nan)
        for frame in range(self.n_frames):
            row = self.table.get(frame, object_id)
            if row is not None:
                values[frame] = getattr(row, column)
        return values

    def marks(self, frames: Iterable[int]) -> NDArray[np.bool_]:
        """(n_frames,) True at the frames given."""
        marked = np.zeros(self.n_frames, bool)
        marked[list(frames)] = True
        return marked

    def stale_frames(self) -> list[int]:
        """Frames on which any object is out of date."""
        return sorted({t for frames in self.state.stale.values() for t in frames})

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

    def doubtful(self, object_id: int, kind: str) -> list[int]:
        """Frames with a result, the most doubtful first.

        Parameters
        ----------
        object_id : int
            Which object.
        kind : str
            One of `DOUBTS`.
        """
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
        jumps[1:] = np.abs(np.diff(np.log(area + 1)))
        return jumps
