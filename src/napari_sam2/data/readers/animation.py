"""Reader of GIF, animated PNG and animated WebP images."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import WHOLE, Area, Opened

from .still_image import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# A frame is drawn over the ones before: going backwards decodes this many on the way, and keeps them.
_KEPT_FRAMES = 32


class AnimationFrames:
    """Frames of an animation, (T, Y, X, 3), decoded when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._image = Image.open(path)
        self._held: dict[int, NDArray[np.uint8]] = {}
        count: int = getattr(self._image, "n_frames", 1)
        # How long a frame is shown is known once it is decoded.
        try:
            self._decode(0)
        except ValueError:
            self.close()
            raise
        self.interval: float | None = self._image.info.get("duration") or None
        self.shape: tuple[int, ...] = (count, self._image.height, self._image.width, 3)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it."""
        frame = index[0]
        with self._lock:
            if frame not in self._held:
                self._decode(frame)
            return self._held[frame][area]

    def close(self) -> None:
        """Close the file."""
        self._image.close()

    def _decode(self, frame: int) -> None:
        goes_back = frame < self._image.tell()
        if goes_back:
            # Opened anew, since Pillow cannot go back to the start of an animated PNG a second time.
            self._image.close()
            self._image = Image.open(self._path)
        # Forward frame by frame; backward in blocks, each of which decodes the file from its first frame on.
        for number in range(max(0, frame - _KEPT_FRAMES + 1) if goes_back else frame, frame + 1):
            try:
                self._image.seek(number)
                self._held[number] = np.asarray(self._image.convert("RGB"))
            except (*UNREADABLE, EOFError) as error:
                raise ValueError(f"frame {number} of {self._path} cannot be read: {error}") from error
        for old in list(self._held)[:-_KEPT_FRAMES]:
            del self._held[old]


def is_animation(path: Path) -> bool:
    """Tell whether an image has several frames."""
    try:
        with Image.open(path) as image:
            return image.format != "MPO" and getattr(image, "n_frames", 1) > 1
    except UNREADABLE:
        # What is wrong with it is said where it is read.
        return False


def open_animation(path: Path) -> Opened:
    """Open an animation without decoding more than its first frame."""
    try:
        frames = AnimationFrames(path)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an animation: {error}") from error
    interval = frames.interval
    return Opened(frames, "t", {} if interval is None else {"t": Size(float(interval), "ms")})
