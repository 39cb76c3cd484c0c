"""Several channels combined into one RGB image: as red, green and blue, or each in colours of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_sources import WHOLE, Area

from .contrast import Frames, Window, choose_window, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class CompositeFrames:
    """Frames of uint8 RGB made of two or three channels, each with one contrast window for the whole stack."""

    def __init__(
        self, channels: Sequence[Frames], windows: Sequence[tuple[float, float]], defaults: Sequence[Window | None]
    ) -> None:
        self._channels = channels
        # A user's windows (one for each channel, or one for all) come before those that the file records.
        given = [Window(*pair) for pair in windows]
        self._windows: list[Window | None] = [*(given * len(channels) if len(given) == 1 else given or defaults)]
        # What is missing is measured when the first frame is read, not on opening: that takes many frames.
        self._windows += [None] * (len(channels) - len(self._windows))
        # Threads that read the first frames together must all use the same measured windows.
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = (*channels[0].shape, 3)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        images = [
            stretch(channel.read(frame)[area], window)
            for channel, window in zip(self._channels, self._all_windows(), strict=True)
        ]
        # Two channels are red and green; blue stays black.
        images += [np.zeros_like(images[0])] * (3 - len(images))
        return np.stack(images, axis=-1)

    def close(self) -> None:
        """Close the file of the channels."""
        for channel in self._channels:
            channel.close()

    def _all_windows(self) -> list[Window]:
        with self._lock:
            for i, channel in enumerate(self._channels):
                if self._windows[i] is None:
                    self._windows[i] = choose_window(channel)
        return [window for window in self._windows if window is not None]


class MixedFrames:
    """Frames of uint8 RGB: the sum of channels, each shown within its window in the colours of a table.

    ``tables`` hold what is black first and what is white last, (256, 3) uint8 each.
    """

    def __init__(
        self, channels: Sequence[Frames], windows: Sequence[Window], tables: Sequence[NDArray[np.uint8]]
    ) -> None:
        self._channels = list(zip(channels, windows, tables, strict=True))
        self.shape: tuple[int, ...] = (*channels[0].shape, 3)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        images = (table[stretch(channel.read(frame)[area], window)] for channel, window, table in self._channels)
        # Light adds up, and no more than white can be shown.
        return np.minimum(sum(image.astype(np.uint16) for image in images), 255).astype(np.uint8)

    def close(self) -> None:
        """Close the files of the channels."""
        for channel, _, _ in self._channels:
            channel.close()
