"""A crowd of small objects in windows, against one of them: processor time of a frame on one thread.

``python benchmarks/crowd.py --objects 64 --spacing 1.2`` prints JSON; ``--profile`` says where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_sam2 import Session, load_model
from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.model.sam2 import Sam2

SIDE, DIAMETER = 1024, 28
# As many frames as a frame looks back on.
HISTORY = 16


class Crowd:
    """Frames of round cells on a jittered grid, each of which drifts a little on its own."""

    def __init__(self, objects: int, spacing: float) -> None:
        rng = np.random.default_rng(0)
        columns = int(np.ceil(np.sqrt(objects)))
        cells = np.stack(np.divmod(np.arange(objects), columns), axis=1) - (columns - 1) / 2
        jitter = rng.uniform(-0.1, 0.1, (objects, 2))
        self._homes = SIDE / 2 + DIAMETER * spacing * (cells + jitter)
        self._drift = rng.normal(0, 0.4, (objects, 2))
        self._ground = rng.normal(60, 6, (SIDE, SIDE))

    def masks(self, frame: int) -> list[NDArray[np.bool_]]:
        y, x = np.ogrid[:SIDE, :SIDE]
        # They stay where they are until the memory is full.
        centres = self._homes + self._drift * max(frame - HISTORY, 0)
        return [(y - row) ** 2 + (x - column) ** 2 < (DIAMETER / 2) ** 2 for row, column in centres]

    def frames(self, count: int) -> NDArray[np.uint8]:
        drawn = np.stack([self._ground + 100 * np.any(self.masks(frame), axis=0) for frame in range(count)])
        return np.clip(drawn, 0, 255).astype(np.uint8)


def next_frames(model: Sam2, objects: int, *, spacing: float, rounds: int) -> tuple[Session, Callable[[], object]]:
    """Fill the memory as if so many frames were tracked; each call then tracks one frame more."""
    crowd = Crowd(objects, spacing)
    session = Session(model, crowd.frames(HISTORY + rounds + 1), zoom="auto")
    for object_id, mask in enumerate(crowd.masks(0), start=1):
        session.add_mask(0, object_id, mask)
    for _ in session.propagate(max_frames=2):
        pass
    for track in session._objects.tracks.values():
        for frame in range(2, HISTORY):
            track.bank.put_recent(frame, replace(track.bank[1]), step=1)
    run = session.propagate(HISTORY)
    next(run)
    return session, partial(next, run)


def measure(objects: int, *, spacing: float, rounds: int, preset: str, profile: bool = False) -> dict[str, Any]:
    """Median processor time of a frame of one object and of a crowd, which take turns."""
    # One thread waits for no other, and its processor time is the same beside other programs, but for the caches.
    torch.set_num_threads(1)
    model = load_model("sam2_nano", preset=preset, device="cpu")
    (_, one), (session, crowd) = (next_frames(model, n, spacing=spacing, rounds=rounds) for n in (1, objects))
    watch = cProfile.Profile()
    seconds: dict[str, list[float]] = {"one": [], "crowd": []}
    encoded = session.encoder.frames_encoded
    for _ in range(rounds):
        for name, step in (("one", one), ("crowd", crowd)):
            watch.enable() if profile and name == "crowd" else watch.disable()
            begun = time.process_time()
            step()
            seconds[name].append(time.process_time() - begun)
    watch.disable()
    if profile:
        pstats.Stats(watch, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    return {
        "objects": objects,
        "preset": preset,
        "milliseconds": {name: round(1000 * taken, 1) for name, taken in medians.items()},
        "times one": medians["crowd"] / medians["one"],
        "object frames a second": objects / medians["crowd"],
        "windows a frame": (session.encoder.frames_encoded - encoded) / rounds,
        "machine": describe_machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--spacing", type=float, default=1.2, help="between middles, in diameters")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    found = measure(
        options.objects,
        spacing=options.spacing,
        rounds=options.rounds,
        preset=options.preset,
        profile=options.profile,
    )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
