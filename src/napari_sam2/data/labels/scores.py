"""Scores and measurements of objects, one row per object and frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .label_storage import LabelRuns
from .provenance import Provenance, Replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    import pandas as pd
    from numpy.typing import NDArray

# Columns of scores.csv; a public format, so names and order stay.
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
# One more where a person has accepted something: 1 or 0. Files without accepted frames are as they always were.
ACCEPTED = "accepted"
# More where it is known how masks came about: see `SOURCES`; whether it replaces what a model had made; the model, the
# hash of its file and the memory rule; and the expected overlap with the true mask.
PROVENANCE_COLUMNS = ("source", "corrected", "model", "model_sha256", "memory", "expected_j")


def disc_diameter(pixels: float) -> float:
    """Diameter of the disc with so many pixels."""
    return 2 * math.sqrt(pixels / math.pi)


class Measures(NamedTuple):
    """Area, centroid and bounding box of a mask, as in `ScoreRow`."""

    area: int = 0
    centroid: tuple[float, float] | None = None
    bbox: tuple[int, int, int, int] | None = None

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns of the bounding box; empty for an empty mask."""
        y0, x0, y1, x1 = self.bbox or (0, 0, 0, 0)
        return slice(y0, y1), slice(x0, x1)


def measure(runs: LabelRuns) -> dict[int, Measures]:
    """Measure all objects of a label image in one pass over its runs.

    Parameters
    ----------
    runs : LabelRuns
        Of the image.

    Returns
    -------
    dict
        `Measures` by object id, of those that have pixels.
    """
    # `index` maps each run to its object, so that sums over runs are one bincount for all objects.
    object_ids, firsts, index = np.unique(runs.values, return_index=True, return_inverse=True)
    rows, columns = np.divmod(runs.starts, runs.shape[1])

    def total(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        # In float64, which holds these whole numbers exactly.
        return np.bincount(index, weights=weights, minlength=object_ids.size).astype(np.float64, copy=False)

    areas = total(runs.lengths)
    # All pixels of a run have one row; their columns average to the middle of the run.
    y = total(runs.lengths * rows) / areas
    x = total(runs.lengths * (2 * columns + runs.lengths - 1)) / 2 / areas
    # Runs come in reading order: the first and the last of an object are in its first and last row.
    lasts = np.zeros_like(firsts)
    lasts[index] = np.arange(index.size)
    # Columns have no such order, so they take a minimum and a maximum over the runs.
    lefts, rights = np.full_like(firsts, runs.shape[1]), np.zeros_like(firsts)
    np.minimum.at(lefts, index, columns)
    np.maximum.at(rights, index, columns + runs.lengths)
    boxes = np.stack((rows[firsts], lefts, rows[lasts] + 1, rights), axis=1)
    table = zip(object_ids.tolist(), areas.tolist(), y.tolist(), x.tolist(), boxes.tolist(), strict=True)
    return {i: Measures(int(area), (y, x), (box[0], box[1], box[2], box[3])) for i, area, y, x, box in table}


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
    accepted : bool
        Whether a person has called the mask right; nothing but a person changes it then.
    sharpness : float or None
        How clearly the model draws the outline, 0 to 1: IoU of the masks at logits 1 and -1. None where it did not draw
        it. Kept in sessions, not in tables.
    made : Provenance or None
        How the mask came about; None where nobody knows.
    replaced : Replaced or None
        What a person has replaced. Kept in sessions, not in tables.
    expected_j : float or None
        Expected overlap with the true mask; None before `napari_sam2.session.quality` has estimated it.
    """

    frame: int
    object_id: int
    object_score: float
    predicted_iou: float
    area: int = 0
    centroid: tuple[float, float] | None = None
    bbox: tuple[int, int, int, int] | None = None
    accepted: bool = False
    sharpness: float | None = None
    made: Provenance | None = None
    replaced: Replaced | None = None
    expected_j: float | None = None

    @classmethod
    def from_mask(cls, frame: int, object_id: int, *, scores: tuple[float, float], mask: NDArray[np.bool_]) -> ScoreRow:
        """Measure one object by its mask; `measure` does all objects of a label image at once.

        Parameters
        ----------
        frame, object_id : int
            Which object, where.
        scores : tuple of float
            Object score and predicted IoU.
        mask : ndarray
            (Y, X) bool.

        Returns
        -------
        ScoreRow
            Scores and measurements.
        """
        measured = measure(LabelRuns.of(mask))
        return cls(frame, object_id, *scores).measured(measured.get(True, Measures()))

    def measured(self, measures: Measures) -> ScoreRow:
        """Return the same scores with new measurements."""
        return replace(self, **measures._asdict())

    def moved(self, frame: int) -> ScoreRow:
        """Return the same row for another frame."""
        return replace(self, frame=frame)

    def values(self) -> tuple[float | int | None, ...]:
        """Return the row's values in the order of `SCORE_COLUMNS`, None for those of an empty mask."""
        centroid = self.centroid or (None, None)
        bbox = self.bbox or (None, None, None, None)
        scores = (self.object_score, self.predicted_iou)
        return (self.frame, self.object_id, *scores, self.area, *centroid, *bbox)

    def provenance(self) -> tuple[str | bool | float | None, ...]:
        """Return how the mask came about in the order of `PROVENANCE_COLUMNS`; empty where that is not known."""
        made, maker = self.made, None if self.made is None else self.made.maker
        model = ("", "", "") if maker is None else (maker.model, maker.sha256, maker.memory)
        return (*(("", False) if made is None else (made.source, made.corrected)), *model, self.expected_j)


class ScoreTable:
    """Scores with one row per object and frame, iterated by frame, then object."""

    def __init__(self, rows: Iterable[ScoreRow] = ()) -> None:
        # By frame, then object: a frame's rows are read and replaced together.
        self._rows: dict[int, dict[int, ScoreRow]] = {}
        # By object, the frames of its accepted rows.
        self._accepted: dict[int, set[int]] = {}
        # Those in which a person has replaced a mask, as (frame, object).
        self._replaced: set[tuple[int, int]] = set()
        for row in rows:
            self.put(row)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[ScoreRow]:
        return (row for frame in sorted(self._rows) for row in self.on_frame(frame))

    @property
    def object_ids(self) -> list[int]:
        """The objects that have a row, in rising order."""
        return sorted({object_id for rows in self._rows.values() for object_id in rows})

    @property
    def columns(self) -> tuple[str, ...]:
        """`SCORE_COLUMNS`; with `ACCEPTED` where a row is, and `PROVENANCE_COLUMNS` where one has a provenance."""
        accepted = (ACCEPTED,) if any(self._accepted.values()) else ()
        is_known = any(row.made is not None for rows in self._rows.values() for row in rows.values())
        return (*SCORE_COLUMNS, *accepted, *(PROVENANCE_COLUMNS if is_known else ()))

    def accepted(self, object_id: int) -> AbstractSet[int]:
        """Frames on which a person has accepted an object.

        Parameters
        ----------
        object_id : int
            Its label.

        Returns
        -------
        set of int
            It follows the table.
        """
        return self._accepted.setdefault(object_id, set())

    def on_frame(self, frame: int) -> tuple[ScoreRow, ...]:
        """Return the rows of a frame.

        Parameters
        ----------
        frame : int
            Index of the frame.

        Returns
        -------
        tuple of ScoreRow
            By object, rising.
        """
        rows = self._rows.get(frame, {})
        return tuple(rows[object_id] for object_id in sorted(rows))

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
        return self._rows.get(frame, {}).get(object_id)

    def of_object(self, object_id: int) -> list[ScoreRow]:
        """Return the rows of an object.

        Parameters
        ----------
        object_id : int
            Its label.

        Returns
        -------
        list of ScoreRow
            By frame, rising.
        """
        return [self._rows[frame][object_id] for frame in sorted(self._rows) if object_id in self._rows[frame]]

    def judged(self) -> list[ScoreRow]:
        """Return the rows of which a person has said what is right.

        Returns
        -------
        list of ScoreRow
            Accepted ones, and those in which a mask was replaced, by object, then frame.
        """
        accepted = ((object_id, frame) for object_id, frames in self._accepted.items() for frame in frames)
        places = {*accepted, *((object_id, frame) for frame, object_id in self._replaced)}
        return [self._rows[frame][object_id] for object_id, frame in sorted(places)]

    def put(self, row: ScoreRow) -> None:
        """Add a row, in place of an earlier one about the same object and frame.

        Parameters
        ----------
        row : ScoreRow
            The row.
        """
        self._rows.setdefault(row.frame, {})[row.object_id] = row
        accepted = self._accepted.setdefault(row.object_id, set())
        accepted.add(row.frame) if row.accepted else accepted.discard(row.frame)
        place = row.frame, row.object_id
        self._replaced.discard(place) if row.replaced is None else self._replaced.add(place)

    def remove_object(self, object_id: int) -> None:
        """Remove an object's rows.

        Parameters
        ----------
        object_id : int
            Its label.
        """
        self.remove_frames(list(self._rows), object_id)

    def remove_frames(self, frames: Iterable[int], object_id: int | None = None) -> None:
        """Remove the rows of some frames.

        Parameters
        ----------
        frames : iterable of int
            Their indices.
        object_id : int, optional
            Only this object's rows.
        """
        for frame in frames:
            rows = self._rows.get(frame, {})
            for gone in [object_id] if object_id is not None else list(rows):
                rows.pop(gone, None)
                self._accepted.get(gone, set()).discard(frame)
                self._replaced.discard((frame, gone))
            if not rows:
                self._rows.pop(frame, None)

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Make a data frame.

        Parameters
        ----------
        columns : sequence of str, optional
            Those it is to have; where not given, all of `columns` but who made what, so that all are numbers.

        Returns
        -------
        pandas.DataFrame
            With centroid and box missing where a mask is empty.
        """
        # pandas takes a second to import, and few need it.
        import pandas as pd

        columns = [one for one in self.columns if one not in PROVENANCE_COLUMNS] if columns is None else columns
        table = pd.DataFrame([row.values() for row in self], columns=list(SCORE_COLUMNS))
        kinds = dict.fromkeys(SCORE_COLUMNS, "float64") | dict.fromkeys(("frame", "object", "area"), "int64")
        # pandas' own integer type, which can be missing.
        table = table.astype(kinds | {name: "Int64" for name in SCORE_COLUMNS if name.startswith("bbox")})
        if ACCEPTED in columns:
            table[ACCEPTED] = [row.accepted for row in self]
        if PROVENANCE_COLUMNS[0] in columns:
            made = pd.DataFrame([row.provenance() for row in self], columns=list(PROVENANCE_COLUMNS))
            table = table.join(made.astype({"corrected": bool, "expected_j": "float64"}))
        return table
