"""Label images: made from mask logits, and kept small for a whole stack."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .prompts import check_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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


def compose_labels(
    logits: NDArray[np.floating[Any]],
    object_ids: Sequence[int],
    *,
    visible: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Merge the objects' mask logits into one label image.

    Parameters
    ----------
    logits : ndarray
        (N, Y, X); a pixel is an object's where its logit is above 0. Where several claim it, the highest
        logit wins, and the earlier object in a tie.
    object_ids : sequence of int
        (N,) labels to write.
    visible : sequence of bool, optional
        (N,) which objects to draw at all.

    Returns
    -------
    ndarray
        (Y, X) uint16, or uint32 where an id needs it; 0 is background.

    Raises
    ------
    ValueError
        If the lengths do not match.
    """
    shown = [True] * len(object_ids) if visible is None else visible
    if logits.ndim != 3 or not len(logits) == len(object_ids) == len(shown):
        raise ValueError(
            f"logits of shape {logits.shape} do not match {len(object_ids)} objects and {len(shown)} visibilities"
        )
    image = np.zeros(logits.shape[1:], label_dtype(object_ids))
    best = np.zeros(logits.shape[1:], logits.dtype)
    for logit, object_id, show in zip(logits, object_ids, shown, strict=True):
        if show:
            wins = logit > best
            image[wins] = object_id
            np.copyto(best, logit, where=wins)
    return image


class LabelStack:
    """Label images of a stack, written frame by frame and kept compressed.

    Parameters
    ----------
    shape : tuple of int
        (T, Y, X).
    dtype : dtype-like, default: uint16
        An unsigned integer type; an image with a larger id is refused.

    Notes
    -----
    ``labels[t]`` is a frame, ``labels[a:b]`` and ``numpy.asarray(labels)`` are arrays of several: copies all. A frame
    that was never set reads as background and takes no memory.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: DTypeLike = np.uint16) -> None:
        if np.dtype(dtype).kind != "u":
            raise ValueError(f"labels need an unsigned integer type, not {np.dtype(dtype)}")
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._frames: dict[int, _PackedFrame] = {}

    @property
    def frames_done(self) -> list[int]:
        """The frames that were set, in rising order."""
        return sorted(self._frames)

    @property
    def nbytes(self) -> int:
        """Bytes the compressed frames take."""
        return sum(len(packed.data) for packed in self._frames.values())

    @property
    def largest_id(self) -> int:
        """Largest object id on any frame, 0 where there is none."""
        return max((packed.object_ids[-1] for packed in self._frames.values() if packed.object_ids), default=0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frame: int | slice) -> NDArray[Any]:
        if isinstance(frame, slice):
            return self._gather(range(*frame.indices(self.shape[0])))
        packed = self._frames.get(check_frame(frame, self.shape[0]))
        if packed is None:
            return np.zeros(self.shape[1:], self.dtype)
        return packed.unpack(self.dtype, self.shape[1:])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("labels are kept compressed: an array of them is always a copy")
        return self.to_array().astype(dtype or self.dtype, copy=False)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[frame] for frame in range(self.shape[0]))

    def object_ids(self, frame: int) -> list[int]:
        """Name the objects that have pixels on a frame.

        Parameters
        ----------
        frame : int
            Index of the frame.

        Returns
        -------
        list of int
            Rising; empty for a frame that was never set.
        """
        packed = self._frames.get(check_frame(frame, self.shape[0]))
        return [] if packed is None else list(packed.object_ids)

    def set(self, frame: int, image: NDArray[Any]) -> None:
        """Store a frame's label image in place of what was there.

        Parameters
        ----------
        frame : int
            Index of the frame.
        image : ndarray
            (Y, X) integers, 0 for background.

        Raises
        ------
        ValueError
            If there is no such frame, the shape differs, or an id does not fit the stack's type.
        """
        frame = check_frame(frame, self.shape[0])
        self._frames[frame] = _PackedFrame.pack(check_label_image(image, self.shape[1:], self.dtype))

    def remove_frames(self, frames: Iterable[int]) -> None:
        """Forget the label images of some frames.

        Parameters
        ----------
        frames : iterable of int
            Their indices; frames that were never set are passed over.
        """
        for frame in frames:
            self._frames.pop(frame, None)

    def remove_object(self, object_id: int) -> None:
        """Turn an object's pixels into background on every frame.

        Parameters
        ----------
        object_id : int
            Its label.
        """
        for frame, packed in list(self._frames.items()):
            if object_id in packed.object_ids:
                image = self[frame]
                image[image == object_id] = 0
                self.set(frame, image)

    def to_array(self) -> NDArray[Any]:
        """Unpack everything.

        Returns
        -------
        ndarray
            (T, Y, X).
        """
        return self._gather(range(self.shape[0]))

    def _gather(self, frames: range) -> NDArray[Any]:
        labels = np.zeros((len(frames), *self.shape[1:]), self.dtype)
        for index, frame in enumerate(frames):
            if frame in self._frames:
                labels[index] = self[frame]
        return labels


@dataclass(frozen=True)
class _PackedFrame:
    data: bytes
    object_ids: tuple[int, ...]

    @classmethod
    def pack(cls, image: NDArray[Any]) -> _PackedFrame:
        # Label images are long runs of one value: the fastest level already shrinks them a hundredfold.
        ids = np.unique(image)
        return cls(zlib.compress(np.ascontiguousarray(image).tobytes(), 1), tuple(ids[ids > 0].tolist()))

    def unpack(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        return np.frombuffer(bytearray(zlib.decompress(self.data)), dtype).reshape(shape)


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
    low, high = int(image.min(initial=0)), int(image.max(initial=0))
    if low < 0 or high > np.iinfo(dtype).max:
        odd = low if low < 0 else high
        raise ValueError(f"the object id {odd} does not fit labels of type {dtype}")
    return image.astype(dtype, copy=False)
