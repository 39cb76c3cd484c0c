"""Track in a process of its own and print what it took, and what it was estimated to take."""

from __future__ import annotations

import argparse
import json
import sys

import torch

from napari_sam2.benchmark.memory import PeakMemory, resident_bytes
from napari_sam2.benchmark.models import stand_in
from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.session.memory_estimate import estimate_memory
from napari_sam2.session.session import Session


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("variant")
    for name in ("image_size", "side", "objects", "frames"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = resident_bytes()
    model = stand_in(options.variant, image_size=options.image_size)
    with PeakMemory(torch.device("cpu")) as memory:
        discs = MovingDiscs(options.frames, options.side, options.objects)
        session = Session(model, discs, zoom="off")
        for object_id, mask in enumerate(discs.masks(0), start=1):
            session.add_mask(0, object_id, mask)
        for _ in session.propagate():
            pass
    estimate = estimate_memory(model, discs.shape, options.objects, frame_bytes=options.side**2)
    measured = memory.peak - before
    sys.stdout.write(json.dumps({"measured": measured, "estimated": estimate.total, "parts": str(estimate)}))


if __name__ == "__main__":
    main()
