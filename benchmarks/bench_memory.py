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

import numpy as np
import psutil
import pytest

SIDE = 512
FIRST, LAST = 200, 2000


class Discs:
    """A stack made when it is read: discs that go in circles over a noisy ground."""

    def __init__(self, num_frames: int, side: int, num_discs: int) -> None:
        self.shape = (num_frames, side, side)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3
        angles = 2 * np.pi * np.arange(num_discs) / num_discs
        self.home = side * (0.5 + 0.36 * np.stack([np.sin(angles), np.cos(angles)], axis=1))
        self.radius = side / 20

    def centres(self, frame: int) -> np.ndarray:
        turn = 2 * np.pi * frame / 60
        return self.home + self.radius * np.array([np.sin(turn), np.cos(turn)])

    def __getitem__(self, index: Any) -> np.ndarray:
        frame, *area = index if isinstance(index, tuple) else (index,)
        image = np.random.default_rng(frame).integers(20, 60, self.shape[1:], dtype=np.uint8)
        y, x = np.ogrid[: self.shape[1], : self.shape[2]]
        for row, column in self.centres(frame):
            image[(y - row) ** 2 + (x - column) ** 2 < self.radius**2] += 120
        return image[tuple(area)]


def rss() -> int:
    return psutil.Process().memory_info().rss


def peak() -> int:
    """Highest resident memory so far: psutil knows it on Windows only."""
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().peak_wset
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def track(options: argparse.Namespace) -> dict[str, Any]:
    """Track in this process and say what it took: bytes beyond those of the imported libraries."""
    import torch

    from napari_sam2.model.config import CONFIGS
    from napari_sam2.model.sam2 import build_sam2
    from napari_sam2.session.estimate import estimate_memory
    from napari_sam2.session.session import Session
    from napari_sam2.weights.load import load_model

    torch.set_num_threads(1)
    before = rss()
    if options.model == "sam2_nano":
        model = load_model()
    else:
        config = CONFIGS[options.model].with_image_size(options.image_size)
        model = build_sam2(config).requires_grad_(False)
    stack = Discs(options.frames, options.side, options.objects)
    session = Session(model, stack, zoom=options.zoom)
    for object_id, (row, column) in enumerate(stack.centres(0), start=1):
        session.add_points(0, object_id, [(row, column)], [1])
    curve = []
    for result in session.propagate():
        if result.frame % 20 == 0 or result.frame == options.frames - 1:
            curve.append((result.frame, rss() - before, session.labels.nbytes))
            sys.stderr.write(f"frame {result.frame}: {curve[-1][1] / 1e6:.0f} MB\n")
    estimate = estimate_memory(model, stack.shape, options.objects, frame_bytes=options.side**2)
    return {"curve": curve, "peak": peak() - before, "estimate": estimate.total, "parts": str(estimate)}


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
    [("sam2_nano", 256, 1), ("sam2_nano", 256, 10), ("sam2.1_hiera_tiny", 512, 1), ("sam2.1_hiera_tiny", 512, 4)],
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
