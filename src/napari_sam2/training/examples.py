"""A user's corrected labels as material to learn from: checked, split, and drawn as clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_sam2.data.frames import Window, choose_window, to_rgb8
from napari_sam2.data.prompts import check_frame
from napari_sam2.data.scenes import Clip
from napari_sam2.data.stack import Stack

from .clips import SMALLEST_SHARE, choose_frames

FEWEST_FRAMES = 3
MOST_MEASURED = 8
CACHE_BYTES = 2**29
# Share of the clips cut out around an object instead of from the frame at large; all of them where objects are small.
FOLLOW_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class LabelledStack:
    """A stack with labels to learn from.

    Attributes
    ----------
    frames : Stack or array-like
        (T, Y, X) or (T, Y, X, 3) of any real type.
    labels : array-like
        (T, Y, X) integers, the same id for the same object in all frames, 0 for background.
    accepted : tuple of int or None
        Frames whose labels are to be trusted, each of them whole: what is not labelled there is not one of the
        objects. ``None`` for all.
    contrast_limits : sequence of float or None
        As for `Session`.
    axis : str
        ``"t"`` or ``"z"``; a `Stack` knows that itself.
    """

    frames: Any
    labels: Any
    accepted: tuple[int, ...] | None = None
    contrast_limits: Sequence[float] | None = None
    axis: str = "t"


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled stack, split.

    Attributes
    ----------
    stack : Stack
        The frames.
    labels : array-like
        (T, Y, X) integers.
    window : Window or None
        How its pixels become 8-bit.
    contrast_limits : sequence of float or None
        As given.
    training, held_out : tuple of int
        Frames to learn from; frames after them to measure on, perhaps none.
    start : int
        Last training frame that shows an object; -1 if none does.
    """

    stack: Stack
    labels: Any
    window: Window | None
    contrast_limits: Sequence[float] | None
    training: tuple[int, ...]
    held_out: tuple[int, ...]
    start: int

    def label_frame(self, frame: int) -> NDArray[np.integer]:
        """(Y, X) ids of a frame."""
        return np.asarray(self.labels[frame])

    def measured_objects(self) -> list[int]:
        """Ids of the up to eight largest objects on the start frame."""
        ids, areas = np.unique(self.label_frame(self.start), return_counts=True)
        order = np.argsort(-areas, kind="stable")
        return [int(i) for i in ids[order] if i > 0][:MOST_MEASURED]


def split_stacks(stacks: Sequence[LabelledStack], held_out: float) -> list[Example]:
    """Check labelled stacks and hold back the far end of each.

    Parameters
    ----------
    stacks : sequence of LabelledStack
        At least one.
    held_out : float
        Share of the accepted frames of each stack that is held back; two are always left to learn from.

    Raises
    ------
    ValueError
        If labels do not fit their frames, or there is too little to learn from.
    """
    examples = [_split(stack, held_out) for stack in stacks]
    frames = sum(len(example.training) + len(example.held_out) for example in examples)
    if frames < FEWEST_FRAMES:
        raise ValueError(f"{frames} accepted frames are too few to learn from: accept at least {FEWEST_FRAMES}.")
    usable = [example for example in examples if example.start >= 0]
    if not usable:
        raise ValueError("No accepted frame to learn from shows an object: label some, or accept frames that do.")
    return usable


def _split(given: LabelledStack, share: float) -> Example:
    stack = given.frames if isinstance(given.frames, Stack) else Stack.from_array(given.frames, given.axis)
    labels = given.labels if hasattr(given.labels, "shape") else np.asarray(given.labels)
    if tuple(labels.shape) != stack.shape:
        raise ValueError(f"Labels of shape {tuple(labels.shape)} do not fit frames of shape {stack.shape}.")
    if np.dtype(labels.dtype).kind not in "iub":
        raise ValueError(f"Labels are whole numbers, one for each object; got {labels.dtype}.")
    accepted = range(stack.n_frames) if given.accepted is None else given.accepted
    frames = sorted({check_frame(frame, stack.n_frames) for frame in accepted})
    back = max(0, min(max(round(share * len(frames)), 1), len(frames) - 2)) if share > 0 else 0
    training, held_out = tuple(frames[: len(frames) - back]), tuple(frames[len(frames) - back :])
    shown = [t for t in training if (np.asarray(labels[t]) > 0).any()]
    return Example(
        stack=stack,
        labels=labels,
        window=choose_window(stack, given.contrast_limits),
        contrast_limits=given.contrast_limits,
        training=training,
        held_out=held_out if shown else (),
        start=shown[-1] if shown else -1,
    )


class ExampleClips:
    """Clips of the training frames of one example, a `ClipSource`.

    Parameters
    ----------
    example : Example
        Where they come from.
    cache_bytes : int
        Frames are kept ready if all of them fit into this.

    Attributes
    ----------
    ids : ndarray
        Of the objects on the training frames.
    frames : int
        Of the clips to draw.
    follow_share : float
        Share of the clips to cut out by a window that follows an object, see `draw_batch`.
    """

    def __init__(self, example: Example, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.example = example
        ids = np.unique(np.concatenate([pd.unique(example.label_frame(t).ravel()) for t in example.training]))
        self.ids = ids[ids > 0]
        self.frames = 1
        height, width = example.stack.shape[1:]
        self._keep = len(example.training) * height * width * (3 + 4) <= cache_bytes
        self._ready: dict[int, tuple[NDArray[np.uint8], NDArray[np.int32]]] = {}
        largest = np.bincount(self._read(example.start)[1].ravel())[1:].max()
        self.follow_share = FOLLOW_SHARE if largest > 2 * SMALLEST_SHARE * height * width else 1.0

    def draw(self, rng: np.random.Generator) -> Clip:
        """Read `frames` of the training frames; of more than 255 objects some become background."""
        order = choose_frames(rng, len(self.example.training), self.frames)
        pictures, numbers = zip(*(self._read(self.example.training[i]) for i in order), strict=True)
        table = np.zeros(len(self.ids) + 1, np.uint8)
        numbered = 1 + rng.permutation(len(self.ids))[:255]
        table[numbered] = np.arange(1, len(numbered) + 1)
        return Clip(np.stack(pictures), table[np.stack(numbers)])

    def _read(self, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        if frame in self._ready:
            return self._ready[frame]
        labels = self.example.label_frame(frame)
        numbers = np.where(labels > 0, np.searchsorted(self.ids, labels) + 1, 0).astype(np.int32)
        ready = to_rgb8(self.example.stack.read(frame), self.example.window), numbers
        if self._keep:
            self._ready[frame] = ready
        return ready
