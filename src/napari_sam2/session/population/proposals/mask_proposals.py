"""Masks proposed for places of a frame: the frame is encoded in windows, each of the places in one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, distance_transform_edt, label

from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.model.mask_decoder import resize_logits
from napari_sam2.model.sam2 import ImageFeatures, Sam2
from napari_sam2.session.features.frame_encoder import resize_rgb8
from napari_sam2.session.zoom.crop import Crop, cut_off

from .blobs import Blob

# A window is at least this many times as wide as the blob's diameter, and less than twice that.
_ROOM = 3.0
# No window is magnified more than this.
_MOST_MAGNIFIED = 8.0
# Least side of the input that a window is encoded at: an object covers a sixth to a third of it. Models for large
# inputs take half of theirs.
_LEAST_INPUT = 256
# A mask that covers more of its window is the ground.
_LARGEST_SHARE = 0.5
# Places and windows that go through the model together.
_PLACES_AT_ONCE, _WINDOWS_AT_ONCE = 32, 4
# The threshold is raised and lowered by this logit to see how much of a mask depends on it.
_FIRM = 1.0
# A place inside a mask of this score is not looked at again unless its blob is as large as a cell of two in the mask.
_FOUND_SCORE, _PART = 0.5, 0.5
# Pixels on both sides of an outline that its contrast is taken from.
_RIM = 2
# Once this many objects are found, blobs of less than this share of their median radius are taken for specks and parts.
_FEW, _SPECK = 5, 1 / 3


@dataclass(frozen=True, eq=False)
class MaskInFrame:
    """A mask, kept in its box."""

    # Rows and columns of its bounding box in the frame, and the mask in it.
    area: tuple[slice, slice]
    mask: NDArray[np.bool_]

    @cached_property
    def size(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.mask))

    def surrounded(self, image: NDArray[np.floating], rim: int) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Pixels of a (Y, X) image in the box and up to ``rim`` around it, and the mask among them."""
        rows, columns = (slice(max(side.start - rim, 0), side.stop + rim) for side in self.area)
        pixels = image[rows, columns]
        mask = np.zeros(pixels.shape, bool)
        top, left = self.area[0].start - rows.start, self.area[1].start - columns.start
        mask[top : top + self.mask.shape[0], left : left + self.mask.shape[1]] = self.mask
        return pixels, mask


@dataclass(frozen=True, eq=False)
class MaskProposal(MaskInFrame):
    """A mask that might be an object."""

    # How sure the model is, 0..1: the IoU that it expects times the share of the mask that is firm.
    score: float
    # Where it was looked for.
    place: Blob
    # Of a part of something: how deep the cut is between it and the next part, 0..1.
    cut: float = 0.0
    # It counts as if so many places had led to it.
    votes: int = 1

    @cached_property
    def radius(self) -> float:
        """Radius of the largest disc inside: half the width of something long, that of one cell of two that touch."""
        return float(distance_transform_edt(np.pad(self.mask, 1)).max())

    def covers(self, y: float, x: float) -> bool:
        """Whether a place in the frame lies inside."""
        row, column = round(y) - self.area[0].start, round(x) - self.area[1].start
        return 0 <= row < self.mask.shape[0] and 0 <= column < self.mask.shape[1] and bool(self.mask[row, column])


def outline_contrast(one: MaskInFrame, image: NDArray[np.floating]) -> float:
    """Difference of the mean brightness on both sides of an outline."""
    pixels, mask = one.surrounded(image, _RIM)
    inside = mask & ~binary_erosion(mask, iterations=_RIM)
    outside = binary_dilation(mask, iterations=_RIM) & ~mask
    return abs(float(pixels[inside].mean() - pixels[outside].mean())) if outside.any() else 0.0


def proposing_masks(
    model: Sam2, image: NDArray[np.uint8], places: Iterable[Blob]
) -> Generator[float, None, list[MaskProposal]]:
    """Propose masks for places of a (Y, X, 3) image, several for most of them; yields the share that is looked at."""
    by_side: dict[int, list[Blob]] = {}
    for place in places:
        # What is long or uneven shows as a blob smaller than itself: seen in a window twice as wide, too.
        for factor in (1, 2):
            by_side.setdefault(_side(place, image.shape[:2], factor), []).append(place)
    grey, found = image.mean(axis=-1), list[MaskProposal]()

    @cache
    def contrast(one: MaskProposal) -> float:
        return outline_contrast(one, grey)

    done, total = 0, sum(map(len, by_side.values()))
    # From large to small: most small blobs inside an object that was found are parts of it.
    for side in sorted(by_side, reverse=True):
        good = [one for one in found if one.score >= _FOUND_SCORE]
        least = _SPECK * float(np.median([one.radius for one in good])) if len(good) >= _FEW else 0.0
        open_places = [
            place
            for place in by_side[side]
            if place.radius >= least and not any(is_part(place, one, contrast) for one in good)
        ]
        done += len(by_side[side]) - len(open_places)
        for n_places, proposals in _in_windows(model, image, open_places, side):
            found += proposals
            done += n_places
            yield done / total
    return found


def is_part(place: Blob, found: MaskProposal, contrast: Callable[[MaskProposal], float]) -> bool:
    """Whether a place is a part of a mask that was found, which needs no look of its own."""
    if place.radius >= _PART * found.radius or not found.covers(place.y, place.x):
        return False
    # What stands out more than the outline around it lies on the ground, of which the mask is a patch.
    return place.strength <= contrast(found)


def _side(place: Blob, frame_size: Sequence[int], factor: int) -> int:
    wanted = max(_ROOM * 2 * place.radius, _LEAST_INPUT / _MOST_MAGNIFIED)
    return min(factor * int(2 ** math.ceil(math.log2(wanted))), max(frame_size))


def _in_windows(
    model: Sam2, image: NDArray[np.uint8], places: Sequence[Blob], side: int
) -> Iterator[tuple[int, list[MaskProposal]]]:
    """Yield the proposals of some windows at a time, and how many places these hold."""
    windows: dict[Crop, list[Blob]] = {}
    for place in places:
        windows.setdefault(_window(place, side, image.shape[:2]), []).append(place)
    crops, size = list(windows), (image.shape[0], image.shape[1])
    for first in range(0, len(crops), _WINDOWS_AT_ONCE):
        some = crops[first : first + _WINDOWS_AT_ONCE]
        features = _encode(model, [image[crop.crop] for crop in some])
        proposals: list[MaskProposal] = []
        for index, crop in enumerate(some):
            one = ImageFeatures(*(x[index : index + 1] for x in vars(features).values()))
            for start in range(0, len(windows[crop]), _PLACES_AT_ONCE):
                group = windows[crop][start : start + _PLACES_AT_ONCE]
                proposals += _decode(model, one, group, crop=crop, frame_size=size)
        yield sum(len(windows[crop]) for crop in some), proposals


def _window(place: Blob, side: int, frame_size: Sequence[int]) -> Crop:
    # Windows lie on a grid of half their side, so that places near each other share one.
    (top, height), (left, width) = (
        (min(max(round((centre - side / 2) / (side / 2)) * side // 2, 0), max(length - side, 0)), min(side, length))
        for centre, length in zip((place.y, place.x), frame_size, strict=True)
    )
    return Crop(top, left, height, width)


@torch.inference_mode()
def _encode(model: Sam2, images: Sequence[NDArray[np.uint8]]) -> ImageFeatures:
    side = max(_LEAST_INPUT, model.config.image_size // 2)
    squared = np.stack([resize_rgb8(np.ascontiguousarray(image), side) for image in images])
    return model.encode_image(torch.from_numpy(squared).permute(0, 3, 1, 2).to(model.device))


@torch.inference_mode()
def _decode(
    model: Sam2, features: ImageFeatures, places: Sequence[Blob], *, crop: Crop, frame_size: tuple[int, int]
) -> Iterator[MaskProposal]:
    scale = model.config.image_size / np.array(crop.size[::-1])
    clicks = np.array([(place.x + 0.5 - crop.left, place.y + 0.5 - crop.top) for place in places]) * scale - 0.5
    output = model.run_decoder(
        model.without_memory(features),
        features,
        points_bpxy=torch.from_numpy(clicks.astype(np.float32))[:, None].to(model.device),
        labels_bp=torch.ones(len(places), 1, dtype=torch.long, device=model.device),
    )
    for place, logits_khw, ious_k, score in zip(
        places, output.masks_bkhw, output.ious_bk, output.object_score_logits_b.tolist(), strict=True
    ):
        if score <= 0:
            continue
        coarse = (logits_khw > 0).cpu().numpy()
        whole = [
            k
            for k, mask in enumerate(coarse)
            if 0 < mask.mean() <= _LARGEST_SHARE and not cut_off(mask, crop, frame_size)
        ]
        if not whole:
            continue
        fine = resize_logits(logits_khw[None, whole].cpu(), crop.size)[0].numpy()
        for k, logits in zip(whole, fine, strict=True):
            proposal = _proposal(logits, float(ious_k[k]), place, crop)
            if proposal is not None:
                yield proposal


def _proposal(logits: NDArray[np.float32], iou: float, place: Blob, crop: Crop) -> MaskProposal | None:
    """Make a proposal of the part of a mask that was clicked on; ``None`` if none was."""
    parts, _ = label(logits > 0)
    here = parts[min(round(place.y) - crop.top, crop.height - 1), min(round(place.x) - crop.left, crop.width - 1)]
    if here == 0:
        return None
    area = bounding_box(parts == here)
    mask = binary_fill_holes(parts[area] == here)
    inner = int(np.count_nonzero((logits[area] > _FIRM) & mask))
    outer = int(np.count_nonzero(logits[area] > -_FIRM))
    rows, columns = (
        slice(s.start + start, s.stop + start) for s, start in zip(area, (crop.top, crop.left), strict=True)
    )
    return MaskProposal((rows, columns), mask, iou * inner / max(outer, 1), place)
