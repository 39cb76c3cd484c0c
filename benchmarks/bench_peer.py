"""Against transformers' Sam2VideoModel: how many times as fast each preset is, in turns on the same frames.

``python -m pytest benchmarks/bench_peer.py`` takes minutes; the table of docs/performance.md comes from ``refresh.py``.
"""

from __future__ import annotations

import json
import sys

import peer
import pytest
import torch

from napari_sam2.weights.load import choose_device
from napari_sam2.weights.presets import PRESETS

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'napari-sam2[benchmark]'")


@pytest.mark.parametrize("objects", [1, 3, 10])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tracked_frame(benchmark, objects: int, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    device, rounds = choose_device("auto"), 1 if objects == 10 else 3
    names = (f"{peer.PEER} {dtype}", *PRESETS)
    steps = peer.competitors_for(objects, rounds, names=names, device=device)
    turns: list[dict[str, float]] = []
    benchmark.pedantic(lambda: turns.extend(peer.compare(steps, rounds, device)))
    benchmark.extra_info |= {"threads": torch.get_num_threads(), "compared": peer.ratios(turns)}
    with capsys.disabled():
        sys.stdout.write(f"\n{objects} objects: {json.dumps(peer.ratios(turns), indent=1)}\n")
