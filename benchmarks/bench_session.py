"""Seconds per step of the session: encoding, a click's preview, a tracked frame.

Run with ``python -m pytest benchmarks/bench_*.py``.
"""

from __future__ import annotations

import pytest
import torch

from conftest import WARM_FRAMES, noise, tracking_session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session


def test_encode_frame(benchmark, model: Sam2) -> None:
    size = model.config.image_size
    image = torch.from_numpy(noise(1, size)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        benchmark.pedantic(model.encode_image, args=(image,), rounds=5, warmup_rounds=1)


def test_preview_of_a_click(benchmark, model: Sam2) -> None:
    session = Session(model, noise(1, 256))
    session.add_points(0, 1, [(100, 100)], [1])
    benchmark.pedantic(session.add_points, args=(0, 1, [(100, 100), (20, 20)], [1, 0]), rounds=10, warmup_rounds=1)


@pytest.mark.parametrize("num_objects", [1, 3, 10])
def test_tracked_frame(benchmark, model: Sam2, num_objects: int) -> None:
    rounds = 5
    session = tracking_session(model, WARM_FRAMES + rounds + 1, num_objects)
    frames = session.propagate(WARM_FRAMES)
    benchmark.extra_info["object_frames"] = num_objects
    benchmark.pedantic(next, args=(frames,), rounds=rounds, warmup_rounds=1)
