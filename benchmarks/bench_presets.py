"""Presets in turns on the same frames: how many times as fast as ``exact`` each is. None may be slower.

``python -m pytest benchmarks/bench_presets.py`` compares them on this processor, and with the instructions of lesser
ones. One case alone, as JSON: ``python benchmarks/bench_presets.py --variant sam2_nano --rounds 20``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import pytest

# What lets oneDNN, PyTorch and MKL take this processor for another one.
PROCESSORS = {
    "all": {},
    "AVX512-BF16, no AMX": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
# Where exact and balanced compute the same, one of them is slower by chance.
LEAST = 0.95


def compare_presets(variant: str, processor: str, rounds: int) -> dict[str, Any]:
    """Compare in a process of its own, which measures anew what the CPU is quick at."""
    words = [sys.executable, __file__, "--variant", variant, "--rounds", str(rounds)]
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | PROCESSORS[processor] | {"NAPARI_SAM2_HOME": home}
        environment.pop("NAPARI_SAM2_CPU_DTYPE", None)
        done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize(("variant", "rounds"), [("sam2_nano", 20), ("sam2.1_hiera_tiny", 2)])
def test_no_preset_is_slower_than_exact(
    variant: str, rounds: int, processor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = compare_presets(variant, processor, rounds)
    with capsys.disabled():
        sys.stdout.write(f"\n{variant}, {processor}: {json.dumps(compared, indent=1)}\n")
    assert all(preset["over exact"] >= LEAST for preset in compared["presets"].values())


def measure(variant: str, rounds: int) -> dict[str, Any]:
    """Median processor time of a frame of one object with each preset, on one thread, and median ratio of the turns."""
    import peer
    import torch

    from napari_sam2.benchmark.machine import describe_machine
    from napari_sam2.benchmark.models import stand_in
    from napari_sam2.model.precision import precision_of
    from napari_sam2.weights.presets import PRESETS
    from napari_sam2.weights.source import source_of

    # One thread waits for no other, and its processor time is the same beside other programs, but for the caches.
    torch.set_num_threads(1)
    models = {preset: stand_in(variant, preset=preset, device="cpu") for preset in PRESETS}
    steps = {preset: peer.own_steps(model, 1, rounds) for preset, model in models.items()}
    turns: list[dict[str, float]] = []
    for turn in range(rounds):
        turns.append({})
        for preset in sorted(steps, reverse=bool(turn % 2)):
            begun = time.process_time()
            steps[preset]()
            turns[-1][preset] = time.process_time() - begun
    found = {}
    for preset, model in models.items():
        choice = source_of(model).arithmetic
        found[preset] = {
            "seconds": statistics.median(turn[preset] for turn in turns),
            "over exact": statistics.median(turn["exact"] / turn[preset] for turn in turns),
            "dtype": precision_of(model),
            "reason": None if choice is None else choice.reason,
        }
    return {"presets": found, "machine": describe_machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="sam2_nano")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(measure(options.variant, options.rounds)))


if __name__ == "__main__":
    main()
