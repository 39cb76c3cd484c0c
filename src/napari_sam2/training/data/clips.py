"""Batches of clips: cut, turned and recoloured at random, with masks of the objects to prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.evaluation.labelled_sequences import bounding_box
from napari_sam2.training.optimisation.devices import send

from .augment import PLAIN, WINDOW, Augmentation, change_modality, flicker, recolour, tilt, turn
from .centre_targets import centre_targets
from .frame_choice import choose_frames
from .sources import ClipSource

SMALLEST_SHARE = 0.0012
VANISHING_WEIGHT = 4.0
# Side of a window that follows an object, in extents of the object; the session's zoom aims at the middle.
FOLLOW_SIDE = (1.8, 5.0)
_SMALLEST_FOLLOWED = 12
_ATTEMPTS = 64


class Cut(Protocol):
    """A way to make a clip square."""

    def __call__(
        self, rng: np.random.Generator, frames: NDArray[np.uint8], labels: NDArray[np.uint8], /, *, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return frames and labels of that size."""


@dataclass(frozen=True)
class Batch:
    """Clips of the same length with the same number of objects each."""

    # (batch, frames, 3, size, size) uint8 RGB.
    frames_btchw: Tensor
    # (batch, frames, objects, size, size) bool. Every object is seen on frame 0.
    masks_btnhw: Tensor
    # What the centre head is to say of frame 0, see `centre_targets`.
    centres_b3hw: Tensor | None = None

    @property
    def present_btn(self) -> Tensor:
        """(batch, frames, objects) bool: is the object seen at all."""
        return self.masks_btnhw.flatten(-2).any(dim=-1)

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        centres = None if self.centres_b3hw is None else send(self.centres_b3hw, device)
        return Batch(send(self.frames_btchw, device), send(self.masks_btnhw, device), centres)


def draw_batch(
    sources: Sequence[ClipSource],
    rng: np.random.Generator,
    *,
    size: int,
    shape: tuple[int, int, int],
    augmentation: Augmentation = PLAIN,
    centres: bool = False,
) -> Batch:
    """Draw a batch."""
    drawn = [_draw_one(sources, rng, size=size, shape=shape, augmentation=augmentation) for _ in range(shape[0])]
    images, masks = torch.stack([each[0] for each in drawn]), torch.stack([each[1] for each in drawn])
    wanted = [centre_targets(labels, complete=complete) for _, _, labels, complete in drawn] if centres else []
    return Batch(images, masks, torch.stack(wanted) if centres else None)


def _draw_one(
    sources: Sequence[ClipSource],
    rng: np.random.Generator,
    *,
    size: int,
    shape: tuple[int, int, int],
    augmentation: Augmentation,
) -> tuple[Tensor, Tensor, NDArray[np.uint8], bool]:
    """Images and masks of a clip, and what is labelled on its first frame."""
    _, frames, objects = shape
    follow = rng.random() < augmentation.follow_share
    cut: Cut = follow_window if follow else partial(cut_window, window=augmentation.window)
    for _ in range(_ATTEMPTS):
        clip = sources[int(rng.integers(len(sources)))].draw(rng, frames)
        chosen = choose_frames(rng, len(clip.frames), frames)
        images, labels = cut(rng, clip.frames[chosen], clip.labels[chosen], size=size)
        if rng.random() < augmentation.affine_share:
            images, labels = tilt(rng, images, labels)
        # Objects must be seen on the first frame, where they are prompted.
        areas = np.bincount(labels[0].ravel(), minlength=256)
        areas[0] = 0
        ids = np.flatnonzero(areas >= SMALLEST_SHARE * size**2)
        if len(ids):
            picked = choose_objects(rng, labels, ids, objects=objects)
            images, labels = turn(rng, images, labels)
            masks = labels[:, None] == picked[None, :, None, None]
            # Colours last: what was cut and turned stays one clip.
            images = recolour(rng, images)
            if rng.random() < augmentation.modality_share:
                images = change_modality(rng, images)
            if rng.random() < augmentation.jitter_share:
                images = flicker(rng, images)
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
            return pixels, torch.from_numpy(masks), labels[0], clip.complete
    raise ValueError(
        f"No object of {SMALLEST_SHARE:.2%} of a frame in {_ATTEMPTS} clips; check the labels of the source."
    )


def choose_objects(
    rng: np.random.Generator, labels: NDArray[np.uint8], ids: NDArray[np.int64], *, objects: int
) -> NDArray[np.int64]:
    """Choose objects of a clip; those that vanish are rare, teach what absence is, and are preferred."""
    lasting = np.array([(labels == i).any(axis=(1, 2)).all() for i in ids])
    weight = np.where(lasting, 1.0, VANISHING_WEIGHT)
    picked = rng.choice(ids, min(objects, len(ids)), replace=False, p=weight / weight.sum())
    # Too few objects: some come twice, and get two different prompts.
    return np.concatenate((picked, rng.choice(ids, objects - len(picked))))


def cut_window(
    rng: np.random.Generator,
    frames: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    size: int,
    window: tuple[float, float] = WINDOW,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut a random window of a random scale and aspect out of all frames and resize it to a square."""
    height, width = frames.shape[1:3]
    scale = window[1] if rng.random() < 0.4 else float(rng.uniform(*window))
    aspect = float(np.exp(rng.normal(0, 0.15))) if rng.random() < 0.5 else 1.0
    rows = int(np.clip(round(height * scale * aspect), 16, height))
    columns = int(np.clip(round(width * scale / aspect), 16, width))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    frames = frames[:, top : top + rows, left : left + columns]
    labels = labels[:, top : top + rows, left : left + columns]
    return _squeeze(frames, labels, size)


def follow_window(
    rng: np.random.Generator, frames: NDArray[np.uint8], labels: NDArray[np.uint8], *, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut out a square window that follows an object a frame late, as a session's zoom does.

    The window keeps its size and stays inside the frame; while the object is hidden it rests.
    """
    areas = np.bincount(labels[0].ravel(), minlength=256)
    ids = 1 + np.flatnonzero(areas[1:] >= _SMALLEST_FOLLOWED)
    if not len(ids):
        return cut_window(rng, frames, labels, size=size)
    # A window some extents wide, as the zoom chooses it.
    target = rng.choice(ids)
    height, width = labels.shape[1:]
    top, left, bottom, right = bounding_box(labels[0] == target)
    extent = max(bottom - top, right - left)
    side = int(np.clip(extent * np.exp(rng.uniform(*np.log(FOLLOW_SIDE))), 24, min(height, width)))
    images, ids_seen = [], []
    centre = np.array((top + bottom, left + right)) / 2
    for image, label in zip(frames, labels, strict=True):
        # Placed where the object was on the frame before, a little off.
        at = np.round(centre + rng.normal(0, 0.04 * side, 2) - side / 2)
        y, x = np.clip(at, 0, (height - side, width - side)).astype(int)
        images.append(image[y : y + side, x : x + side])
        ids_seen.append(label[y : y + side, x : x + side])
        if (label == target).any():
            top, left, bottom, right = bounding_box(label == target)
            centre = np.array((top + bottom, left + right)) / 2
    return _squeeze(np.stack(images), np.stack(ids_seen), size)


def _squeeze(
    frames: NDArray[np.uint8], labels: NDArray[np.uint8], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rows, columns = labels.shape[1:]
    if (rows, columns) == (size, size):
        return frames, labels
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    resized = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
    # Labels by nearest neighbour, at the centres of the new pixels.
    pick_rows = ((np.arange(size) + 0.5) * rows / size).astype(np.int64)
    pick_columns = ((np.arange(size) + 0.5) * columns / size).astype(np.int64)
    return resized.permute(0, 2, 3, 1).numpy(), labels[:, pick_rows][:, :, pick_columns]
