"""Labelled sequences to measure on, in this project's layout or in those of public data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.open_stack import open_stack

from .image_sets import WHOLE, Part, Split, find_image_sets, split_sets
from .public_datasets import find_videos

# At most so many objects of a sequence are measured, those that are seen on at least so many frames.
MOST_OBJECTS = 6
LONG_LIFE = 8
# Between the name of a set of stills and that of an image.
STILL = "/"


@dataclass(frozen=True)
class LabelledSequence:
    """Frames and the truth about them."""

    name: str
    # ``"t"`` or ``"z"``.
    axis: str
    stack: Stack
    # (T, Y, X) ids, 0 for background.
    labels: NDArray[np.integer]
    # Frames that have labels at all; the others are not graded. All where not given.
    annotated: tuple[int, ...] | None = None

    @property
    def is_still(self) -> bool:
        """Whether there is nothing to track."""
        return len(self.labels) == 1

    @property
    def graded(self) -> Sequence[int]:
        """Frames with labels."""
        return range(len(self.labels)) if self.annotated is None else self.annotated

    def objects(self) -> list[int]:
        """Ids of the up to six largest objects that are seen in half the labelled frames, or in eight."""
        # Short-lived objects say little about tracking.
        ids = [int(i) for i in np.unique(self.labels) if i]
        enough = min(len(self.graded) / 2, LONG_LIFE)
        areas = {i: (self.labels == i).sum(axis=(1, 2)) for i in ids}
        lasting = [i for i in ids if np.count_nonzero(areas[i]) >= enough]
        return sorted(lasting, key=lambda i: -int(areas[i].sum()))[:MOST_OBJECTS]

    def prompt_frame(self, object_id: int) -> int:
        """First frame of the object through time, its largest slice through depth."""
        areas = (self.labels == object_id).sum(axis=(1, 2))
        return int(np.argmax(areas)) if self.axis == "z" else int(np.flatnonzero(areas)[0])

    @property
    def direction(self) -> str:
        """Which way objects are tracked from their prompt, as `Session.propagate` takes it."""
        return "both" if self.axis == "z" else "forward"

    def tracked_frames(self, object_id: int) -> list[int]:
        """Frames an object is graded on: all labelled ones but that of its prompt, where there are others."""
        first = self.prompt_frame(object_id)
        return [t for t in self.graded if t != first] or [first]

    def truth(self, frame: int, object_id: int) -> NDArray[np.bool_]:
        """(Y, X) bool mask of an object."""
        mask: NDArray[np.bool_] = self.labels[frame] == object_id
        return mask


def deepest_point(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(y, x) of the pixel farthest from the mask's edge: where a careful user clicks."""
    # Padded: the image's edge is an edge of the mask, too.
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(y), int(x)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(y0, x0, y1, x1) around a mask, the far edges exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def read_sequences(
    folder: str | Path, names: tuple[str, ...] = (), *, split: Split = WHOLE
) -> Iterator[LabelledSequence]:
    """Read the sequences of a folder, in the order of their names; each still is a sequence of one frame."""
    # Videos in public layouts first, then this project's sets.
    videos = find_videos(folder)
    found = [part for family in split_sets(find_image_sets(folder, split.without), split) for part in family]
    found.sort(key=lambda part: part.images.name)
    # A name that is not there is an error; no name at all means everything.
    missing = set(names) - {part.images.name for part in found} - {video.name for video in videos}
    if missing or not (found or videos):
        raise ValueError(f"{folder} holds no sequence {', '.join(sorted(missing)) or 'with a labels.tif'}.")
    for video in videos:
        if not names or video.name in names:
            yield LabelledSequence(video.name, "t", video.open(), video.labels(), video.annotated)
    for part in found:
        if not names or part.images.name in names:
            yield from _sequences_of(part)


def _sequences_of(part: Part) -> Iterator[LabelledSequence]:
    images, name, axis = part.images, part.images.name, part.images.axis
    if images.is_stills:
        for frame in part.frames:
            image, labels = images.read(frame)
            still = Stack.from_array(image[None], "t")
            yield LabelledSequence(f"{name}{STILL}{images.images[frame].stem}", "t", still, labels[None])
        return
    stack, labels = open_stack(images.images[0], axis=axis), tifffile.imread(images.labels[0])
    if stack.shape != labels.shape:
        raise ValueError(
            f"{images.images[0].parent}: frames of shape {stack.shape} with labels of shape {labels.shape}."
        )
    # Of a split stack only the part is kept in memory.
    if len(part.frames) < len(labels):
        frames = np.stack([stack.read(frame) for frame in part.frames])
        stack.close()
        stack, labels = Stack.from_array(frames, axis), labels[part.frames]
    yield LabelledSequence(name, axis, stack, labels)
