"""``napari-sam2 segment``: tracking of objects through a stack from a prompts file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from napari_sam2.cli.job import on_terminal, run_job
from napari_sam2.cli.job_options import add_job_options, job_options
from napari_sam2.cli.outcome import tell_job
from napari_sam2.job.find_by_text import TextOptions, prompted_by_text
from napari_sam2.job.find_movie import FindingOptions, find_and_write
from napari_sam2.job.options import JobOptions
from napari_sam2.job.output_folder import PROMPTS
from napari_sam2.option_fields import add_options, read_options

SUMMARY = "track the objects of a prompts file through a stack"

_DESCRIPTION = """\
Track objects through a stack: labels.tif, scores.csv, session.json and an overlay are written to a folder.

prompts.json says what to track. 'napari-sam2 prompts INPUT' makes it: by clicking in napari, or of napari's CSV, COCO's
JSON, TrackMate's XML or an image of labels, which --prompts takes as they are, too. By hand, coordinates are
(row, column) in pixels and frames count from 0:
  {"version": 1, "prompts": [
    {"frame": 0, "object": 1, "points": [[120, 85]], "labels": [1]},
    {"frame": 0, "object": 2, "box": [30, 200, 64, 250]},
    {"frame": 3, "object": 1, "mask": "mask.tif"}]}
"""
_EXAMPLES = """\
examples:
  napari-sam2 segment cells.tif --prompts prompts.json --output result
  napari-sam2 segment frames/ --prompts prompts.json --output result --model sam2.1_hiera_tiny --device cuda
  napari-sam2 segment scan.tif --prompts prompts.json --output result --axis z --contrast-limits -160 240
  napari-sam2 segment plate.ome.zarr --prompts prompts.json --output result --axis t --at 4 --channels 0,2
  napari-sam2 segment cells.tif --find --output result --export ctc
  napari-sam2 segment cells.tif --text nucleus --text-model owlv2/ --output result
  napari-sam2 segment next.tif --exemplars first/session.napari-sam2 --output result
  napari-sam2 segment film.mp4 --prompts prompts.json --output result --crop 100,200,400,600 --export mp4,coco
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # The usage of forty options would fill the screen.
    parser.usage = "napari-sam2 segment INPUT --prompts FILE --output DIR [OPTION ...]"
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    known = "a TIFF stack, an OME-Zarr folder, a video, a NIfTI or DICOM scan, or a folder of images"
    parser.add_argument("input", metavar="INPUT", type=Path, help=known)
    # Neither is checked for by argparse, which could not say how prompts are made.
    asked = parser.add_mutually_exclusive_group()
    given = "what 'napari-sam2 prompts' makes, or a CSV, COCO, TrackMate or label file"
    asked.add_argument("--prompts", type=Path, metavar="FILE", help=given)
    asked.add_argument("--find", action="store_true", help="find all objects of all frames, without prompts")
    add_options(asked, TextOptions, "text")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    add_options(parser, JobOptions, "overwrite", "save", "exemplars")
    add_options(parser, FindingOptions)
    add_options(parser, TextOptions, "text_model", "text_score")
    add_job_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track, write the results and print where they are; returns the exit status."""
    if args.find and args.exemplars is not None:
        raise ValueError("--find looks at each frame by itself: it takes no --exemplars")
    if args.prompts is None and args.text is None and not args.find and args.exemplars is None:
        raise ValueError(
            "nothing says what to track: give --prompts FILE, --find for all objects, --text for what is named, or "
            "--exemplars SESSION for what another session knows. "
            f"'napari-sam2 prompts {args.input}' makes the file, by clicking or from what other programs wrote "
            "(see 'napari-sam2 segment --help')"
        )
    # Without prompts there is no prompts file, but results have a place for one.
    prompts = args.prompts or args.output / PROMPTS
    options = job_options(args, stack=args.input, prompts=prompts, output=args.output)
    if args.find:
        return tell_job(args, find_and_write(options, read_options(FindingOptions, args), on_terminal))
    if args.text is not None:
        options = prompted_by_text(options, read_options(TextOptions, args))
    elif args.prompts is None:
        options = replace(options, given=())
    return tell_job(args, run_job(options))
