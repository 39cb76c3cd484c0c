"""What a line over loopback adds to a click and to a tracked frame, with the bundled model.

    python benchmarks/bench_cluster.py [--frames 30] [--clicks 30] [--repeats 3]

The worker is a process of this computer, so nothing is gained by it: what is measured is the way there and back. Local
and remote take turns, so that what else the computer does meets both. Processor time, of both processes together, says
what the way costs where others have most of the computer.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2 import Session, load_model

# What the line may add: milliseconds to a click, and a share to a frame.
MOST_MS, MOST_SHARE = 40.0, 0.1
SIZE = 512


@contextmanager
def served() -> Iterator[str]:
    """Serve from another process; gives the address."""
    command = [str(Path(sys.executable).parent / "napari-sam2"), "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.send_signal(signal.SIGINT)


def drifting_discs(n_frames: int) -> np.ndarray:
    """Two discs that drift over a noisy ground, (T, Y, X) uint8."""
    y, x = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(0)
    discs = [
        (np.hypot(y - 200 - 2 * t, x - 150 - 3 * t) < 30) | (np.hypot(y - 350, x - 400 + 2 * t) < 20)
        for t in range(n_frames)
    ]
    return np.stack([(disc * 140 + rng.integers(0, 60, disc.shape)).astype(np.uint8) for disc in discs])


def seconds_of_clicks(session: Session, count: int) -> list[float]:
    """Refine an object again and again, on a frame that is encoded."""
    session.prepare(0)
    session.add_points(0, 1, [[200, 150]], [1])
    taken = []
    for number in range(count):
        begun = time.perf_counter()
        session.add_points(0, 1, [[195 + number % 10, 150]], [1])
        taken.append(time.perf_counter() - begun)
    return taken


def seconds_a_frame(session: Session) -> float:
    """Track two objects to the end."""
    session.reset()
    session.add_points(0, 1, [[200, 150]], [1])
    session.add_points(0, 2, [[350, 400]], [1])
    run = session.propagate()
    next(run)
    begun = time.perf_counter()
    for _ in run:
        pass
    return (time.perf_counter() - begun) / (session.stack.n_frames - 1)


def processor_seconds(model: Any) -> float:
    """Processor time so far, of this process and of the worker that a model is on."""
    line = getattr(model, "line", None)
    return time.process_time() + (0.0 if line is None else sum(line._client.run(time.process_time).values()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--clicks", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    frames = drifting_discs(args.frames)
    with served() as address:
        models: dict[str, Any] = {
            name: load_model(dtype="float32", device=at) for name, at in (("here", "cpu"), ("there", address))
        }
        clicks: dict[str, list[float]] = {name: [] for name in models}
        tracking: dict[str, list[float]] = {name: [] for name in models}
        spent: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(args.repeats):
            for name, model in models.items():
                session = Session(model, frames)
                clicks[name] += seconds_of_clicks(session, args.clicks)
                begun = processor_seconds(model)
                tracking[name].append(seconds_a_frame(session))
                spent[name].append((processor_seconds(model) - begun) / (args.frames - 1))
        # Before the server ends.
        models["there"].line.close()
    # The least time is the one that other programs took the least part in.
    for name, measure in (("least", min), ("median", statistics.median)):
        here, there = (1e3 * measure(clicks[place]) for place in models)
        click = f"click {here:.1f} ms here, {there:.1f} ms there: {there - here:+.1f} ms (at most {MOST_MS:.0f})"
        here, there = (1e3 * measure(tracking[place]) for place in models)
        share = f"{there / here - 1:+.1%} (at most {MOST_SHARE:.0%})"
        sys.stdout.write(f"{name}: {click}; frame {here:.1f} ms here, {there:.1f} ms there: {share}\n")
    here, there = (1e3 * statistics.median(spent[place]) for place in models)
    sys.stdout.write(f"processor time of a frame: {here:.1f} ms here, {there:.1f} ms there: {there / here - 1:+.1%}\n")


if __name__ == "__main__":
    main()
