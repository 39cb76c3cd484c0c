"""Labels and scores of a time-lapse of volumes, stored volume by volume in memory or as files in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.formats.tiff_and_tables import read_scores_csv, write_labels_tiff, write_scores_csv
from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_stack import LabelStack, label_dtype
from napari_sam2.data.labels.plane_labels import PlaneLabels
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.readers.open_stack import open_stack

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import DTypeLike, NDArray

    from napari_sam2.data.images.stack import Stack


class VolumeLabels:
    """Label images of volumes over time (T, Z, Y, X), with the scores of each volume.

    In a folder, volumes are the files ``time00012.tif`` and ``time00012.csv``, and those of an earlier run are found;
    without one, they are compressed in memory. ``labels[t]`` is a volume and ``numpy.asarray(labels)`` everything,
    (T, Z, Y, X). A volume that was never set reads as background.
    """

    def __init__(self, shape: tuple[int, int, int, int], *, folder: str | os.PathLike[str] | None = None) -> None:
        self.shape = shape
        self.folder = None if folder is None else Path(folder)
        # Of each volume that was set, its scores and the objects in it.
        self._scores: dict[int, ScoreTable] = {}
        self._object_ids: dict[int, list[int]] = {}
        # All volumes in memory, or the one of the folder that was read last.
        self._held: dict[int, LabelStack] = {}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._find_volumes()

    @property
    def planes(self) -> PlaneLabels:
        """The same as (T * Z, Y, X), time point by time point."""
        return PlaneLabels(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint16, or uint32 where an id takes it."""
        return label_dtype(self.object_ids)

    @property
    def scores(self) -> ScoreTable:
        """All scores; plane z of time t is frame ``t * Z + z``."""
        planes = self.shape[1]
        rows = ((time * planes, row) for time, table in sorted(self._scores.items()) for row in table)
        return ScoreTable(row.moved(first + row.frame) for first, row in rows)

    @property
    def times_done(self) -> list[int]:
        """Time points that were set, rising."""
        return sorted(self._object_ids)

    @property
    def object_ids(self) -> list[int]:
        """All objects that have pixels somewhere, rising."""
        return sorted({i for ids in self._object_ids.values() for i in ids})

    def shows(self, time: int, object_id: int) -> bool:
        """Whether an object has pixels in a volume."""
        return object_id in self._object_ids.get(time, ())

    def scores_of(self, time: int) -> ScoreTable:
        """Return the scores of a volume, with planes as frames."""
        return self._scores.get(time, ScoreTable())

    def has_rows(self, time: int, object_ids: Iterable[int]) -> bool:
        """Whether all of some objects were looked for in a volume."""
        return {*object_ids} <= {*self.scores_of(time).object_ids}

    def volume(self, time: int) -> LabelStack:
        """Fetch one volume, (Z, Y, X)."""
        if time in self._held:
            return self._held[time]
        times, *shape = self.shape
        check_frame(time, times)
        if time not in self._object_ids or self.folder is None:
            return LabelStack((shape[0], shape[1], shape[2]))
        with open_stack(self._path(time, ".tif"), axis="z") as stack:
            labels = LabelStack(stack.shape, label_dtype(self._object_ids[time]))
            for plane in range(stack.n_frames):
                labels.set(plane, stack.read(plane))
        self._held = {time: labels}
        return labels

    def set(self, time: int, labels: LabelStack, scores: ScoreTable, stack: Stack) -> None:
        """Store the (Z, Y, X) labels of a volume in place of earlier ones; files are written whole or not at all."""
        check_frame(time, self.shape[0])
        if self.folder is None:
            self._held[time] = labels
        else:
            # The scores come last: a volume without them was cut off and does not count.
            self._path(time, ".csv").unlink(missing_ok=True)
            write_labels_tiff(self._path(time, ".tif"), labels, stack, ome=True)
            write_scores_csv(self._path(time, ".csv"), scores)
            self._held = {time: labels}
        self._take(time, scores, {i for plane in labels.frames_done for i in labels.object_ids(plane)})

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, time: int) -> NDArray[Any]:
        return self.volume(time).to_array().astype(self.dtype, copy=False)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("labels are kept compressed or in files: an array of them is always a copy")
        return np.stack([self[time] for time in range(len(self))]).astype(dtype or self.dtype, copy=False)

    def _take(self, time: int, scores: ScoreTable, object_ids: Iterable[int]) -> None:
        self._scores[time] = scores
        self._object_ids[time] = sorted(object_ids)

    def _find_volumes(self) -> None:
        # A volume counts once both of its files are there.
        for time in range(self.shape[0]):
            if self._path(time, ".tif").exists() and self._path(time, ".csv").exists():
                scores = read_scores_csv(self._path(time, ".csv"))
                with open_stack(self._path(time, ".tif"), axis="z") as stack:
                    if stack.shape != self.shape[1:]:
                        raise ValueError(f"{stack.path} holds labels of {stack.shape}, not {self.shape[1:]}")
                self._take(time, scores, {row.object_id for row in scores if row.area})

    def _path(self, time: int, suffix: str) -> Path:
        assert self.folder is not None
        return self.folder / f"time{time:05}{suffix}"
