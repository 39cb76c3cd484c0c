"""Peak memory of a piece of work."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch

# Between two looks at the process: work that takes less than that comes and goes unseen.
SAMPLING_S = 0.004


def resident_bytes() -> int:
    """Bytes of main memory that this process has."""
    size: int = psutil.Process().memory_info().rss
    return size


class PeakMemory:
    """Watches the memory of a device while a ``with`` block runs.

    ``peak``: most bytes that were taken within the block; on a CPU the whole process's, libraries included.
    """

    def __init__(self, device: torch.device) -> None:
        self.peak = 0
        self._on_gpu = device.type == "cuda"
        self._device = device
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="napari-sam2-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._on_gpu:
            self.peak = torch.cuda.max_memory_allocated(self._device)
            return
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, resident_bytes())
            if self._done.wait(SAMPLING_S):
                return
