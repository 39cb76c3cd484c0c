"""``napari-sam2 segment``: the main job on a stack of the user's."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from napari_sam2.cli.input_error import EXIT_INTERRUPTED
from napari_sam2.cli.input_options import add_input_arguments, input_options
from napari_sam2.cli.job import run_job
from napari_sam2.cli.model_options import add_model_arguments, add_zoom_argument, model_options
from napari_sam2.job.options import JobOptions
from napari_sam2.job.run_stack import JobReport

from .export import format_names

SUMMARY = "track the objects of a prompts file through a stack"

_DESCRIPTION = """\
Track objects through a stack: labels.tif, scores.csv, session.json and an overlay are written to a folder.

prompts.json says what to track. Coordinates are (row, column) in pixels, frames count from 0:
  {"version": 1, "prompts": [
    {"frame": 0, "object": 1, "points": [[120, 85], [140, 60]], "labels": [1, 0]},
    {"frame": 0, "object": 2, "box": [30, 200, 64, 250]},
    {"frame": 3, "object": 1, "mask": "mask.tif"}]}
"""
_EXAMPLES = """\
examples:
  napari-sam2 segment cells.tif --prompts prompts.json --output result
  napari-sam2 segment frames/ --prompts prompts.json --output result --model sam2.1_hiera_tiny --device cuda
  napari-sam2 segment scan.tif --prompts prompts.json --output result --axis z --contrast-limits -160 240
  napari-sam2 segment plate.ome.zarr --prompts prompts.json --output result --axis t --at 4 --channels 0,2
  napari-sam2 segment film.mp4 --prompts prompts.json --output result --crop 100,200,400,600 --export mp4,coco
"""
OVERLAYS = {"gif": ("gif",), "png": ("png",), "both": ("gif", "png"), "none": ()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    known = "a TIFF stack, an OME-Zarr folder, a video, a NIfTI or DICOM scan, or a folder of images"
    parser.add_argument("input", metavar="INPUT", type=Path, help=known)
    parser.add_argument(
        "--prompts", required=True, type=Path, metavar="FILE", help="the prompts file, or an image of labels"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument("--overwrite", action="store_true", help="replace the results that DIR holds already")
    save = "keep DIR/session.napari-sam2 up to date, so that 'napari-sam2 resume' goes on after whatever happens"
    parser.add_argument("--save", action="store_true", help=save)
    add_job_arguments(parser)


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that a job has wherever its files are; `job_options` gathers them."""
    overlay = "picture of the objects over the frames with their scores: %(choices)s (default png)"
    parser.add_argument("--overlay", choices=OVERLAYS, default="png", help=overlay)
    export = "more formats to write, with commas between them: see 'napari-sam2 export --help'"
    parser.add_argument("--export", type=format_names, default=(), metavar="FORMAT,...", help=export)
    add_input_arguments(parser)
    _add_tracking_arguments(parser)
    add_model_arguments(parser)


def _add_tracking_arguments(parser: argparse.ArgumentParser) -> None:
    from napari_sam2.session.tracking.schedule import DIRECTIONS

    group = parser.add_argument_group("tracking")
    group.add_argument(
        "--direction",
        choices=DIRECTIONS,
        help="outward (default): each object both ways from its own first prompt; forward, backward or both: every "
        "object from one start (both is the default with --start)",
    )
    start = "frame to start at; by default the first prompted one (the last for backward)"
    group.add_argument("--start", type=int, metavar="N", help=start)
    group.add_argument("--max-frames", type=int, metavar="N", help="most frames in each direction, the start included")
    holes = "fill holes of up to N pixels of the mask decoder's grid, 0 for none (default 8)"
    group.add_argument("--fill-holes", type=int, default=8, metavar="N", help=holes)
    add_zoom_argument(group)


def run(args: argparse.Namespace) -> int:
    """Track, write and say where; returns the exit status."""
    options = job_options(args, stack=args.input, prompts=args.prompts, output=args.output)
    report = run_job(replace(options, overwrite=args.overwrite, save=args.save))
    if not report.complete:
        print(stopped_line(report), file=sys.stderr)
        return EXIT_INTERRUPTED
    print(done_line(report))
    return 0


def done_line(report: JobReport) -> str:
    """Say what was done and where it is."""
    rate = report.steps / report.seconds
    tracked = f"{_count(report.n_objects, 'object')} on {_count(report.n_frames, 'frame')}"
    return f"{tracked}, {rate:.2f} frames/s: {', '.join(report.files)} in {report.folder}"


def stopped_line(report: JobReport) -> str:
    """Say how far a stopped job came and where its results are."""
    return f"napari-sam2: stopped after {report.steps} of {report.planned} frames; what was done is in {report.folder}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def job_options(args: argparse.Namespace, *, stack: Path, prompts: Path, output: Path) -> JobOptions:
    """Gather the options that `add_job_arguments` added.

    Parameters
    ----------
    args : Namespace
        With the options.
    stack, prompts, output : Path
        The files of the job.
    """
    part = input_options(args)
    return JobOptions(
        input=stack,
        prompts=prompts,
        output=output,
        model=model_options(args),
        part=part,
        direction=args.direction or ("outward" if args.start is None else "both"),
        start=args.start,
        max_frames=args.max_frames,
        contrast_limits=None if part.windows or not args.contrast_limits else tuple(args.contrast_limits[0]),
        fill_holes=args.fill_holes,
        zoom=args.zoom,
        exports=(*OVERLAYS[args.overlay], *args.export),
    )
