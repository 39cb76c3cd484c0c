"""The image encoder on PyTorch and on OpenVINO, in turns in one process, with random weights.

Run with ``python benchmarks/compare_backends.py sam2_nano sam2.1_hiera_tiny``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.weights.load import load_model, save_checkpoint

SECONDS = 12.0
KINDS = [(dtype, backend) for dtype in ("float32", "auto") for backend in ("torch", "openvino")]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load_kinds(variant: str) -> dict[str, Sam2]:
    """Load the same random weights in each way; OpenVINO compiles them, or finds them compiled from last time."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{variant}.pt")
        save_checkpoint(build_sam2(CONFIGS[variant]), file)
        size = CONFIGS[variant].image_size
        models = {}
        for dtype, backend in KINDS:
            begun = time.perf_counter()
            kind = f"{backend} {dtype}"
            models[kind] = load_model(checkpoint=file, device="cpu", dtype=dtype, image_size=size, backend=backend)
            say(f"{variant}: {kind} loaded in {time.perf_counter() - begun:.1f} s")
    return models


def main(variants: list[str]) -> None:
    for variant in variants:
        models = load_kinds(variant)
        seconds: dict[str, list[float]] = {kind: [] for kind in models}
        size = CONFIGS[variant].image_size
        image = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8)
        with torch.inference_mode():
            maps = {kind: model.encode_image(image).s16_bchw.float() for kind, model in models.items()}
            end = time.perf_counter() + SECONDS
            while time.perf_counter() < end or len(next(iter(seconds.values()))) < 3:
                for kind, model in models.items():
                    begun = time.perf_counter()
                    model.encode_image(image)
                    seconds[kind].append(time.perf_counter() - begun)
        exact = maps["torch float32"]
        for kind, measured in seconds.items():
            error = float((maps[kind] - exact).norm() / exact.norm())
            say(f"{variant}: {kind:17} {1000 * statistics.median(measured):7.1f} ms, relative error {error:.0e}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["sam2_nano"])
