"""Annotated videos in the folder layouts of public data sets: DAVIS and its like, and SA-V."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.files.atomic_files import read_json
from napari_sam2.data.files.rle import decode_rle
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.image_folder import visible_images
from napari_sam2.data.readers.open_stack import open_stack

DAVIS_FRAMES, DAVIS_MASKS = "JPEGImages", "Annotations"
SAV_FRAMES, SAV_MASKS = "JPEGImages_24fps", "Annotations_6fps"
SAV_JSON = ("_manual.json", "_auto.json")
# SA-V is annotated at 6 frames a second of 24.
SAV_STEP = 4


@dataclass(frozen=True)
class AnnotatedVideo:
    """Frames in a folder, some of them with masks."""

    # Of the folder.
    name: str
    # Images, in the order of their names.
    frames: tuple[Path, ...]
    # In DAVIS's layout one image of ids for each annotated frame; in SA-V's one binary image for each object and
    # annotated frame, in a folder for each object; or SA-V's JSON files.
    masks: tuple[Path, ...]

    @cached_property
    def annotated(self) -> tuple[int, ...]:
        """Indices of the frames with masks."""
        if self._is_json:
            longest = max(len(content["masklet"]) for content in self._json)
            return tuple(range(0, min(longest * SAV_STEP, len(self.frames)), SAV_STEP))
        return tuple(sorted({self._index(path) for path in self.masks}))

    def open(self) -> Stack:
        """Open the frames."""
        return open_stack(self.frames[0].parent, axis="t")

    def label_frame(self, frame: int) -> NDArray[np.uint16]:
        """Read the ids on an annotated frame, 0 for background; of objects that overlap, the smaller lies on top."""
        drawn = dict(self._read_masks(frame))
        with Image.open(self.frames[frame]) as image:
            width, height = image.size
        labels = np.zeros((height, width), np.uint16)
        # DAVIS keeps all ids in one image; key 0 stands for it.
        if 0 in drawn:
            ids = drawn.pop(0)
            self._check(ids, labels, frame)
            labels[...] = ids
        for object_id, mask in sorted(drawn.items(), key=lambda item: -int(np.count_nonzero(item[1]))):
            self._check(mask, labels, frame)
            labels[mask > 0] = object_id
        return labels

    def labels(self) -> NDArray[np.uint16]:
        """(T, Y, X) ids of all frames; those that are not annotated are empty."""
        frames = {t: self.label_frame(t) for t in self.annotated}
        # Pages of zeros that are never touched take no memory.
        labels = np.zeros((len(self.frames), *frames[self.annotated[0]].shape), np.uint16)
        for t, image in frames.items():
            labels[t] = image
        return labels

    @property
    def _is_json(self) -> bool:
        return self.masks[0].suffix == ".json"

    @cached_property
    def _json(self) -> list[dict[str, Any]]:
        return [read_json(path) for path in self.masks]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {path.stem: index for index, path in enumerate(self.frames)}

    def _index(self, mask: Path) -> int:
        if mask.stem not in self._places:
            raise ValueError(f"{mask} has no frame of the same name in {self.frames[0].parent}.")
        return self._places[mask.stem]

    def _check(self, mask: NDArray[Any], labels: NDArray[np.uint16], frame: int) -> None:
        if mask.shape != labels.shape:
            raise ValueError(
                f"{self.name}: masks of shape {mask.shape} on frame {frame}, which has shape {labels.shape}; they must "
                "be images of ids, not of colours, as large as the frame."
            )

    def _read_masks(self, frame: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (object, mask), or (0, ids of all objects)."""
        if self._is_json:
            yield from _json_masks(self._json, frame // SAV_STEP)
            return
        stem = self.frames[frame].stem
        for path in self.masks:
            if path.stem == stem:
                # Ids are what the palette's entries are numbered by; SA-V counts objects from 0.
                with Image.open(path) as image:
                    yield (int(path.parent.name) + 1 if _is_sav(path) else 0), np.asarray(image)


def find_videos(folder: str | Path) -> list[AnnotatedVideo]:
    """Find the annotated videos of a folder in one of the layouts.

    ``folder``: with ``JPEGImages/NAME`` and ``Annotations/NAME``, or both with a resolution between (DAVIS, YouTube-
    VOS, MOSE); or with ``JPEGImages_24fps/NAME`` and either ``Annotations_6fps/NAME/OBJECT`` (SA-V's validation and
    test sets) or, anywhere below, ``NAME_manual.json`` and ``NAME_auto.json`` (its training set, frames extracted).
    """
    folder = Path(folder)
    if (folder / SAV_FRAMES).is_dir():
        return _sav_videos(folder)
    frames, masks = folder / DAVIS_FRAMES, folder / DAVIS_MASKS
    if not frames.is_dir() or not masks.is_dir():
        return []
    roots = [frames, *sorted(path for path in frames.iterdir() if path.is_dir())]
    videos = []
    for root in roots:
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            images = sorted((masks / folder.relative_to(frames)).glob("*.png"))
            videos += _video(folder, images)
    return videos


def _sav_videos(folder: Path) -> list[AnnotatedVideo]:
    videos = []
    by_name = {path.name: path for ending in SAV_JSON for path in folder.rglob(f"*{ending}")}
    for video in sorted(path for path in (folder / SAV_FRAMES).iterdir() if path.is_dir()):
        images = sorted((folder / SAV_MASKS / video.name).glob("*/*.png"))
        files = [by_name[video.name + ending] for ending in SAV_JSON if video.name + ending in by_name]
        videos += _video(video, images or files)
    return videos


def _video(folder: Path, masks: list[Path]) -> list[AnnotatedVideo]:
    frames = visible_images(folder.iterdir())
    return [AnnotatedVideo(folder.name, tuple(frames), tuple(masks))] if frames and masks else []


def _is_sav(path: Path) -> bool:
    return path.parents[2].name == SAV_MASKS


def _json_masks(contents: list[dict[str, Any]], index: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    # Both files number their objects from 0: the automatic ones come after the manual ones.
    first = 1
    for content in contents:
        masklets: list[list[Mapping[str, Any]]] = content["masklet"]
        for object_index, mask in enumerate(masklets[index] if index < len(masklets) else ()):
            height, width = mask["size"]
            yield first + object_index, decode_rle((height, width), mask["counts"])
        first += max((len(masks) for masks in masklets), default=0)
