"""Storage of label images as runs of labels: compressed in memory, or in a zarr array on disk."""

from __future__ import annotations

import math
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import DTypeLike, NDArray

# Sides of the zarr's chunks: a label image of this size is read and written in one go.
_CHUNK = 2048


def bounding_box(image: NDArray[Any]) -> tuple[slice, slice]:
    """Rows and columns around all pixels that are not 0; empty slices where there are none."""
    # Columns are searched within the band of rows only, which is most often a small part of the image.
    rows = np.flatnonzero(image.any(axis=1))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(image[band].any(axis=0))
    return band, slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """A label image as its runs of equal labels along the rows, in reading order; background has none."""

    # (N,) index of each run's first pixel in the flattened image.
    starts: NDArray[np.int64]
    # (N,) pixels of each; a run ends with its row at the latest.
    lengths: NDArray[np.int64]
    # (N,) labels.
    values: NDArray[Any]
    # (Y, X) of the image.
    shape: tuple[int, int]

    @classmethod
    def of(cls, image: NDArray[Any]) -> LabelRuns:
        """Find the runs of a (Y, X) label image."""
        flat = image.ravel()
        # A run begins at the first pixel, wherever the label changes, and with every row.
        begins = np.ones(flat.size, bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[:: image.shape[1]] = True
        starts = np.flatnonzero(begins)
        values, lengths = flat[starts], np.diff(starts, append=flat.size)
        # Background is most of an image and follows from the runs.
        labelled = values != 0
        return cls(starts[labelled], lengths[labelled], values[labelled], (image.shape[0], image.shape[1]))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The labels, rising."""
        return tuple(np.unique(self.values).tolist())

    def only(self, kept: NDArray[np.bool_]) -> LabelRuns:
        """Turn the runs where (N,) `kept` is False into background."""
        return LabelRuns(self.starts[kept], self.lengths[kept], self.values[kept], self.shape)

    def relabelled(self, new_ids: Mapping[int, int], dtype: DTypeLike) -> LabelRuns:
        """Give labels other ones, or 0 for background; of a type that holds them."""
        values = self.values.astype(dtype)
        for old, new in new_ids.items():
            values[self.values == old] = new
        kept = replace(self, values=values).only(values != 0)
        # Two objects that became one may touch in a row: their runs are one, too.
        ends = kept.starts + kept.lengths
        goes_on = (kept.starts[1:] == ends[:-1]) & (kept.values[1:] == kept.values[:-1])
        goes_on &= kept.starts[1:] % self.shape[1] != 0
        firsts = np.flatnonzero(np.append(True, ~goes_on)[: kept.starts.size])
        lengths = np.add.reduceat(kept.lengths, firsts) if firsts.size else kept.lengths
        return LabelRuns(kept.starts[firsts], lengths, kept.values[firsts], self.shape)

    def astype(self, dtype: DTypeLike) -> LabelRuns:
        """Return the same runs with labels of another type."""
        return replace(self, values=self.values.astype(dtype, copy=False))

    def image(self) -> NDArray[Any]:
        """Return the (Y, X) label image, the caller's to change."""
        # Background and runs take turns, and background comes last.
        values = np.zeros(2 * self.starts.size + 1, self.values.dtype)
        values[1::2] = self.values
        ends = np.stack((self.starts, self.starts + self.lengths), axis=1).ravel()
        return np.repeat(values, np.diff(ends, prepend=0, append=math.prod(self.shape))).reshape(self.shape)


@dataclass(frozen=True)
class PackedFrame:
    """A compressed label image."""

    # zlib of its runs: distances from each start to the next, the lengths (both uint32) and the labels.
    data: bytes
    # Number of runs.
    count: int
    # (Y, X) of the image.
    shape: tuple[int, int]
    # Type of the labels.
    dtype: np.dtype[Any]

    @classmethod
    def pack(cls, runs: LabelRuns) -> PackedFrame:
        """Compress the runs of a label image."""
        # The runs of a row are much like those of the row before: the fastest level already shrinks them tenfold.
        # Distances between starts are small numbers that repeat from row to row; starts themselves never repeat.
        numbers = np.concatenate((np.diff(runs.starts, prepend=0), runs.lengths)).astype(np.uint32)
        data = zlib.compress(numbers.tobytes() + runs.values.tobytes(), 1)
        return cls(data, runs.starts.size, runs.shape, runs.values.dtype)

    @property
    def nbytes_unpacked(self) -> int:
        """Bytes of the runs before they were compressed."""
        return self.count * (2 * np.dtype(np.uint32).itemsize + self.dtype.itemsize)

    def unpack(self) -> LabelRuns:
        """Return the runs."""
        data = zlib.decompress(self.data)
        steps, lengths = np.frombuffer(data, np.uint32, 2 * self.count).astype(np.int64).reshape(2, self.count)
        values = np.frombuffer(data, self.dtype, self.count, offset=steps.size * 2 * np.dtype(np.uint32).itemsize)
        return LabelRuns(np.cumsum(steps), lengths, values, self.shape)


class LabelFrames(Protocol):
    """Label images by frame; what was never written is not asked for."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the images take."""

    def read(self, frame: int) -> NDArray[Any]:
        """Return the (Y, X) image of a frame, the caller's to change."""

    def packed(self, frame: int) -> PackedFrame:
        """Return the image of a frame compressed."""

    def runs(self, frame: int) -> LabelRuns:
        """Return the image of a frame as its runs."""

    def write(self, frame: int, runs: LabelRuns) -> None:
        """Store the image of a frame."""

    def remove(self, frame: int) -> None:
        """Forget the image of a frame."""

    def emptied(self) -> Self:
        """Return a place of the same kind without any image; where there can be only one, it is this one."""

    def put_back(self, frame: int, packed: PackedFrame) -> None:
        """Store an image that `packed` returned."""


class MemoryFrames:
    """Label images compressed in memory."""

    def __init__(self) -> None:
        self._packed: dict[int, PackedFrame] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of the compressed images."""
        return sum(len(packed.data) for packed in self._packed.values())

    def read(self, frame: int) -> NDArray[Any]:
        """Uncompress a frame."""
        return self.runs(frame).image()

    def runs(self, frame: int) -> LabelRuns:
        """Uncompress the runs of a frame."""
        return self._packed[frame].unpack()

    def packed(self, frame: int) -> PackedFrame:
        """Return a frame as it is."""
        return self._packed[frame]

    def write(self, frame: int, runs: LabelRuns) -> None:
        """Compress a frame."""
        self._packed[frame] = PackedFrame.pack(runs)

    def remove(self, frame: int) -> None:
        """Forget a frame."""
        self._packed.pop(frame, None)

    def emptied(self) -> MemoryFrames:
        """Make an empty one."""
        return MemoryFrames()

    def put_back(self, frame: int, packed: PackedFrame) -> None:
        """Share a compressed image, which is never changed."""
        self._packed[frame] = packed


class ZarrFrames:
    """Label images in a new zarr array on disk, (T, Y, X) uint32, a chunk or more for each frame."""

    def __init__(self, folder: str | os.PathLike[str], shape: tuple[int, int, int]) -> None:
        zarr = load_extra("zarr", "keeping labels on disk")
        self.folder = Path(folder)
        # zarr would write into somebody's folder without a word.
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f"labels go to a new folder, but {self.folder} is there already: name another one")
        chunks = (1, *(min(size, _CHUNK) for size in shape[1:]))
        # Always the wide type, so that a large id that comes late fits.
        self._array: Any = zarr.create_array(
            store=str(self.folder), shape=shape, chunks=chunks, dtype="uint32", fill_value=0
        )
        # Frames that are not all background.
        self._written: set[int] = set()

    @property
    def nbytes(self) -> int:
        """0, because the images are on disk."""
        return 0

    def read(self, frame: int) -> NDArray[Any]:
        """Read a frame."""
        return np.array(self._array[frame])

    def runs(self, frame: int) -> LabelRuns:
        """Read a frame and find its runs."""
        return LabelRuns.of(self.read(frame))

    def packed(self, frame: int) -> PackedFrame:
        """Compress a frame."""
        return PackedFrame.pack(self.runs(frame))

    def write(self, frame: int, runs: LabelRuns) -> None:
        """Write a frame."""
        self._written.add(frame)
        self._array[frame] = runs.image()

    def remove(self, frame: int) -> None:
        """Turn a frame into background, which takes no place on disk."""
        # zarr leaves out chunks that hold only the fill value.
        if frame in self._written:
            self.write(frame, LabelRuns.of(np.zeros(self._array.shape[1:], np.uint32)))
            self._written.discard(frame)

    def emptied(self) -> ZarrFrames:
        """Turn all frames into background."""
        for frame in sorted(self._written):
            self.remove(frame)
        return self

    def put_back(self, frame: int, packed: PackedFrame) -> None:
        """Write an image."""
        self.write(frame, packed.unpack())
