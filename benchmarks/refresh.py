"""Measure again what docs/performance.md and docs/memory.md show, and write it into them.

``python benchmarks/refresh.py --list`` names the parts; ``--part NAME`` measures one, into ``benchmarks/results``;
``--part document`` makes tables and pictures of what lies there. Without ``--part`` all are done, one after the other,
which takes about an hour on two cores; each but those that are called long takes less than three minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import peer
import torch
from bench_memory import in_own_process
from bench_presets import PROCESSORS, compare_presets
from document import write_document

from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.benchmark.memory import resident_bytes
from napari_sam2.benchmark.models import stand_in
from napari_sam2.benchmark.report import as_json
from napari_sam2.benchmark.suite import run_suite
from napari_sam2.benchmark.timing import Patience, seconds_of
from napari_sam2.benchmark.tracking import measure_tracking
from napari_sam2.benchmark.workload import Workload
from napari_sam2.weights.backends import available_backends
from napari_sam2.weights.load import PRESETS, choose_device, load_model

RESULTS = Path(__file__).parent / "results"
NANO, TINY = "sam2_nano", "sam2.1_hiera_tiny"
SIDE = 512
BOTH = ("float32", "bfloat16")
GROWING_OBJECTS = (1, 2, 3, 5, 10, 20)
INPUT_SIZES = {NANO: (128, 256, 512, 1024), TINY: (256, 512, 768, 1024)}
FRAME_SIDES = (256, 512, 1024, 2048, 4096)
LONG_RUN, BLOCK = 600, 20
BEGUN = time.perf_counter()


def tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def suite(variant: str, preset: str) -> dict[str, Any]:
    """Steps of a frame and whole frames; ten objects of the large geometry are in the comparison."""
    large = variant == TINY
    measured = run_suite(
        partial(stand_in, variant, preset=preset, device=choose_device("auto")),
        objects=(1, 3) if large else (1, 3, 10),
        side=SIDE,
        patience=Patience(20, 2.5),
        about={"name": variant, "weights": "random", "backend": "torch"},
        tell=tell,
    )
    return as_json(measured)


def comparison(objects: int, dtypes: tuple[str, ...], names: tuple[str, ...], rounds: int) -> dict[str, Any]:
    """Seconds of a frame, beside transformers'."""
    device = choose_device("auto")
    there = [name for name in names if name.partition(" ")[2] in ("", *available_backends())]
    everyone = (*(f"{peer.PEER} {dtype}" for dtype in dtypes), *there)
    steps = {}
    for name in everyone:
        tell(f"{name}, {time.perf_counter() - BEGUN:.0f} s")
        steps |= peer.competitors_for(objects, rounds, names=(name,), device=device)
    turns = []
    for turn in peer.compare(steps, rounds, device):
        tell(", ".join(f"{name} {seconds:.2f} s" for name, seconds in turn.items()))
        turns.append(turn)
    return {"objects": objects, "rounds": rounds, "compared": peer.ratios(turns), "machine": describe_machine()}


def presets(variant: str, rounds: int) -> dict[str, Any]:
    """Presets beside each other, on this processor and as on lesser ones."""
    rows = [compare_presets(variant, processor, rounds) | {"processor": processor} for processor in PROCESSORS]
    return {"rows": rows, "machine": describe_machine()}


def growing_objects(zoom: str) -> dict[str, Any]:
    """Time and memory by the number of objects; windows follow them with trained weights only."""
    before, model = resident_bytes(), load_model(NANO)
    works = [Workload(n, side=SIDE, zoom=zoom) for n in GROWING_OBJECTS]
    return {"points": [_point(model, work, before) | {"objects": work.objects} for work in works]}


def growing_inputs(variant: str) -> dict[str, Any]:
    """Time and memory by the side of the model's input."""
    before, points = resident_bytes(), []
    for size in INPUT_SIZES[variant]:
        model = stand_in(variant, image_size=size, device=choose_device("auto"))
        points.append(_point(model, Workload(1, side=SIDE), before) | {"input": size})
    return {"points": points}


def growing_frames() -> dict[str, Any]:
    """Time and memory by the side of the frames."""
    before, model = resident_bytes(), stand_in(NANO, device=choose_device("auto"))
    return {"points": [_point(model, Workload(1, side=side), before) | {"side": side} for side in FRAME_SIDES]}


def _point(model: Any, work: Workload, before: int) -> dict[str, float]:
    measured = measure_tracking(model, work, patience=Patience(12, 2), program_bytes=before)
    return {"seconds": measured.seconds, "bytes": measured.peak_bytes}


def long_run(objects: int) -> dict[str, Any]:
    """Time of a frame, frame by frame."""
    model = stand_in(NANO, device=choose_device("auto"))
    _, run = Workload(objects, LONG_RUN, SIDE).begin(model, history=1)
    taken = [seconds_of(lambda: next(run), model.device) for _ in range(LONG_RUN)]
    ends = range(0, LONG_RUN + 1, BLOCK)
    return {
        "objects": objects,
        "points": [{"frame": b, "seconds": sum(taken[a:b]) / BLOCK} for a, b in pairwise(ends)],
    }


def memory(objects: int, zoom: str) -> dict[str, Any]:
    """Memory over 2,000 frames, in a process of its own."""
    return in_own_process(objects=objects, zoom=zoom) | {"objects": objects, "zoom": zoom}


def long_stack() -> None:
    subprocess.run([sys.executable, Path(__file__).with_name("long_stack.py")], check=True)


PARTS: dict[str, Callable[[], Any]] = {
    **{
        f"{short}-{preset}": partial(suite, variant, preset)
        for short, variant in (("nano", NANO), ("tiny", TINY))
        for preset in PRESETS
    },
    **{
        f"peer-{objects}{suffix}": partial(
            comparison, objects, BOTH, tuple(preset + backend for preset in PRESETS), rounds
        )
        for objects, rounds in ((1, 2), (3, 1))
        for suffix, backend in (("", ""), ("-openvino", " openvino"))
    },
    "peer-10-float32": partial(comparison, 10, ("float32",), ("exact", "balanced", "fast"), 1),
    "peer-10-bfloat16": partial(comparison, 10, ("bfloat16",), ("balanced", "fast"), 1),
    "peer-10-openvino": partial(comparison, 10, ("bfloat16",), ("balanced openvino", "fast openvino"), 1),
    "presets-nano": partial(presets, NANO, 15),
    "presets-tiny": partial(presets, TINY, 2),
    "objects": partial(growing_objects, "off"),
    "objects-zoom": partial(growing_objects, "auto"),
    "input-nano": partial(growing_inputs, NANO),
    "input-tiny": partial(growing_inputs, TINY),
    "frame-size": growing_frames,
    "frames-1": partial(long_run, 1),
    "frames-3": partial(long_run, 3),
    **{f"memory-{n}-{zoom} (long)": partial(memory, n, zoom) for n in (1, 10) for zoom in ("off", "auto")},
    "long-stack (long)": long_stack,
    "document": partial(write_document, RESULTS),
}


def measure(name: str) -> None:
    """Do one part and keep what it returns."""
    begun = time.perf_counter()
    sys.stderr.write(f"{name}\n")
    found = PARTS[name]()
    if found is not None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name.partition(' ')[0]}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stderr.write(f"  {time.perf_counter() - begun:.0f} s with {torch.get_num_threads()} threads\n")


def main() -> None:
    by_name = {name.partition(" ")[0]: name for name in PARTS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=by_name, metavar="NAME", help="measure this one only")
    parser.add_argument("--list", action="store_true", help="name the parts")
    options = parser.parse_args()
    if options.list:
        sys.stdout.write("\n".join(PARTS) + "\n")
        return
    for name in [by_name[options.part]] if options.part else PARTS:
        measure(name)


if __name__ == "__main__":
    main()
