"""Frames become image features, and the most recently used features are kept (spec 4.7, row 4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.frames import Window, choose_window, to_rgb8
from napari_sam2.data.stack import Stack
from napari_sam2.model.sam2 import ImageFeatures, Sam2

from .view import View

CACHE_BYTES = 128 * 2**20


def resize_rgb8(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squeeze an image into the model's square input, as the reference reads video frames (spec 2.2).

    Parameters
    ----------
    image : ndarray
        (Y, X, 3) uint8.
    size : int
        Side of the square in pixels.

    Returns
    -------
    ndarray
        (size, size, 3) uint8.
    """
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def feature_bytes(features: ImageFeatures) -> int:
    """Bytes that a frame's features take."""
    maps = (features.s4_bchw, features.s8_bchw, features.s16_bchw)
    return sum(x.numel() * x.element_size() for x in maps)


class FrameEncoder:
    """Encodes the frames of one stack with one model and keeps the last ones within a budget.

    Parameters
    ----------
    model : Sam2
        Whose encoder is used.
    stack : Stack
        Where frames are read from, one at a time.
    contrast_limits : sequence of float, optional
        The window; chosen from the stack where not given, when the first frame is encoded.
    cache_bytes : int
        Budget; at least the last frame is kept.
    """

    def __init__(
        self,
        model: Sam2,
        stack: Stack,
        *,
        contrast_limits: Sequence[float] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.model = model
        self.stack = stack
        self.cache_bytes = cache_bytes
        self.frames_encoded = 0
        # Limits that are given are checked at once; choosing them takes reading frames, which can wait.
        self._window = None if contrast_limits is None else choose_window(stack, contrast_limits)
        self._window_chosen = contrast_limits is not None
        self._features: OrderedDict[tuple[int, View | None], ImageFeatures] = OrderedDict()
        self._last_read: dict[int, NDArray[Any]] = {}

    @property
    def window(self) -> Window | None:
        """The window that maps the whole stack to 8 bits; ``None`` for 8-bit colour, which is left alone."""
        if not self._window_chosen:
            self._window = choose_window(self.stack)
            self._window_chosen = True
        return self._window

    @torch.inference_mode()
    def encode(self, frame: int, view: View | None = None) -> ImageFeatures:
        """Features of a frame, from the cache where they are there.

        Parameters
        ----------
        frame : int
            Index of the frame.
        view : View, optional
            The part of it to look at; all of it where not given.

        Raises
        ------
        ValueError
            If the frame cannot be read or holds NaN or infinite values.
        """
        if (frame, view) in self._features:
            self._features.move_to_end((frame, view))
            return self._features[frame, view]
        squared = resize_rgb8(self.look(frame, view), self.model.config.image_size)
        # torch takes no read-only arrays, which Pillow's are.
        image = torch.from_numpy(squared if squared.flags.writeable else squared.copy())
        features = self.model.encode_image(image.permute(2, 0, 1)[None].to(self.model.device))
        self.frames_encoded += 1
        self._features[frame, view] = features
        self._shrink()
        return features

    def look(self, frame: int, view: View | None = None) -> NDArray[np.uint8]:
        """Pixels of a frame as the model takes them, (Y, X, 3) uint8 of the view.

        Raises
        ------
        ValueError
            If the frame cannot be read or holds NaN or infinite values.
        """
        pixels = self._read(frame)
        return to_rgb8(pixels if view is None else pixels[view.crop], self.window)

    def _read(self, frame: int) -> NDArray[Any]:
        # Windows of a frame follow one another, and the next frame is compared with it.
        if frame not in self._last_read:
            self._last_read = dict(list(self._last_read.items())[-1:]) | {frame: self.stack.read(frame)}
        return self._last_read[frame]

    def _shrink(self) -> None:
        total = sum(feature_bytes(f) for f in self._features.values())
        while total > self.cache_bytes and len(self._features) > 1:
            _, dropped = self._features.popitem(last=False)
            total -= feature_bytes(dropped)

    def clear(self) -> None:
        """Forget all features."""
        self._features.clear()
        self._last_read.clear()
