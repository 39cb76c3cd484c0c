"""Encoding of frames into image features, with a cache of those used last (spec section 4.7, row 4)."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.images.stack import Stack
from napari_sam2.model.config import Sam2Config
from napari_sam2.model.sam2 import ImageFeatures, Sam2
from napari_sam2.session.zoom.crop import Crop

from .batch_sizes import windows_at_once
from .feature_store import FeatureStore
from .prefetch import ReadAhead

# Default budget, the larger of the two: many frames of a small model, or a few of a large one.
CACHE_BYTES = 48 * 2**20
CACHE_FRAMES = 6
# Frame, crop, and side of the model's input.
_Place: TypeAlias = tuple[int, Crop | None, int]


def resize_rgb8(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squeeze an image into the model's square input, as the reference reads video frames (spec section 2.2).

    ``image``: (Y, X, 3) uint8.
    ``size``: side of the square in pixels.
    Returns (size, size, 3) uint8.
    """
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def feature_dtype(model: Sam2) -> torch.dtype:
    """Type that features are kept in: half precision, but as they are where the model is to be exact."""
    if model.options.preset == "exact" or model.dtype.itemsize == 2:
        return model.dtype
    return torch.float16


def feature_bytes(config: Sam2Config, dtype: torch.dtype) -> int:
    """Bytes that the features of one frame take."""
    # The maps of strides 16, 8 and 4 have 1, 1/4 and 1/8 of the channels.
    return 4 * config.d_model * config.grid_size**2 * dtype.itemsize


def default_cache_bytes(config: Sam2Config, dtype: torch.dtype) -> int:
    """The cache's budget in bytes where the user gives none."""
    return max(CACHE_BYTES, CACHE_FRAMES * feature_bytes(config, dtype))


def convert(features: ImageFeatures, dtype: torch.dtype) -> ImageFeatures:
    """Convert features to another type, channels last; what is too large for the type becomes its largest number.

    The sums of a product depend on how its numbers lie: features from a disk have to lie as those of the model do.
    """
    most = torch.finfo(dtype).max
    widest = torch.finfo(features.s16_bchw.dtype).max
    maps = vars(features).values()
    held = (x.clamp(-most, most) if most < widest else x for x in maps)
    return ImageFeatures(*(x.to(dtype, memory_format=torch.channels_last) for x in held))


class FrameEncoder:
    """Encodes the frames of one stack with one model and keeps the features used last, within a budget.

    Features are kept rounded to half precision unless the model's preset is ``"exact"``, and are given out rounded from
    the beginning: whether they come from the model, from memory or from disk makes no difference.

    ``contrast_limits``: the contrast window; chosen from the stack where not given, when the first frame is encoded.
    ``cache_bytes``: budget in memory; at least the last frame is kept. By default `default_cache_bytes`.
    """

    def __init__(
        self,
        model: Sam2,
        stack: Stack,
        *,
        contrast_limits: Sequence[float] | None = None,
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.stack = stack
        self.frames_encoded = 0
        # Limits that are given are checked at once; choosing them takes reading frames, which can wait.
        self._window = None if contrast_limits is None else choose_window(stack, contrast_limits)
        self._window_chosen = contrast_limits is not None
        self._dtype = feature_dtype(model)
        self.cache_bytes = default_cache_bytes(model.config, self._dtype) if cache_bytes is None else cache_bytes
        self._store = None if cache_folder is None else FeatureStore(cache_folder, model, dtype=self._dtype)
        # The one used longest ago first.
        self._features: OrderedDict[_Place, ImageFeatures] = OrderedDict()
        # Of the crops of the next frame that are encoded already, by what is to be encoded together.
        self._coming: dict[tuple[_Place, ...], list[ImageFeatures]] = {}
        # Pixels of the two frames read last: one is encoded, the other compared with it to follow objects.
        self._last_read: dict[int, NDArray[Any]] = {}
        # Reads ahead for the runs under way, the innermost last.
        self._ahead: list[ReadAhead] = []

    @property
    def window(self) -> Window | None:
        """The contrast window that maps the stack to 8 bits; ``None`` for 8-bit colour, which is used as it is."""
        if not self._window_chosen:
            self._window = choose_window(self.stack)
            self._window_chosen = True
        return self._window

    def prepare(self, frame: int) -> None:
        """Encode a frame, so that what is asked about it next is answered at once."""
        self.encode(frame)

    def encode(self, frame: int, view: Crop | None = None, *, size: int | None = None) -> ImageFeatures:
        """Encode a frame, or take its features from the cache.

        ``view``: the crop to encode; the whole frame where not given.
        ``size``: side of the input in pixels, a multiple of 32; the model's own where not given.
        """
        return self.encode_views(frame, [view], size=size)

    @torch.inference_mode()
    def encode_views(self, frame: int, views: Sequence[Crop | None], *, size: int | None = None) -> ImageFeatures:
        """Encode several crops of a frame, one per row of the batch; those not in the cache are encoded together."""
        side = size or self.model.config.image_size
        # Encode what is missing, each crop once.
        places = [(frame, view, side) for view in views]
        missing = self._missing(places)
        # Only as the same batch: in another one the last bits may be others.
        fetched = self._coming.pop(missing, None) or self._fetch(missing)
        self._features.update(zip(missing, fetched, strict=True))
        # Mark as used before the cache is shrunk; take the features out first, as shrinking may drop some of them.
        for place in places:
            self._features.move_to_end(place)
        found = [vars(self._features[place]).values() for place in places]
        self._shrink()
        # Most often there is one, which is not copied.
        maps = (group[0] if len(group) == 1 else torch.cat(group) for group in zip(*found, strict=True))
        return convert(ImageFeatures(*maps), self.model.dtype)

    @torch.inference_mode()
    def encode_ahead(self, frame: int, groups: Iterable[Sequence[Crop | None]]) -> None:
        """Encode groups of crops of a frame that are about to be asked for; what was encoded so before is given up."""
        self._coming.clear()
        side = self.model.config.image_size
        for views in groups:
            missing = self._missing([(frame, view, side) for view in views])
            self._coming[missing] = self._fetch(missing)

    def _missing(self, places: Iterable[_Place]) -> tuple[_Place, ...]:
        return tuple(place for place in dict.fromkeys(places) if place not in self._features)

    def _fetch(self, places: Iterable[_Place]) -> list[ImageFeatures]:
        squared = [resize_rgb8(self.look(frame, view), size) for frame, view, size in places]
        if self._store is None:
            return self._compute(squared)
        # Equal pictures, such as empty frames, have one key and are encoded once.
        keys = [self._store.key(square) for square in squared]
        found = {key: features for key in keys if (features := self._store.load(key)) is not None}
        missing = {key: square for key, square in zip(keys, squared, strict=True) if key not in found}
        for key, features in zip(missing, self._compute(list(missing.values())), strict=True):
            self._store.save(key, features)
            found[key] = features
        return [found[key] for key in keys]

    def _compute(self, squared: Sequence[NDArray[np.uint8]]) -> list[ImageFeatures]:
        if not squared:
            return []
        # Many windows one group after the other: a pass takes much memory.
        if len(squared) > (at_once := windows_at_once(self.model.config)):
            return [*self._compute(squared[:at_once]), *self._compute(squared[at_once:])]
        # Rounded at once: see the class.
        pixels = torch.from_numpy(np.stack(squared)).permute(0, 3, 1, 2)
        features = convert(self.model.encode_image(pixels.to(self.model.device)), self._dtype)
        self.frames_encoded += len(squared)
        if len(squared) == 1:
            return [features]
        # Copies: a slice would hold the whole batch for as long as it is kept.
        maps = zip(*(x.split(1) for x in vars(features).values()), strict=True)
        return [ImageFeatures(*(x.clone() for x in group)) for group in maps]

    def look(self, frame: int, view: Crop | None = None) -> NDArray[np.uint8]:
        """Read a frame, or a crop of it, as 8-bit colour: (Y, X, 3) uint8, before it is resized for the model."""
        pixels = self._read(frame)
        return to_rgb8(pixels if view is None else pixels[view.crop], self.window)

    @property
    def planned(self) -> Sequence[int]:
        """Frames of the run that is under way."""
        return self._ahead[-1].plan if self._ahead else ()

    @contextmanager
    def reading_ahead(self, plan: Sequence[int]) -> Iterator[None]:
        """Read the next frames of a run on a thread until the context is left."""
        ahead = ReadAhead(self.stack, plan)
        self._ahead.append(ahead)
        try:
            yield
        finally:
            self._ahead.remove(ahead)
            ahead.close()

    def _read(self, frame: int) -> NDArray[Any]:
        # Crops of a frame follow one another, and the next frame is compared with it.
        if frame not in self._last_read:
            pixels = self._ahead[-1].read(frame) if self._ahead else self.stack.read(frame)
            self._last_read = dict(list(self._last_read.items())[-1:]) | {frame: pixels}
        return self._last_read[frame]

    def _shrink(self) -> None:
        room = max(self.cache_bytes // feature_bytes(self.model.config, self._dtype), 1)
        while len(self._features) > room:
            self._features.popitem(last=False)

    def clear(self) -> None:
        """Forget all features."""
        self._features.clear()
        self._coming.clear()
        self._last_read.clear()
