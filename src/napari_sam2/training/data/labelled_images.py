"""Clips and stills drawn from sets of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.evaluation.image_sets import WHOLE, ImageSet, Labelled, Part, Split, find_image_sets, split_sets
from napari_sam2.synthetic import Clip

from .augment import drift
from .frame_choice import choose_frames

# Frames are kept in memory until they take so much.
CACHE_BYTES = 2**32
# Share of the clips that are a still in motion: its crowds are where look-alikes are learned.
DRIFT_SHARE = 0.3
_MOST_IDS = 255


class ImageSets:
    """Clips and stills of labelled sets: of four times the frames, twice as many are drawn."""

    def __init__(self, folder: str | Path, split: Split = WHOLE) -> None:
        self.families = split_sets(find_image_sets(folder, split.without), split)
        if not self.families:
            raise ValueError(f"{folder} holds no labelled sets, or none that is to be read.")
        self._kept: dict[tuple[str, int], Labelled] = {}
        self._room = CACHE_BYTES
        self._partly_labelled = split.partly_labelled
        self._stacks = [family for family in self.families if not family[0].images.is_stills]
        self._stills = [family for family in self.families if family[0].images.is_stills]

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Draw a still from any set, or so many frames of a stack, or of a still in motion."""
        if frames == 1:
            return self.draw_from(_choose(rng, self.families), rng, frames=1)
        drifting = self._stills and (not self._stacks or rng.random() < DRIFT_SHARE)
        return self.draw_from(_choose(rng, self._stills if drifting else self._stacks), rng, frames=frames)

    def draw_from(self, family: Sequence[Part], rng: np.random.Generator, *, frames: int) -> Clip:
        """Draw from the sets of one origin."""
        # Every frame of an origin is equally likely.
        sizes = np.array([len(part.frames) for part in family])
        part = family[int(rng.choice(len(family), p=sizes / sizes.sum()))]
        wanted = 1 if part.images.is_stills else frames
        chosen = [part.frames[i] for i in choose_frames(rng, len(part.frames), wanted)]
        read = {t: self._read(part.images, t) for t in set(chosen)}
        images, labels = (np.stack([read[t][i] for t in chosen]) for i in (0, 1))
        # A still has no time: motion is made up for it.
        images, numbered = _few_ids(rng, images, labels)
        if part.images.is_stills and frames > 1:
            images, numbered = drift(rng, images[0], numbered[0], frames=frames)
        complete = not any(fnmatch(part.images.name, pattern) for pattern in self._partly_labelled)
        return Clip(images, numbered, complete=complete)

    def _read(self, images: ImageSet, frame: int) -> Labelled:
        key = images.name, frame
        if key in self._kept:
            return self._kept[key]
        read = images.read(frame)
        self._room -= sum(x.nbytes for x in read)
        if self._room >= 0:
            self._kept[key] = read
        return read


def _choose(rng: np.random.Generator, families: Sequence[Sequence[Part]]) -> Sequence[Part]:
    # Between one share for each origin and one for each frame.
    weights = np.sqrt([sum(len(part.frames) for part in family) for family in families])
    return families[int(rng.choice(len(families), p=weights / weights.sum()))]


def _few_ids(
    rng: np.random.Generator, images: NDArray[np.uint8], labels: NDArray[Any]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Number the objects from 1 in a random order; what shows too many for a byte is cut down to a part."""
    while True:
        counts = np.bincount(labels.ravel())
        ids = 1 + np.flatnonzero(counts[1:])
        if len(ids) <= _MOST_IDS:
            break
        height, width = labels.shape[1:]
        y, x = rng.integers(0, (height // 3, width // 3))
        window = slice(None), slice(y, y + 2 * height // 3), slice(x, x + 2 * width // 3)
        images, labels = images[window], labels[window]
    # One table look-up numbers all frames.
    table = np.zeros(len(counts), np.uint8)
    table[ids] = 1 + rng.permutation(len(ids))
    return images, table[labels]
