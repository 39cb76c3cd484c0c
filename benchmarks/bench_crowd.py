"""Many small objects in windows beside one of them, in turns on the same frames: how many times as long a frame takes.

``python benchmarks/bench_crowd.py --objects 64 --rounds 6`` writes JSON; wall time on all threads and processor time.
``--quality DATA SEQUENCE...`` says instead how good the masks of all objects of the first frame are on the next five:
in windows of their own, in shared ones, and in shared ones that may be a step larger (mean J and F).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session
from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.benchmark.workload import Workload
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, read_sequences
from napari_sam2.evaluation.metrics import boundary_accuracy, region_similarity
from napari_sam2.model.precision import precision_of
from napari_sam2.session.tracking import crop_follower
from napari_sam2.session.zoom import shared_windows
from napari_sam2.weights.load import load_model

# From how many objects on windows are shared, and may be larger.
_NEVER, _ALWAYS = sys.maxsize, 1
SHARING = {"own": (_NEVER, _NEVER), "shared": (_ALWAYS, _NEVER), "shared, a step larger": (_ALWAYS, _ALWAYS)}
_FRAMES = 6


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


def quality(preset: str, sequence: LabelledSequence) -> str:
    """One line of a table: J / F of all objects of the first frame, for each way to share windows."""
    model, truth, cells = load_model(preset=preset), sequence.labels[:_FRAMES], []
    object_ids = [i for i in np.unique(truth[0]).tolist() if i]
    for crop_follower.CROWD, shared_windows.LARGE_CROWD in SHARING.values():
        session = Session(model, sequence.stack)
        for object_id in object_ids:
            session.add_mask(0, object_id, truth[0] == object_id)
        for _ in session.propagate(0, max_frames=_FRAMES):
            pass
        pairs = [(session.labels[t] == i, truth[t] == i) for t in range(1, _FRAMES) for i in object_ids]
        means = [np.mean([measured(*pair) for pair in pairs]) for measured in (region_similarity, boundary_accuracy)]
        cells.append(" / ".join(f"{mean:.3f}" for mean in means))
    return f"| {sequence.name} ({len(object_ids)}) | {' | '.join(cells)} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--zoom", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quality", nargs="+", metavar=("DATA", "SEQUENCE"), help="labelled sequences in a folder")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.quality:
        data, *names = options.quality
        sys.stdout.write(f"| objects of the first frame, J / F | {' | '.join(SHARING)} |\n|---|---|---|---|\n")
        for sequence in read_sequences(Path(data), tuple(names)):
            sys.stdout.write(quality(options.preset, sequence))
        return
    found = measure(options.preset, options.objects, rounds=options.rounds, zoom=options.zoom)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
