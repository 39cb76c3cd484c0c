"""Pixels without a value (NaN), and infinite ones: taken as background and said once, or refused."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MissingPixels:
    """What to do about them in one image, whichever of its frames, channels and parts they are in."""

    def __init__(self) -> None:
        self.refuse = False
        self._is_said = False
        # Frames are read ahead on another thread.
        self._lock = threading.Lock()

    def check(self, image: NDArray[Any], frame: int) -> None:
        """Say it the first time that a frame has such pixels; ``ValueError`` where they are refused."""
        if image.dtype.kind != "f" or (self._is_said and not self.refuse) or np.isfinite(image).all():
            return
        count = image.size - np.count_nonzero(np.isfinite(image))
        found = f"frame {frame} holds {count} values that are NaN or infinite"
        if self.refuse:
            raise ValueError(f"{found}: without --nan refuse they count as background")
        with self._lock:
            is_said, self._is_said = self._is_said, True
        if not is_said:
            warnings.warn(f"{found}: NaN counts as background, here and on other frames", stacklevel=3)
