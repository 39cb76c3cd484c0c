"""``napari-sam2 prompts``: a prompts file made of what other programs wrote, or by clicking."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.outcome import tell
from napari_sam2.cli.viewer import click_prompts, why_no_viewer
from napari_sam2.job.options import InputOptions, JobOptions
from napari_sam2.job.output_folder import PROMPTS
from napari_sam2.job.prepare import check_prompts, read_job_prompts
from napari_sam2.option_fields import add_options, read_options
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.data.prompts.prompt import Prompt

SUMMARY = "make a prompts file by clicking, or from what other programs wrote"

_DESCRIPTION = """\
Make the prompts file that says what to track, for 'segment', 'volumes' and 'batch'.

Without --from, napari opens on the image, with the widget beside it: click on the objects, draw boxes or paint, and
close the window. With --from, prompts are made of
  a CSV file of a Points or Shapes layer, as napari saves it
  COCO's JSON: masks, else boxes
  TrackMate's XML: spots become clicks, tracks objects
  a folder of the Cell Tracking Challenge, or a GEFF: tracks become objects
  an image of labels (0 is the background), or a stack of them: masks
"""
_EXAMPLES = """\
examples:
  napari-sam2 prompts cells.tif
  napari-sam2 prompts cells.tif --from points.csv --output prompts.json
  napari-sam2 prompts cells.tif --from tracks.xml --first
  napari-sam2 prompts embryo.ome.zarr --axis z --at 4 --channel GFP
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    known = "the image that the prompts are for: any that 'segment' takes"
    parser.add_argument("input", metavar="INPUT", type=Path, help=known)
    source = "what another program wrote; without it, napari opens to click in"
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help=source)
    output = f"the prompts file to write (default {PROMPTS}); masks go to a folder beside it"
    parser.add_argument("--output", type=Path, default=Path(PROMPTS), metavar="FILE", help=output)
    first = "only the first prompt of each object, the rest is to be tracked"
    parser.add_argument("--first", action="store_true", help=first)
    parser.add_argument("--overwrite", action="store_true", help="replace a prompts file that is there already")
    part = parser.add_argument_group("which part of the input")
    add_options(part, InputOptions, "axis", "at", "channels", "level", "series")


def run(args: argparse.Namespace) -> int:
    """Make the prompts, check them against the image and write them; returns the exit status."""
    from napari_sam2.data.prompts.prompt import write_prompts

    # Before anybody clicks for nothing.
    if args.output.exists() and not args.overwrite:
        raise ValueError(f"{args.output} is there already: name another file, or add --overwrite to replace it")
    prompts = _made(args)
    if args.first:
        first: dict[int, Prompt] = {}
        for prompt in sorted(prompts, key=lambda one: one.frame):
            first.setdefault(prompt.object_id, prompt)
        prompts = [*first.values()]
    write_prompts(args.output, prompts)
    n_objects, n_frames = (len({*numbers}) for numbers in ([p.object_id for p in prompts], [p.frame for p in prompts]))
    about = f"{counted(n_objects, 'object')} on {counted(n_frames, 'frame')}"
    words = ["napari-sam2", "segment", str(args.input), "--prompts", str(args.output), "--output", "result"]
    report = {"file": args.output, "prompts": len(prompts), "objects": n_objects, "frames": n_frames}
    tell(args, f"{counted(len(prompts), 'prompt')} for {about} in {args.output}; next: {shlex.join(words)}", report)
    return 0


def _made(args: argparse.Namespace) -> list[Prompt]:
    part, source = read_options(InputOptions, args), args.source
    for path in (args.input, source):
        if path is not None and not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
    if source is None and (reason := why_no_viewer()):
        raise ValueError(f"napari cannot open to click in: {reason}. Name a file to make prompts of: --from FILE")
    with part.open(args.input) as stack:
        if source is not None:
            prompts = read_job_prompts(JobOptions(args.input, source, args.output.parent, part=part), stack)
            check_prompts(prompts, stack, source)
        elif not (prompts := click_prompts(stack, args.input.name)):
            raise ValueError("nothing was clicked or drawn, so nothing is written")
    return prompts
