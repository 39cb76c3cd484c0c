"""The label images of a stack, stored compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_index import check_frame

from .label_storage import LabelFrames, LabelRuns, MemoryFrames, PackedFrame, ZarrFrames

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from numpy.typing import DTypeLike, NDArray


def label_dtype(object_ids: Iterable[int]) -> np.dtype[Any]:
    """Choose the type of a label image.

    Parameters
    ----------
    object_ids : iterable of int
        The ids it has to hold.

    Returns
    -------
    numpy.dtype
        uint16 where that is enough, as ImageJ reads it; else uint32.
    """
    return np.dtype(np.uint16 if max(object_ids, default=0) <= np.iinfo(np.uint16).max else np.uint32)


class LabelStack:
    """Label images of a stack, written frame by frame; stored compressed in memory, or in a zarr array on disk.

    Parameters
    ----------
    shape : tuple of int
        (T, Y, X).
    dtype : dtype-like, default: uint16
        An unsigned integer type; an image with a larger id is refused.
    folder : str or path-like, optional
        Where to make the zarr array, (T, Y, X) uint32; in memory where not given.

    Raises
    ------
    ValueError
        If the type is not unsigned, or the folder holds something already.
    MissingExtraError
        If there is to be a zarr array and zarr is not installed.

    Notes
    -----
    ``labels[t]`` is a frame, ``labels[a:b]`` and ``numpy.asarray(labels)`` are arrays of several: copies all. A frame
    that was never set reads as background and takes no memory.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: DTypeLike = np.uint16,
        *,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if np.dtype(dtype).kind != "u":
            raise ValueError(f"labels need an unsigned integer type, not {np.dtype(dtype)}")
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        # Storage knows pixels only; which frames were set, and their objects, is known here without unpacking any.
        self._frames: LabelFrames = MemoryFrames() if folder is None else ZarrFrames(folder, shape)
        # Of each frame that was set, the objects on it, rising.
        self._object_ids: dict[int, tuple[int, ...]] = {}

    @property
    def frames_done(self) -> list[int]:
        """The frames that were set, in rising order."""
        return sorted(self._object_ids)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the frames take, compressed; 0 for those on disk."""
        return self._frames.nbytes

    @property
    def largest_id(self) -> int:
        """Largest object id on any frame, 0 where there is none."""
        return max((ids[-1] for ids in self._object_ids.values() if ids), default=0)

    def __len__(self) -> int:
        return self.shape[0]

    def is_set(self, frame: int) -> bool:
        """Whether a frame was set."""
        return frame in self._object_ids

    def __getitem__(self, frame: int | slice) -> NDArray[Any]:
        if isinstance(frame, slice):
            return self._gather(range(*frame.indices(self.shape[0])))
        frame = check_frame(frame, self.shape[0])
        if frame not in self._object_ids:
            return np.zeros(self.shape[1:], self.dtype)
        return self._frames.read(frame).astype(self.dtype, copy=False)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            # NumPy 2 asks for a view this way and expects an error where there is none.
            raise ValueError("labels are kept compressed: an array of them is always a copy")
        return self.to_array().astype(dtype or self.dtype, copy=False)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[frame] for frame in range(self.shape[0]))

    def object_ids(self, frame: int) -> list[int]:
        """List the objects that have pixels on a frame.

        Parameters
        ----------
        frame : int
            Index of the frame.

        Returns
        -------
        list of int
            Rising; empty for a frame that was never set.
        """
        # From the index of objects, without unpacking the frame.
        return list(self._object_ids.get(check_frame(frame, self.shape[0]), ()))

    def packed(self, frame: int) -> PackedFrame | None:
        """Return a frame's label image compressed.

        Parameters
        ----------
        frame : int
            Index of the frame.

        Returns
        -------
        PackedFrame or None
            None for a frame that was never set.
        """
        return self._frames.packed(frame) if frame in self._object_ids else None

    def runs(self, frame: int) -> LabelRuns:
        """Return a frame as its runs of labels, which is quicker than its pixels.

        Parameters
        ----------
        frame : int
            Index of the frame.

        Returns
        -------
        LabelRuns
            Without any for a frame that was never set.
        """
        frame = check_frame(frame, self.shape[0])
        if frame not in self._object_ids:
            nothing = np.zeros(0, np.int64)
            return LabelRuns(nothing, nothing, nothing.astype(self.dtype), self.shape[1:])
        return self._frames.runs(frame).astype(self.dtype)

    def set(self, frame: int, image: NDArray[Any]) -> LabelRuns:
        """Store a frame's label image in place of what was there.

        Parameters
        ----------
        frame : int
            Index of the frame.
        image : ndarray
            (Y, X) integers, 0 for background.

        Returns
        -------
        LabelRuns
            Of the image.

        Raises
        ------
        ValueError
            If there is no such frame, the shape differs, or an id does not fit the stack's type.
        """
        frame = check_frame(frame, self.shape[0])
        # Runs are made once, for storage here and for measurements by the caller.
        runs = LabelRuns.of(check_label_image(image, self.shape[1:], self.dtype))
        self.set_runs(frame, runs)
        return runs

    def set_runs(self, frame: int, runs: LabelRuns) -> None:
        """Store a frame as runs.

        Parameters
        ----------
        frame : int
            Index of the frame.
        runs : LabelRuns
            Of this stack's shape and type, which is not checked.
        """
        self._frames.write(frame, runs)
        self._object_ids[frame] = runs.object_ids

    def widen(self, dtype: DTypeLike) -> None:
        """Allow larger ids, where the type does not hold them yet.

        Parameters
        ----------
        dtype : dtype-like
            An unsigned integer type.
        """
        # Only grows: frames that are stored may hold ids of the old type, and convert on reading.
        self.dtype = np.promote_types(self.dtype, dtype)

    def remove_frames(self, frames: Iterable[int]) -> None:
        """Forget the label images of some frames.

        Parameters
        ----------
        frames : iterable of int
            Their indices; frames that were never set are passed over.
        """
        for frame in frames:
            if self._object_ids.pop(frame, None) is not None:
                self._frames.remove(frame)

    def remove_object(self, object_id: int) -> None:
        """Turn an object's pixels into background on every frame.

        Parameters
        ----------
        object_id : int
            Its label.
        """
        # Only frames that show the object are unpacked; a copy of the list, as entries change on the way.
        for frame, ids in list(self._object_ids.items()):
            if object_id in ids:
                runs = self.runs(frame)
                self.set_runs(frame, runs.only(runs.values != object_id))

    def emptied(self) -> LabelStack:
        """Return an empty stack of the same shape; one on disk is emptied itself, as its folder can hold only one.

        Returns
        -------
        LabelStack
            Without labels, uint16.
        """
        empty = LabelStack(self.shape)
        empty._frames = self._frames.emptied()
        return empty

    def put_back(self, frame: int, packed: PackedFrame | None) -> None:
        """Store what `packed` returned for a frame of this stack, or of another of the same shape.

        Parameters
        ----------
        frame : int
            Index of the frame.
        packed : PackedFrame or None
            None makes it a frame that was never set.
        """
        if packed is None:
            self.remove_frames([frame])
            return
        self.widen(packed.dtype)
        self._frames.put_back(frame, packed)
        self._object_ids[frame] = packed.unpack().object_ids

    def to_array(self) -> NDArray[Any]:
        """Unpack everything.

        Returns
        -------
        ndarray
            (T, Y, X).
        """
        return self._gather(range(self.shape[0]))

    def _gather(self, frames: range) -> NDArray[Any]:
        # Unset frames stay zero without being read.
        labels = np.zeros((len(frames), *self.shape[1:]), self.dtype)
        for index, frame in enumerate(frames):
            if frame in self._object_ids:
                labels[index] = self[frame]
        return labels


def check_label_image(image: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Check that a label image has the shape and fits the type wanted.

    Parameters
    ----------
    image : ndarray
        Integers.
    shape : tuple of int
        (Y, X).
    dtype : numpy.dtype
        Unsigned.

    Returns
    -------
    ndarray
        (Y, X) of the type wanted.

    Raises
    ------
    ValueError
        If it does not.
    """
    if image.shape != shape or image.dtype.kind not in "bui":
        raise ValueError(f"a label image must be integers of shape {shape}, not {image.dtype} {image.shape}")
    # A cast to the type would wrap such ids around, onto other objects, without notice.
    low, high = int(image.min(initial=0)), int(image.max(initial=0))
    if low < 0 or high > np.iinfo(dtype).max:
        odd = low if low < 0 else high
        raise ValueError(f"the object id {odd} does not fit labels of type {dtype}")
    return image.astype(dtype, copy=False)
