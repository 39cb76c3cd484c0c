"""``napari-sam2 volumes``: tracking of objects through a time-lapse of volumes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.exit_status import EXIT_INTERRUPTED
from napari_sam2.cli.interrupt import stop_on_interrupt
from napari_sam2.cli.job_options import add_model_options, job_options
from napari_sam2.cli.outcome import tell
from napari_sam2.job.options import InputOptions, JobOptions, ResultOptions
from napari_sam2.job.run_volumes import run_volumes_job
from napari_sam2.option_fields import add_options
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.session.volumes.volume_session import VolumeStep

SUMMARY = "track the objects of a prompts file through volumes over time"

_DESCRIPTION = """\
Track objects through a time-lapse of volumes (an image with both time and depth): labels.tif with the axes TZYX and
scores.csv with a row per object, time point and plane are written to a folder.

prompts.json is about one time point, --time, and its "frame" is the plane. There each object is tracked through depth,
and from there from volume to volume, forward and backward in time, under one id. Stopped by Ctrl-C, a crash or a power
cut, the same command goes on with the volume that was under way.
"""
_EXAMPLES = """\
examples:
  napari-sam2 volumes embryo.tif --prompts prompts.json --time 4 --output result
  napari-sam2 volumes embryo.ome.zarr --channel 1 --prompts prompts.json --output result --export ome-zarr,tracks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # The usage of twenty options would fill the screen.
    parser.usage = "napari-sam2 volumes INPUT --prompts FILE --output DIR [OPTION ...]"
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    known = "a TIFF or OME-Zarr, or another image with time and depth"
    parser.add_argument("input", metavar="INPUT", type=Path, help=known)
    parser.add_argument("--prompts", required=True, type=Path, metavar="FILE", help="what 'napari-sam2 prompts' makes")
    time = "the time point that the prompts are about (default 0)"
    parser.add_argument("--time", dest="at", type=int, default=0, metavar="N", help=time)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    overwrite = "replace the results that DIR holds already, and begin anew what was left half done there"
    add_options(parser, JobOptions, "overwrite", help=overwrite)
    export = "more formats to write, with commas between them: those of 'napari-sam2 export --help' that hold volumes"
    add_options(parser, ResultOptions, "export", help=export)
    part = parser.add_argument_group("which part of the input")
    add_options(part, InputOptions, "channels", "level")
    add_options(part, JobOptions, "contrast_limits", "nan")
    add_options(parser.add_argument_group("tracking"), JobOptions, "fill_holes", "zoom", "memory")
    add_model_options(parser)
    # Pictures are of stacks; the shared reader of options expects a choice all the same.
    parser.set_defaults(overlay="none")


def run(args: argparse.Namespace) -> int:
    """Track, write the results and print where they are; returns the exit status."""
    options = job_options(args, stack=args.input, prompts=args.prompts, output=args.output)
    report = run_volumes_job(options, _on_terminal)
    if not report.files:
        done = f"{report.done} of {report.n_times} volumes are finished"
        print(f"napari-sam2: stopped: {done}; the same command goes on from there", file=sys.stderr)
    objects = f"{counted(report.n_objects, 'object')} in {report.n_times} volumes, {report.seconds:.0f} s"
    if report.files or args.json:
        tell(args, f"{objects}: {', '.join(report.files)} in {report.folder}", asdict(report))
    return 0 if report.files else EXIT_INTERRUPTED


def _on_terminal(steps: Iterator[VolumeStep], name: str) -> Iterator[VolumeStep]:
    """Pass steps on with a progress bar; Ctrl-C ends tracking after the current plane."""
    from tqdm import tqdm

    with stop_on_interrupt() as stop, tqdm(desc=name, unit="volume") as bar:
        for step in steps:
            yield step
            # How many volumes there are to track, and were tracked before, is known with the first step.
            if bar.total is None:
                bar.total, bar.n, bar.initial = step.planned, step.done, step.done
            bar.update(step.done - bar.n)
            bar.set_postfix(time=step.time, plane=step.plane)
            if stop.is_set():
                return
        bar.update((bar.total or 0) - bar.n)
