"""A long stack, tracked to the end, cancelled and continued once: the memory that takes, frame by frame.

``python benchmarks/long_stack.py`` takes 10 to 20 minutes; ``--frames 300`` shows that it works. The curve goes to
``benchmarks/results/long_stack.json``, which ``refresh.py --part document`` draws.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.benchmark.memory import resident_bytes
from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.session.results.frame_result import FrameResult

RESULTS = Path(__file__).parent / "results"
SAMPLES = 200


class Curve:
    """Memory over the frames, and how good the masks still are."""

    def __init__(self, session: Session, discs: MovingDiscs, before: int) -> None:
        self.session, self.discs, self.before = session, discs, before
        self.every = max(discs.shape[0] // SAMPLES, 1)
        self.begun = time.perf_counter()
        self.frames: list[int] = []
        self.points: list[dict[str, float]] = []

    def follow(self, results: Iterable[FrameResult], *, until: int) -> None:
        """Take results up to a frame and note a point now and then."""
        for result in results:
            self.frames.append(result.frame)
            if result.frame % self.every == 0 or result.frame == self.discs.shape[0] - 1:
                self.points.append(self._point(result))
                sys.stderr.write(f"{json.dumps(self.points[-1])}\n")
            if result.frame == until:
                return

    def _point(self, result: FrameResult) -> dict[str, float]:
        drawn = self.session.labels[result.frame]
        pairs = [(drawn == i, mask) for i, mask in enumerate(self.discs.masks(result.frame), start=1)]
        ious = [np.count_nonzero(a & b) / np.count_nonzero(a | b) for a, b in pairs]
        return {
            "frame": result.frame,
            "bytes": resident_bytes() - self.before,
            "labels": self.session.labels.nbytes,
            "seconds": time.perf_counter() - self.begun,
            "iou": float(np.mean(ious)),
        }


def track(options: argparse.Namespace) -> dict[str, Any]:
    """Track, close the run half-way, go on with it to the end."""
    before = resident_bytes()
    discs = MovingDiscs(options.frames, options.side, options.objects)
    session = Session(load_model(options.model), discs, zoom=options.zoom)
    for object_id, mask in enumerate(discs.masks(0), start=1):
        session.add_mask(0, object_id, mask)
    curve, half = Curve(session, discs, before), options.frames // 2
    run = session.propagate()
    curve.follow(run, until=half)
    run.close()
    left = session.unfinished
    curve.follow(session.resume(), until=options.frames)
    if curve.frames != list(range(options.frames)) or left != options.frames - half - 1:
        raise RuntimeError(f"frames were left out or tracked twice: {len(curve.frames)} of {options.frames}")
    return {
        "options": vars(options) | {"output": None},
        "cancelled_at": half,
        "points": curve.points,
        "machine": describe_machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=256, help="of the frames, in pixels")
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--model", default="sam2_nano")
    parser.add_argument("--zoom", default="off")
    parser.add_argument("--output", type=Path, default=RESULTS / "long_stack.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = track(options)
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
