"""Many small objects in windows beside one of them, in turns on the same frames: how many times as long a frame takes.

``python benchmarks/bench_crowd.py --objects 64 --rounds 6`` writes JSON; wall time on all threads and processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import torch

from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.benchmark.workload import Workload
from napari_sam2.model.precision import precision_of
from napari_sam2.weights.load import load_model


def measure(preset: str, objects: int, *, rounds: int, zoom: str) -> dict[str, Any]:
    """Median seconds of a frame with a full memory, of one object and of many, and median ratios of the turns."""
    model = load_model(preset=preset)
    runs = {count: Workload(count, rounds + 1, zoom=zoom).begin(model) for count in (1, objects)}
    taken: dict[int, list[tuple[float, float]]] = {count: [] for count in runs}
    passes = {count: session.encoder.frames_encoded for count, (session, _) in runs.items()}
    for turn in range(rounds + 1):
        for count, (_, run) in runs.items():
            begun = time.perf_counter(), time.process_time()
            next(run)
            if turn:
                taken[count].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    session, _ = runs[objects]
    kinds = {
        kind: {count: [pair[i] for pair in pairs] for count, pairs in taken.items()}
        for i, kind in enumerate(("wall", "used"))
    }
    return {
        "objects": objects,
        "dtype": precision_of(model),
        "encoder passes a frame": (session.encoder.frames_encoded - passes[objects]) / (rounds + 1),
        **{kind: _rates(seconds) for kind, seconds in kinds.items()},
        "machine": describe_machine(),
    }


def _rates(taken: dict[int, list[float]]) -> dict[str, float]:
    one, many = taken[1], taken[max(taken)]
    return {
        "seconds of one": statistics.median(one),
        "seconds of many": statistics.median(many),
        "times one": statistics.median(b / a for a, b in zip(one, many, strict=True)),
        # Other programs make some frames slow, and a long frame sooner than a short one.
        "times one, best of each": min(many) / min(one),
        "object frames a second, best": max(taken) / min(many),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--zoom", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = measure(options.preset, options.objects, rounds=options.rounds, zoom=options.zoom)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
