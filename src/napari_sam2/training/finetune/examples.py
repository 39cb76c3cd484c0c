"""Labelled stacks to learn from: checked, split into training and held-out frames, drawn as clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.images.stack import Stack
from napari_sam2.session.zoom.crop_size import ROOM, WORTHWHILE
from napari_sam2.training.data.augment import recolour, turn
from napari_sam2.training.data.clips import SMALLEST_SHARE, Batch, choose_objects, cut_window, follow_window
from napari_sam2.training.data.frame_choice import choose_frames

FEWEST_FRAMES = 3
MOST_MEASURED = 8
CACHE_BYTES = 2**29
# Share of the clips cut out by a window that follows an object: most where a session zooms in on the objects, few where
# it looks at the whole frame, all where nothing can be seen in that.
FOLLOW_SHARE, FOLLOW_SHARE_LARGE = 0.7, 0.15
WINDOW = (0.7, 1.0)
# The stack's own look and orientation are what is to be learned; only some clips are changed.
TURN_SHARE, RECOLOUR_SHARE = 0.5, 0.3
_ATTEMPTS = 64


@dataclass(frozen=True, eq=False)
class LabelledStack:
    """A stack with labels to learn from."""

    # (T, Y, X) or (T, Y, X, 3) of any real type.
    frames: Any
    # (T, Y, X) integers, the same id for the same object in all frames, 0 for background.
    labels: Any
    # Frames whose labels are to be trusted, each of them whole: what is not labelled there is not one of the objects.
    # ``None`` for all.
    accepted: tuple[int, ...] | None = None
    # As for `Session`.
    contrast_limits: Sequence[float] | None = None
    # ``"t"`` or ``"z"``; a `Stack` knows that itself.
    axis: str = "t"


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled stack, split."""

    stack: Stack
    # (T, Y, X) integers.
    labels: Any
    # How its pixels become 8-bit.
    window: Window | None
    contrast_limits: Sequence[float] | None
    # Frames to learn from; frames after them to measure on, perhaps none.
    training: tuple[int, ...]
    held_out: tuple[int, ...]
    # Last training frame that shows an object; -1 if none does.
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
    """Check labelled stacks and hold back the far end of each."""
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
    # The far end is held out: it tests what tracking needs, and leaves at least two frames to learn from.
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
    """Clips of the training frames of one example."""

    def __init__(self, example: Example, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.example = example
        ids = np.unique(np.concatenate([pd.unique(example.label_frame(t).ravel()) for t in example.training]))
        self.ids = ids[ids > 0]
        height, width = example.stack.shape[1:]
        self._keep = len(example.training) * height * width * (3 + 4) <= cache_bytes
        self._ready: dict[int, tuple[NDArray[np.uint8], NDArray[np.int32]]] = {}
        self.follow_share = self._share_to_follow()

    def draw(self, rng: np.random.Generator, *, frames: int, objects: int, size: int) -> Batch:
        """Draw one clip of so many frames and objects, square and of that size."""
        for _ in range(_ATTEMPTS):
            pictures, labels = self._cut(rng, *self._choose(rng, frames), size=size)
            areas = np.bincount(labels[0].ravel(), minlength=256)
            ids = 1 + np.flatnonzero(areas[1:] >= SMALLEST_SHARE * size**2)
            if not len(ids):
                continue
            picked = choose_objects(rng, labels, ids, objects=objects)
            if rng.random() < TURN_SHARE:
                pictures, labels = turn(rng, pictures, labels)
            if rng.random() < RECOLOUR_SHARE:
                pictures = recolour(rng, pictures)
            masks = labels[:, None] == picked[None, :, None, None]
            images = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).contiguous()
            return Batch(images[None], torch.from_numpy(masks)[None])
        raise ValueError("The labelled objects are too small to learn from: a handful of pixels each.")

    def _choose(self, rng: np.random.Generator, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Read some of the training frames; of more than 255 objects some become background."""
        # Ids fit a byte: a random table keeps at most 255.
        order = choose_frames(rng, len(self.example.training), frames)
        pictures, numbers = zip(*(self._read(self.example.training[i]) for i in order), strict=True)
        table = np.zeros(len(self.ids) + 1, np.uint8)
        numbered = 1 + rng.permutation(len(self.ids))[:255]
        table[numbered] = np.arange(1, len(numbered) + 1)
        return np.stack(pictures), table[np.stack(numbers)]

    def _cut(
        self, rng: np.random.Generator, pictures: NDArray[np.uint8], labels: NDArray[np.uint8], *, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        if rng.random() < self.follow_share:
            return follow_window(rng, pictures, labels, size=size)
        return cut_window(rng, pictures, labels, size=size, window=WINDOW)

    def _share_to_follow(self) -> float:
        numbers = self._read(self.example.start)[1]
        height, width = numbers.shape
        if np.bincount(numbers.ravel())[1:].max() < 2 * SMALLEST_SHARE * height * width:
            return 1.0
        found = [box for box in ndimage.find_objects(numbers) if box is not None]
        extents = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in found]
        zoomed = ROOM * np.median(extents) <= WORTHWHILE * max(height, width)
        return FOLLOW_SHARE if zoomed else FOLLOW_SHARE_LARGE

    def _read(self, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        if frame in self._ready:
            return self._ready[frame]
        labels = self.example.label_frame(frame)
        numbers = np.where(labels > 0, np.searchsorted(self.ids, labels) + 1, 0).astype(np.int32)
        ready = to_rgb8(self.example.stack.read(frame), self.example.window), numbers
        if self._keep:
            self._ready[frame] = ready
        return ready
