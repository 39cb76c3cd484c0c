"""Frames of a stack on the worker: sent and kept by their hash, or read there from the same file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.frame_sources import WHOLE, Area
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.open_stack import open_stack

from .packing import PackedArray
from .protocol import StackThere, frame_key

# Compressed frames that a worker keeps, for all sessions together.
KEPT_BYTES = 2**30


class LackingFrameError(LookupError):
    """A frame has to be sent."""

    def __init__(self, frame: int) -> None:
        super().__init__(frame)
        self.frame = frame


class KeptFrames:
    """Frames by key, those used last; shared by the sessions of a process."""

    def __init__(self, budget: int = KEPT_BYTES) -> None:
        self._frames: OrderedDict[str, PackedArray] = OrderedDict()
        self._budget = budget
        self._lock = Lock()

    @property
    def keys(self) -> frozenset[str]:
        """What there is."""
        return frozenset(self._frames)

    def put(self, pixels: Mapping[str, PackedArray]) -> None:
        """Keep frames; of the others, those used longest ago go."""
        with self._lock:
            self._frames.update(pixels)
            total = sum(len(frame.data) for frame in self._frames.values())
            while total > self._budget and len(self._frames) > len(pixels):
                total -= len(self._frames.popitem(last=False)[1].data)

    def get(self, key: str) -> PackedArray | None:
        """Look up a frame."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
            return self._frames.get(key)


class FramesThere:
    """A source of frames that were sent, or that a file has which both sides see."""

    def __init__(self, stack: StackThere, kept: KeptFrames) -> None:
        self.shape = stack.shape
        self.dtype = np.dtype(stack.dtype)
        self.keys: dict[int, str] = {}
        self._kept = kept
        self._file = _open_same(stack)

    @property
    def sees_file(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def read(self, frame: int, area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame or an area of it; `LackingFrameError` where it is not there."""
        key = self.keys.get(frame, "")
        packed = self._kept.get(key)
        if packed is not None:
            return packed.unpack()[area]
        # By its hash, so that what the user sees is what is tracked, whatever lies at that path.
        if self._file is not None:
            pixels = self._file.read(frame)
            if frame_key(pixels) == key:
                return pixels[area]
        raise LackingFrameError(frame)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _open_same(stack: StackThere) -> Stack | None:
    if stack.path is None:
        return None
    try:
        found = open_stack(stack.path, axis=stack.axis, selection=stack.selection)
    except (OSError, ValueError, RuntimeError):
        # No such file there, or none that can be read there: frames are sent.
        return None
    if found.shape == stack.shape[:3] and found.dtype == np.dtype(stack.dtype):
        return found
    found.close()
    return None
