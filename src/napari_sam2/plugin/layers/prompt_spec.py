"""Prompt specs: all that the layers ask for about an object on a frame, as plain, comparable values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2.data.prompts.drawn_shapes import fill_outline
from napari_sam2.data.prompts.prompt import Prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PromptKey(NamedTuple):
    """An object on a frame."""

    frame: int
    object_id: int


class DrawnOutline(NamedTuple):
    """A drawn outline of an object; filled only where its pixels are needed, as that takes long on large frames."""

    # ``"polygon"`` or ``"ellipse"``, which is given by the corners of the box around it.
    kind: str
    # (N, 2) float64 rows (y, x) in data pixels; what two outlines are compared by.
    corners: bytes

    @classmethod
    def of(cls, kind: str, corners: NDArray[np.floating]) -> DrawnOutline:
        """Keep corners, (N, 2) rows (y, x)."""
        return cls(kind, corners.astype(np.float64).tobytes())

    def fill(self, mask: NDArray[np.bool_]) -> None:
        """Set the pixels of a (Y, X) mask that lie inside."""
        fill_outline(self.kind, np.frombuffer(self.corners).reshape(-1, 2), mask)


@dataclass(frozen=True)
class PromptSpec:
    """All prompts about one object on one frame; points, box and mask as the session is to get them."""

    # (y, x, 1 on the object or 0 off it) in data pixels.
    points: tuple[tuple[float, float, int], ...] = ()
    # (y0, x0, y1, x1) in data pixels, the ends excluded.
    box: tuple[float, float, float, float] | None = None
    # Drawn outlines, whose insides belong to the mask.
    outlines: frozenset[DrawnOutline] = field(default=frozenset(), repr=False)
    # Painted pixels of the mask, packed; what two masks are compared by.
    mask_key: bytes | None = field(default=None, repr=False)
    # (Y, X) of the mask.
    mask_shape: tuple[int, int] = (0, 0)

    @property
    def has_mask(self) -> bool:
        """Whether there is a mask, painted or drawn."""
        return self.mask_key is not None or bool(self.outlines)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(Y, X) bool, made anew each time; or None."""
        if not self.has_mask:
            return None
        if self.mask_key is None:
            mask = np.zeros(self.mask_shape, bool)
        else:
            size = self.mask_shape[0] * self.mask_shape[1]
            bits = np.unpackbits(np.frombuffer(self.mask_key, np.uint8), count=size)
            mask = bits.reshape(self.mask_shape).view(bool)
        for outline in self.outlines:
            outline.fill(mask)
        return mask

    def with_mask(self, mask: NDArray[np.bool_]) -> PromptSpec:
        """Return the same with this mask, in place of the one there was."""
        shape = mask.shape[0], mask.shape[1]
        return replace(self, outlines=frozenset(), mask_key=np.packbits(mask).tobytes(), mask_shape=shape)

    def joined(self, other: PromptSpec) -> PromptSpec:
        """Return the prompts of both; of two boxes the other's counts."""
        points, outlines = self.points + other.points, self.outlines | other.outlines
        shape = other.mask_shape if other.has_mask else self.mask_shape
        if self.mask_key is None or other.mask_key is None:
            painted = self.mask_key or other.mask_key
        else:
            # Packed bits can be joined as they are.
            pixels = (np.frombuffer(key, np.uint8) for key in (self.mask_key, other.mask_key))
            painted = np.bitwise_or(*pixels).tobytes()
        return PromptSpec(points, other.box or self.box, outlines, painted, shape)

    def extends(self, earlier: PromptSpec) -> bool:
        """Whether this only adds points to an earlier spec, so that its mask can be refined and not made anew."""
        parts = [(wish.box, wish.outlines, wish.mask_key) for wish in (self, earlier)]
        return parts[0] == parts[1] and self.points[: len(earlier.points)] == earlier.points

    def as_prompt(self, place: PromptKey) -> Prompt:
        """Return the prompt that the session has of it: points and a box take the place of the mask they refine."""
        points = labels = None
        if self.points:
            points = np.array([(y, x) for y, x, _ in self.points], np.float32)
            labels = np.array([label for _, _, label in self.points], np.int32)
        mask = self.mask if points is None and self.box is None else None
        return Prompt(place.frame, place.object_id, points, labels, self.box, mask)

    @classmethod
    def of(cls, prompt: Prompt) -> PromptSpec:
        """Make the spec of a prompt."""
        points: tuple[tuple[float, float, int], ...] = ()
        if prompt.points is not None and prompt.labels is not None:
            rows = zip(prompt.points.tolist(), prompt.labels.tolist(), strict=True)
            points = tuple((y, x, label) for (y, x), label in rows)
        wish = cls(points, prompt.box)
        return wish if prompt.mask is None else wish.with_mask(prompt.mask)


PromptSpecs = Mapping[PromptKey, PromptSpec]


def merge(parts: Iterable[PromptSpecs]) -> dict[PromptKey, PromptSpec]:
    """Join the specs of several sources; of two boxes the later one counts."""
    merged: dict[PromptKey, PromptSpec] = {}
    for part in parts:
        for place, wish in part.items():
            merged[place] = merged[place].joined(wish) if place in merged else wish
    return merged


def outline_wish(kind: str, corners: NDArray[np.floating], shape: tuple[int, int]) -> PromptSpec | None:
    """Make the spec of an outline on a frame of (Y, X) pixels; None if no pixel can lie inside."""
    low, high = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
    if (high < np.maximum(low, 0)).any() or (low > np.array(shape) - 1).any():
        return None
    return PromptSpec(outlines=frozenset({DrawnOutline.of(kind, corners)}), mask_shape=shape)


def is_inside(y: float, x: float, shape: tuple[int, int]) -> bool:
    """Whether a place lies on the image; its border pixels reach half a pixel beyond their centres."""
    return -0.5 <= y <= shape[0] - 0.5 and -0.5 <= x <= shape[1] - 0.5


def first_masks(data: Any, frames: Iterable[Any]) -> dict[PromptKey, PromptSpec]:
    """Make masks of the objects in an array of labels, each on the first frame that it is on.

    ``frames``: the index of each frame's plane in the array.
    """
    specs: dict[PromptKey, PromptSpec] = {}
    known: set[int] = set()
    for frame, index in enumerate(frames):
        image = np.asarray(data[index])
        for object_id in sorted({int(value) for value in np.unique(image) if value > 0} - known):
            specs[PromptKey(frame, object_id)] = PromptSpec().with_mask(image == object_id)
            known.add(object_id)
    return specs
