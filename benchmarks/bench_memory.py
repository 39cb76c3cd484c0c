"""Memory of tracking, in a process of its own: does it grow with the stack, and does the estimate hold?

Run with ``python -m pytest benchmarks/bench_memory.py``; takes minutes. One case alone, with its curve:
``python benchmarks/bench_memory.py --frames 2000 --objects 10``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import pytest

from napari_sam2.benchmark.scene import MovingDiscs

SIDE = 512
FIRST, LAST = 200, 2000


def track(options: argparse.Namespace) -> dict[str, Any]:
    """Track in this process and say what it took: bytes beyond those of the imported libraries."""
    import torch

    from napari_sam2.benchmark.memory import PeakMemory, resident_bytes
    from napari_sam2.benchmark.models import stand_in
    from napari_sam2.session.memory_estimate import estimate_memory
    from napari_sam2.session.session import Session
    from napari_sam2.weights.load import load_model

    torch.set_num_threads(1)
    before = resident_bytes()
    load = load_model if options.model == "sam2_nano" else stand_in
    model = load(options.model, image_size=options.image_size)
    discs = MovingDiscs(options.frames, options.side, options.objects)
    curve = []
    with PeakMemory(torch.device("cpu")) as memory:
        session = Session(model, discs, zoom=options.zoom)
        for object_id, (row, column) in enumerate(discs.centres(0), start=1):
            session.add_points(0, object_id, [(row, column)], [1])
        for result in session.propagate():
            if result.frame % 20 == 0 or result.frame == options.frames - 1:
                curve.append((result.frame, resident_bytes() - before, session.labels.nbytes))
                sys.stderr.write(f"frame {result.frame}: {curve[-1][1] / 1e6:.0f} MB\n")
    estimate = estimate_memory(model, discs.shape, options.objects, frame_bytes=options.side**2)
    return {"curve": curve, "peak": memory.peak - before, "estimate": estimate.total, "parts": str(estimate)}


def in_own_process(**options: Any) -> dict[str, Any]:
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("objects", [1, 10])
def test_memory_does_not_grow_with_the_stack(objects: int) -> None:
    report = in_own_process(frames=LAST + 1, objects=objects)
    beyond_labels = {frame: taken - labels for frame, taken, labels in report["curve"]}
    assert beyond_labels[LAST] - beyond_labels[FIRST] < 50e6


@pytest.mark.parametrize(
    ("model", "image_size", "objects"),
    [("sam2_nano", 384, 1), ("sam2_nano", 384, 10), ("sam2.1_hiera_tiny", 512, 1), ("sam2.1_hiera_tiny", 512, 4)],
)
def test_the_estimate_holds(model: str, image_size: int, objects: int) -> None:
    report = in_own_process(frames=40, objects=objects, model=model, image_size=image_size, zoom="off")
    assert report["peak"] == pytest.approx(report["estimate"], rel=0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=LAST + 1)
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--model", default="sam2_nano")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--zoom", default="auto")
    sys.stdout.write(json.dumps(track(parser.parse_args())))


if __name__ == "__main__":
    main()
