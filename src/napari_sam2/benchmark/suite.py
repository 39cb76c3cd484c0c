"""Run all measurements of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_sam2.model.precision import precision_of
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.source import source_of

from .machine import describe_machine
from .memory import resident_bytes
from .stages import StageTime, measure_stages
from .timing import Patience
from .tracking import TrackingTime, measure_tracking
from .workload import Workload


@dataclass(frozen=True)
class Measurements:
    """Results of a suite, with the model and the machine they are of."""

    # Name, preset, input size, number type and why it was chosen, device and weights.
    model: dict[str, Any]
    # See `describe_machine`.
    machine: dict[str, Any]
    # Height and width of the frames in pixels.
    side: int
    # Steps of a frame, for one object.
    stages: tuple[StageTime, ...]
    # Whole frames, by number of objects.
    tracking: tuple[TrackingTime, ...]


def run_suite(
    load: Callable[[], Sam2],
    *,
    objects: Sequence[int],
    side: int,
    patience: Patience,
    about: dict[str, Any],
    tell: Callable[[str], None],
) -> Measurements:
    """Measure stages and tracking of a model.

    ``side``: height and width of the frames in pixels.
    """
    program_bytes = _settled()
    model = load()
    tell("stages of a frame")
    stages = measure_stages(model, side=side, patience=patience)
    tracking = []
    for count in sorted(set(objects)):
        tell(f"tracking {count} object{'s' * (count > 1)}")
        work = Workload(count, side=side)
        tracking.append(measure_tracking(model, work, patience=patience, program_bytes=program_bytes))
    return Measurements(about | _describe(model), describe_machine(), side, stages, tuple(tracking))


def _settled() -> int:
    # PyTorch's threads and its libraries' tables come with the first product, whatever model it is for.
    size = resident_bytes()
    torch.ones(8, 8) @ torch.ones(8, 8)
    return size


def _describe(model: Sam2) -> dict[str, Any]:
    source = source_of(model)
    arithmetic = None if source is None else source.arithmetic
    return {
        "variant": model.config.name,
        "image_size": model.config.image_size,
        "preset": model.options.preset,
        "dtype": precision_of(model),
        "dtype_reason": "asked for" if arithmetic is None else arithmetic.reason,
        "threads": torch.get_num_threads() if model.threads is None else model.threads.best,
        "threads_reason": "PyTorch's own" if source is None or source.threads is None else source.threads.reason,
        "device": str(model.device),
    }
