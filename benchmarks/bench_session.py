"""Seconds of each step of a frame, and of whole tracked frames by number of objects and size, with a full memory.

Run with ``python -m pytest benchmarks/bench_session.py``; ``-k "nano and balanced"`` for a part of it. The tables of
docs/performance.md come from ``refresh.py``, which times the same calls.
"""

from __future__ import annotations

import pytest

from conftest import SIDE
from napari_sam2.benchmark.stages import HISTORIES, attention_name, stage_calls
from napari_sam2.benchmark.timing import Patience
from napari_sam2.benchmark.tracking import measure_tracking
from napari_sam2.benchmark.workload import Workload
from napari_sam2.model.sam2 import Sam2

ROUNDS = 3
STAGES = (
    "image encoder",
    *(attention_name(history, history) for history in HISTORIES),
    attention_name(7, 16),
    "mask decoder",
    "memory encoder",
    "preview of a click",
)


@pytest.mark.parametrize("stage", STAGES)
def test_stage(benchmark, model: Sam2, stage: str) -> None:
    call = stage_calls(model, side=SIDE).get(stage)
    if call is None:
        pytest.skip(f"the preset {model.options.preset} never attends to so much")
    benchmark.pedantic(call, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("objects", [1, 3, 10])
def test_tracked_frame(benchmark, model: Sam2, objects: int) -> None:
    _, run = Workload(objects, ROUNDS + 1, SIDE).begin(model)
    benchmark.extra_info["object_frames"] = objects
    benchmark.pedantic(next, args=(run,), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("side", [256, 1024, 4096])
def test_tracked_frame_by_its_size(benchmark, model: Sam2, side: int) -> None:
    _, run = Workload(1, ROUNDS + 1, side).begin(model)
    benchmark.pedantic(next, args=(run,), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("objects", [1, 10])
def test_peak_memory(benchmark, model: Sam2, objects: int) -> None:
    def measure() -> None:
        measured = measure_tracking(model, Workload(objects, side=SIDE), patience=Patience(1, 0), program_bytes=0)
        benchmark.extra_info["peak_mb"] = round(measured.peak_bytes / 1e6)

    benchmark.pedantic(measure)
