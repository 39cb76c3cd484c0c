"""Up to three channels shown together as red, green and blue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from .contrast import Frames, Window, choose_window, stretch
from .frame_sources import WHOLE, Area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class CompositeFrames:
    """Frames of uint8 RGB made of two or three channels, each with one window for the whole stack.

    ``windows``: (low, high) for each, or one for all. Where empty, what the file says, else percentiles of each
    channel, which are taken when the first frame is read.
    """

    def __init__(
        self, channels: Sequence[Frames], windows: Sequence[tuple[float, float]], said: Sequence[Window | None]
    ) -> None:
        self._channels = channels
        given = [Window(*pair) for pair in windows]
        self._windows: list[Window | None] = [*(given * len(channels) if len(given) == 1 else given or said)]
        self._windows += [None] * (len(channels) - len(self._windows))
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = (*channels[0].shape, 3)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        images = [
            stretch(channel.read(frame)[area], window)
            for channel, window in zip(self._channels, self._all_windows(), strict=True)
        ]
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
