"""Scores and measurements: one row per object and frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

SCORE_COLUMNS = (
    "frame",
    "object",
    "object_score",
    "predicted_iou",
    "area",
    "centroid_y",
    "centroid_x",
    "bbox_y0",
    "bbox_x0",
    "bbox_y1",
    "bbox_x1",
)


@dataclass(frozen=True)
class ScoreRow:
    """What is known about one object on one frame.

    Attributes
    ----------
    frame : int
        Index of the frame.
    object_id : int
        Label of the object.
    object_score : float
        Probability (0 to 1) that the object is there at all.
    predicted_iou : float
        The model's own estimate of its mask's overlap with the true one.
    area : int
        Pixels of the mask.
    centroid : tuple of float or None
        (y, x) in data pixels; None for an empty mask.
    bbox : tuple of int or None
        (y0, x0, y1, x1), the ends excluded; None for an empty mask.
    """

    frame: int
    object_id: int
    object_score: float
    predicted_iou: float
    area: int = 0
    centroid: tuple[float, float] | None = None
    bbox: tuple[int, int, int, int] | None = None

    @classmethod
    def from_mask(cls, frame: int, object_id: int, *, scores: tuple[float, float], mask: NDArray[np.bool_]) -> ScoreRow:
        """Measure a mask.

        Parameters
        ----------
        frame, object_id : int
            Which frame and object.
        scores : tuple of float
            Object score and predicted IoU.
        mask : ndarray
            (Y, X) bool.

        Returns
        -------
        ScoreRow
            With area, centroid and bounding box filled in.
        """
        said = int(frame), int(object_id), float(scores[0]), float(scores[1])
        per_row, per_column = mask.sum(axis=1), mask.sum(axis=0)
        area = int(per_row.sum())
        if area == 0:
            return cls(*said)
        rows, columns = np.flatnonzero(per_row), np.flatnonzero(per_column)
        centroid = tuple(float(sums @ np.arange(sums.size)) / area for sums in (per_row, per_column))
        bbox = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        return cls(*said, area, (centroid[0], centroid[1]), bbox)

    def moved(self, frame: int) -> ScoreRow:
        """Give the same row for another frame."""
        return replace(self, frame=frame)

    def values(self) -> tuple[float | int | None, ...]:
        """Give the row's values in the order of `SCORE_COLUMNS`."""
        centroid = self.centroid or (None, None)
        bbox = self.bbox or (None, None, None, None)
        scores = (self.object_score, self.predicted_iou)
        return (self.frame, self.object_id, *scores, self.area, *centroid, *bbox)


class ScoreTable:
    """Scores with one row per object and frame, iterated by frame, then object."""

    def __init__(self, rows: Iterable[ScoreRow] = ()) -> None:
        self._rows: dict[tuple[int, int], ScoreRow] = {}
        for row in rows:
            self.put(row)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ScoreRow]:
        return (self._rows[key] for key in sorted(self._rows))

    def copy(self) -> ScoreTable:
        """Give a table of the same rows, which are shared."""
        table = ScoreTable()
        table._rows = self._rows.copy()
        return table

    @property
    def object_ids(self) -> list[int]:
        """The objects that have a row, in rising order."""
        return sorted({object_id for _, object_id in self._rows})

    def get(self, frame: int, object_id: int) -> ScoreRow | None:
        """Look up one row.

        Parameters
        ----------
        frame, object_id : int
            Which one.

        Returns
        -------
        ScoreRow or None
            None where there is none.
        """
        return self._rows.get((frame, object_id))

    def put(self, row: ScoreRow) -> None:
        """Add a row, in place of an earlier one about the same object and frame.

        Parameters
        ----------
        row : ScoreRow
            The row.
        """
        self._rows[row.frame, row.object_id] = row

    def remove_object(self, object_id: int) -> None:
        """Remove an object's rows.

        Parameters
        ----------
        object_id : int
            Its label.
        """
        self._rows = {key: row for key, row in self._rows.items() if key[1] != object_id}

    def remove_frames(self, frames: Iterable[int], object_id: int | None = None) -> None:
        """Remove the rows of some frames.

        Parameters
        ----------
        frames : iterable of int
            Their indices.
        object_id : int, optional
            Only this object's rows.
        """
        gone = set(frames)
        self._rows = {
            key: row
            for key, row in self._rows.items()
            if key[0] not in gone or (object_id is not None and key[1] != object_id)
        }

    def to_pandas(self) -> pd.DataFrame:
        """Make a data frame.

        Returns
        -------
        pandas.DataFrame
            With the columns of `SCORE_COLUMNS`; centroid and box are missing where a mask is empty.
        """
        import pandas as pd

        table = pd.DataFrame([row.values() for row in self], columns=list(SCORE_COLUMNS))
        kinds = dict.fromkeys(SCORE_COLUMNS, "float64") | dict.fromkeys(("frame", "object", "area"), "int64")
        # pandas' own integer type, which can be missing.
        return table.astype(kinds | {name: "Int64" for name in SCORE_COLUMNS if name.startswith("bbox")})
