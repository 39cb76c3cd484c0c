"""Sets of labelled images, stacks or unrelated stills, and their split into training and held-out parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.files.atomic_files import read_json
from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.image_folder import visible_images
from napari_sam2.data.readers.open_stack import open_stack

# Stacks of one origin are split as wholes from so many on; fewer give up their last frames instead.
_MANY_STACKS = 8
_FEWEST_FRAMES = 10
# Neighbours among stills are often one specimen: they are held out in runs of this length.
_RUN = 3

# (Y, X, 3) uint8, and (Y, X) ids.
Labelled = tuple[NDArray[np.uint8], NDArray[Any]]


@dataclass(frozen=True)
class Split:
    """Which part of the sets is read."""

    # Share of each set to be validated on; 0 trains on everything.
    held_share: float = 0.0
    # Read that share instead of the rest.
    held_out: bool = False
    # Names of sets to leave out, ``*`` standing for anything.
    without: tuple[str, ...] = ()
    # Names of sets in which some objects have no label.
    partly_labelled: tuple[str, ...] = ()

    def keep(self, count: int, *, run: int = 1) -> list[int]:
        """Indices to read of so many, where those held out come in evenly spaced runs."""
        if not self.held_share:
            return [] if self.held_out else list(range(count))
        period = round(1 / self.held_share)
        return [i for i in range(count) if (i // run % period == period // 2) == self.held_out]


WHOLE = Split()


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Frames of one folder: a stack, or stills."""

    # Of the folder.
    name: str
    # ``"t"``, ``"z"`` or ``"still"``.
    axis: str
    # Sets of one origin show the same kind of thing.
    origin: str
    # One for each still; of a stack one file or folder for all frames.
    images: tuple[Path, ...]
    labels: tuple[Path, ...]

    @property
    def is_stills(self) -> bool:
        """Whether its frames have nothing to do with each other."""
        return self.axis == "still"

    def __len__(self) -> int:
        return len(self.images) if self.is_stills else self._stack[0].n_frames

    def read(self, frame: int) -> Labelled:
        """Read a frame."""
        stack, window = self._still(frame) if self.is_stills else self._stack
        index = 0 if self.is_stills else frame
        image = to_rgb8(stack.read(index), window)
        labels = self._labels(frame)
        if labels.shape != image.shape[:2]:
            raise ValueError(f"{self.name}, frame {frame}: labels of shape {labels.shape} on {image.shape[:2]} pixels.")
        return image, labels

    def _still(self, frame: int) -> tuple[Stack, Window | None]:
        stack = open_stack(self.images[frame], axis="t")
        return stack, choose_window(stack)

    @cached_property
    def _stack(self) -> tuple[Stack, Window | None]:
        stack = open_stack(self.images[0], axis=self.axis)
        return stack, choose_window(stack)

    def _labels(self, frame: int) -> NDArray[Any]:
        if self.is_stills:
            return np.asarray(open_stack(self.labels[frame], axis="t").read(0))
        return np.asarray(self._label_stack.read(frame))

    @cached_property
    def _label_stack(self) -> Stack:
        return open_stack(self.labels[0], axis=self.axis)


def find_image_sets(folder: str | Path, without: Sequence[str] = ()) -> list[ImageSet]:
    """Find the sets of a folder, in the order of their names.

    ``folder``: with a folder for each set: ``frames.tif`` or ``frames/``, ``labels.tif``; or, for stills, ``frames/``
    and ``labels/`` with images of the same names. ``meta.json`` may say ``"axis"`` (``"t"`` if it does not) and
    ``"original"``, where the set comes from.
    ``without``: names to leave out, ``*`` standing for anything.
    """
    sets = []
    for path in sorted(entry for entry in Path(folder).iterdir() if entry.is_dir()):
        if any(fnmatch(path.name, pattern) for pattern in without):
            continue
        meta = read_json(path / "meta.json") if (path / "meta.json").exists() else {}
        origin = str(meta.get("original", path.name))
        if (path / "labels").is_dir():
            images, labels = (tuple(visible_images((path / part).iterdir())) for part in ("frames", "labels"))
            if [image.stem for image in images] != [label.stem for label in labels]:
                raise ValueError(f"{path}: the images in frames/ and labels/ do not have the same names.")
            sets.append(ImageSet(path.name, "still", origin, images, labels))
        elif (path / "labels.tif").exists():
            frames = path / "frames.tif" if (path / "frames.tif").exists() else path / "frames"
            axis = str(meta.get("axis", "t"))
            sets.append(ImageSet(path.name, axis, origin, (frames,), (path / "labels.tif",)))
    return sets


@dataclass(frozen=True, eq=False)
class Part:
    """The frames of a set that may be drawn."""

    images: ImageSet
    frames: list[int]


def split_sets(sets: Sequence[ImageSet], split: Split) -> list[list[Part]]:
    """Split sets, and put together those of one origin, stills and stacks apart."""
    # Sets of one origin are split together: what looks alike must not be on both sides.
    families: dict[tuple[str, bool], list[ImageSet]] = {}
    for images in sets:
        families.setdefault((images.origin, images.is_stills), []).append(images)
    parts = [_split_family(family, split) for family in families.values()]
    return [[part for part in family if part.frames] for family in parts if any(part.frames for part in family)]


def _split_family(family: list[ImageSet], split: Split) -> list[Part]:
    if family[0].is_stills:
        return [Part(images, split.keep(len(images), run=_RUN)) for images in family]
    # Many stacks are held out as wholes, of few the last frames are.
    if len(family) >= _MANY_STACKS or not split.held_share:
        return [Part(family[i], list(range(len(family[i])))) for i in split.keep(len(family))]
    return [Part(images, _split_stack(len(images), split)) for images in family]


def _split_stack(frames: int, split: Split) -> list[int]:
    held = max(_RUN, round(frames * split.held_share)) if frames >= _FEWEST_FRAMES else 0
    return list(range(frames - held, frames) if split.held_out else range(frames - held))
