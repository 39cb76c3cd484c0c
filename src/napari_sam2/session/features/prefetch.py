"""Reading ahead: a thread reads the next frames of a run while the model works on the present one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import Any

from numpy.typing import NDArray

from napari_sam2.data.images.stack import Stack

# Most frames, and most bytes, that wait to be used; one frame may always wait.
AHEAD_FRAMES = 3
AHEAD_BYTES = 64 * 2**20


def frame_bytes(stack: Stack) -> int:
    """Bytes of one frame as it is read."""
    return prod((stack.height, stack.width, 3 if stack.is_rgb else 1)) * stack.dtype.itemsize


def frames_ahead(size: int) -> int:
    """How many frames of that many bytes are read ahead."""
    return min(max(AHEAD_BYTES // size, 1), AHEAD_FRAMES)


class ReadAhead:
    """Frames of a stack in the order in which they are going to be asked for.

    All reading is done by the one thread, one frame at a time. Nothing is read before the first frame is asked for.
    """

    def __init__(self, stack: Stack, plan: Sequence[int]) -> None:
        self._stack = stack
        self.plan = plan
        # How much of the plan is behind, and how many frames to have ready beyond it.
        self._place = 0
        self._depth = frames_ahead(frame_bytes(stack))
        self._waiting: dict[int, Future[NDArray[Any]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2-read")

    def read(self, frame: int) -> NDArray[Any]:
        """Return a frame, and have the next ones read."""
        future = self._waiting.pop(frame, None) or self._thread.submit(self._stack.read, frame)
        # Frames outside the plan, such as those a user prompts while tracking, are read, but the plan does not move on.
        if frame in self.plan[self._place :]:
            self._place = self.plan.index(frame, self._place) + 1
            self._fill(self.plan[self._place : self._place + self._depth])
        return future.result()

    def _fill(self, coming: Sequence[int]) -> None:
        # What was skipped is no longer wanted; frames that wait hold memory.
        for frame in [t for t in self._waiting if t not in coming]:
            self._waiting.pop(frame).cancel()
        for frame in coming:
            if frame not in self._waiting:
                self._waiting[frame] = self._thread.submit(self._stack.read, frame)

    def close(self) -> None:
        """End the thread after the frame that it is reading; does not wait for that, as reading may take long."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._waiting.clear()
