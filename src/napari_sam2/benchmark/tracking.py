"""Time and peak memory of tracked frames."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.memory_estimate import estimate_memory

from .memory import PeakMemory
from .timing import Patience, repeat
from .workload import Workload


@dataclass(frozen=True)
class TrackingTime:
    """Tracking with a full memory: reading, encoding, attending, decoding, remembering, drawing."""

    # How many are tracked at once.
    objects: int
    # Median for a frame, all objects together.
    seconds: float
    # How many were timed.
    frames: int
    # Most memory that was taken, weights included; of the main memory what is beyond the program and its libraries.
    peak_bytes: int
    # What `estimate_memory` says of it.
    estimated_bytes: int

    @property
    def frames_per_second(self) -> float:
        """Frames with all of their objects."""
        return 1 / self.seconds

    @property
    def object_frames_per_second(self) -> float:
        """Frames, counted once for each object."""
        return self.objects / self.seconds


def measure_tracking(model: Sam2, work: Workload, *, patience: Patience, program_bytes: int) -> TrackingTime:
    """Time tracked frames, and watch the memory while one more is tracked."""
    session, run = replace(work, frames=patience.rounds + 1).begin(model)
    with PeakMemory(model.device) as memory:
        next(run)
    # Memory is sampled on a frame of its own: the sampling thread costs time.
    taken = repeat(lambda: next(run), model.device, patience=patience)
    estimate = estimate_memory(model, session.stack.shape, work.objects, frame_bytes=work.side**2)
    before = 0 if model.device.type == "cuda" else program_bytes
    return TrackingTime(
        objects=work.objects,
        seconds=statistics.median(taken),
        frames=len(taken),
        peak_bytes=max(memory.peak - before, 0),
        estimated_bytes=estimate.total,
    )
