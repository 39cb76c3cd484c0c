"""A frame of nano beside busy programs, by how long threads that wait keep their core.

``python benchmarks/bench_busy.py`` prints milliseconds a frame, by the clock on the wall, alone and beside as many busy
programs as there are cores. ``--frames N`` prints the median of so many frames in this process, as it is set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

# The last one is what the package sets where the user has set nothing; see `napari_sam2`.
SETTINGS = {
    "as libgomp comes": {"GOMP_SPINCOUNT": "300000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "GOMP_SPINCOUNT=20000": {"GOMP_SPINCOUNT": "20000"},
    "default": {},
}
OURS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
BUSY = "while True: pass"


def milliseconds(frames: int) -> float:
    """Median of a frame of one object in this process."""
    # The package first: its settings are for a PyTorch that has not been imported yet.
    from napari_sam2 import load_model

    model = load_model("sam2_nano", device="cpu")
    import peer

    step = peer.own_steps(model, 1, frames)
    taken = []
    for _ in range(frames):
        begun = time.perf_counter()
        step()
        taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)


def in_own_process(setting: dict[str, str], busy: int, frames: int) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | setting
    with ExitStack() as others:
        for _ in range(busy):
            others.callback(subprocess.Popen([sys.executable, "-c", BUSY]).kill)
        words = [sys.executable, __file__, "--frames", str(frames)]
        return float(subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, help="measure in this process")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    if options.frames:
        sys.stdout.write(f"{milliseconds(options.frames):.1f}\n")
        return
    cores = os.cpu_count() or 1
    sys.stdout.write(f"| setting | alone | beside {cores} busy programs |\n|---|---:|---:|\n")
    for name, setting in SETTINGS.items():
        alone, beside = (in_own_process(setting, busy, options.rounds) for busy in (0, cores))
        sys.stdout.write(f"| {name} | {alone:.0f} | {beside:.0f} |\n")


if __name__ == "__main__":
    main()
