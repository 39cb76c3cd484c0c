"""``napari-sam2 volumes``: the main job on a time-lapse of volumes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.input_error import EXIT_INTERRUPTED
from napari_sam2.cli.input_options import add_channel_arguments, input_options
from napari_sam2.cli.interrupt import stop_on_interrupt
from napari_sam2.cli.model_options import add_model_arguments, add_zoom_argument, model_options
from napari_sam2.job.options import JobOptions
from napari_sam2.job.run_volumes import run_volumes_job

from .export import format_names

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
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    known = "a TIFF or OME-Zarr, or another image with time and depth"
    parser.add_argument("input", metavar="INPUT", type=Path, help=known)
    parser.add_argument("--prompts", required=True, type=Path, metavar="FILE", help="the prompts file")
    time = "the time point that the prompts are about (default 0)"
    parser.add_argument("--time", type=int, default=0, metavar="N", help=time)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    overwrite = "replace the results that DIR holds already, and begin anew what was left half done there"
    parser.add_argument("--overwrite", action="store_true", help=overwrite)
    export = "more formats to write, with commas between them: those of 'napari-sam2 export --help' that hold volumes"
    parser.add_argument("--export", type=format_names, default=(), metavar="FORMAT,...", help=export)
    add_channel_arguments(parser.add_argument_group("which part of the input"))
    group = parser.add_argument_group("tracking")
    holes = "fill holes of up to N pixels of the mask decoder's grid, 0 for none (default 8)"
    group.add_argument("--fill-holes", type=int, default=8, metavar="N", help=holes)
    add_zoom_argument(group)
    add_model_arguments(parser)
    parser.set_defaults(axis=None, crop=None, every=1, at=None)


def run(args: argparse.Namespace) -> int:
    """Track, write and say where; returns the exit status."""
    args.at = args.time
    part = input_options(args)
    options = JobOptions(
        input=args.input,
        prompts=args.prompts,
        output=args.output,
        model=model_options(args),
        part=part,
        contrast_limits=None if part.windows or not args.contrast_limits else tuple(args.contrast_limits[0]),
        fill_holes=args.fill_holes,
        zoom=args.zoom,
        exports=args.export,
        overwrite=args.overwrite,
    )
    report = run_volumes_job(options, _on_terminal)
    if not report.files:
        done = f"{report.done} of {report.n_times} volumes are finished"
        print(f"napari-sam2: stopped: {done}; the same command goes on from there", file=sys.stderr)
        return EXIT_INTERRUPTED
    objects = f"{report.n_objects} object{'' if report.n_objects == 1 else 's'}"
    print(
        f"{objects} in {report.n_times} volumes, {report.seconds:.0f} s: {', '.join(report.files)} in {report.folder}"
    )
    return 0


def _on_terminal(steps: Iterator[VolumeStep], name: str) -> Iterator[VolumeStep]:
    """Pass tracking on with a bar to watch; Ctrl-C ends it after the plane at hand."""
    from tqdm import tqdm

    with stop_on_interrupt() as stop, tqdm(desc=name, unit="volume") as bar:
        for step in steps:
            yield step
            bar.total = step.planned
            bar.update(step.done - bar.n)
            bar.set_postfix(time=step.time, plane=step.plane)
            if stop.is_set():
                return
        bar.update((bar.total or 0) - bar.n)
