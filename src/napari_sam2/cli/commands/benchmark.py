"""``napari-sam2 benchmark``: speed and memory of a model on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.job_options import add_model_options, model_options
from napari_sam2.cli.outcome import tell
from napari_sam2.weights.catalog import BUNDLED_NAME, get_entry

if TYPE_CHECKING:
    from napari_sam2.job.options import ModelOptions
    from napari_sam2.model.sam2 import Sam2

SUMMARY = "measure how fast a model is on this machine, and what memory it takes"

_EXAMPLES = """\
examples:
  napari-sam2 benchmark
  napari-sam2 benchmark --model sam2.1_hiera_tiny --preset fast --objects 1 5 --output figures

Each step of a frame is timed for one object, then whole frames for several, with as much in memory as there ever is.
A model whose weights are not on this computer is measured with random ones: they take just as long.
Other programs that are at work make the figures worse.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    add_model_options(parser)
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--objects", nargs="+", type=int, default=[1, 3, 10], metavar="N", help="numbers of objects (default 1 3 10)"
    )
    group.add_argument("--frames", type=int, default=30, metavar="N", help="most runs of each measurement (default 30)")
    group.add_argument(
        "--seconds", type=float, default=8, metavar="S", help="about how long each measurement may take (default 8)"
    )
    group.add_argument(
        "--side", type=int, default=512, metavar="N", help="height and width of the frames in pixels (default 512)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write benchmark.json and benchmark.md there, too")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and write the files; returns the exit status."""
    # Before torch is imported, which takes seconds.
    _check(args)
    from napari_sam2.benchmark.report import as_json, as_markdown, as_text
    from napari_sam2.benchmark.suite import run_suite
    from napari_sam2.benchmark.timing import Patience

    options = model_options(args)
    # Random weights take as long as real ones, so speed can be known before a download.
    own = options.file.is_file() or options.checkpoint is not None
    about = {
        "name": str(options.checkpoint or options.model or BUNDLED_NAME),
        "weights": "its own" if own else "random",
        "backend": options.backend,
    }
    measured = run_suite(
        options.load if own else lambda: _load_stand_in(options),
        objects=args.objects,
        side=args.side,
        patience=Patience(args.frames, args.seconds),
        about=about,
        tell=lambda line: print(f"{line} ...", file=sys.stderr),
    )
    tell(args, as_text(measured), as_json(measured))
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "benchmark.json").write_text(json.dumps(as_json(measured), indent=2) + "\n", encoding="utf-8")
        (args.output / "benchmark.md").write_text(as_markdown(measured), encoding="utf-8")
        print(f"\nwritten: {args.output / 'benchmark.json'} and {args.output / 'benchmark.md'}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    lowest = {"--objects": min(args.objects), "--frames": args.frames, "--seconds": args.seconds, "--side": args.side}
    for name, value in lowest.items():
        # Frames of fewer pixels are no realistic input; no time at all still allows one run of each measurement.
        least = 32 if name == "--side" else 0 if name == "--seconds" else 1
        if value < least:
            raise ValueError(f"{name} takes numbers of at least {least}, got {value}")


def _load_stand_in(options: ModelOptions) -> Sam2:
    from napari_sam2.benchmark.models import stand_in

    return stand_in(get_entry(options.model or BUNDLED_NAME).variant, **options.how)
