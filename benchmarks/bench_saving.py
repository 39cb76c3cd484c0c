"""What saving a session as the work goes costs.

``python benchmarks/bench_saving.py --side 1024 --frames 20 --objects 5``. A session with and one without a folder take
turns at every frame, so that whatever else the machine does hits both alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from napari_sam2 import Session, load_model
from napari_sam2.benchmark.scene import MovingDiscs


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024, help="of the frames, in pixels")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--model", default="sam2_nano")
    args = parser.parse_args()
    frames = MovingDiscs(args.frames, args.side, args.objects)
    model = load_model(args.model)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "bench.napari-sam2")
        saved, plain = Session(model, frames, folder=folder), Session(model, frames)
        prompts: dict[str, list[float]] = {"saved": [], "plain": []}
        tracked: dict[str, list[float]] = {"saved": [], "plain": []}
        sessions = {"saved": saved, "plain": plain}
        for number, centre in enumerate(frames.centres(0), start=1):
            for name, session in sessions.items():
                prompts[name].append(seconds(lambda s=session, n=number, c=centre: s.add_points(0, n, [c], [1])))
        runs = {name: session.propagate() for name, session in sessions.items()}
        for frame in range(args.frames):
            for name in sorted(runs, reverse=bool(frame % 2)):
                tracked[name].append(seconds(lambda run=runs[name]: next(run)))
        saved.close()
        opening = seconds(lambda: Session.open(folder, frames=frames, model=model))
        nbytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    middle = {name: statistics.median(times[1:]) for name, times in tracked.items()}
    report = {
        "prompt_ms": {name: 1e3 * statistics.median(times[1:]) for name, times in prompts.items()},
        "frame_ms": {name: 1e3 * time for name, time in middle.items()},
        "frame_ratio": middle["saved"] / middle["plain"],
        "open_ms": 1e3 * opening,
        "folder_mb": nbytes / 1e6,
    }
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
