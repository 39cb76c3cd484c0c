"""``napari-sam2 run``: tracking of a saved session's prompts again, on other data or with another model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.job import run_job
from napari_sam2.cli.job_options import add_model_options, model_options, result_formats
from napari_sam2.cli.outcome import tell_job
from napari_sam2.job.from_session import replayed
from napari_sam2.job.options import JobOptions, ResultOptions
from napari_sam2.option_fields import add_options

if TYPE_CHECKING:
    from napari_sam2.storage.read_job import SavedJob

SUMMARY = "track a saved session again: other data, another model"

_DESCRIPTION = """\
Track the prompts of a saved session again. The session is not changed: click on a laptop with the small model, then
run the large one on a server. 'napari-sam2 resume' instead goes on with tracking that was cut short.
"""
_EXAMPLES = """\
examples:
  napari-sam2 run cells.napari-sam2 --output large --model sam2.1_hiera_large --device cuda
  napari-sam2 run cells.napari-sam2 --input other_cells.tif --output other
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("session", metavar="SESSION", type=Path, help="a session folder, or one that holds it")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    image = "another image, or where the session's own has gone; same axes and channels"
    parser.add_argument("--input", type=Path, metavar="FILE", help=image)
    # Help of its own where that of segment mentions options that this command lacks.
    add_options(parser, JobOptions, "direction", help="as for segment (default %(default)s)")
    add_options(parser, JobOptions, "save", help="keep DIR/session.napari-sam2 up to date")
    add_options(parser, JobOptions, "overwrite")
    add_options(parser, ResultOptions)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track, write the results and print where they are; returns the exit status."""
    from napari_sam2.storage.folder.layout import find_session
    from napari_sam2.storage.read_job import read_saved_job

    session = find_session(args.session)
    return tell_job(args, run_job(_options(args, session, read_saved_job(session, args.input))))


def _options(args: argparse.Namespace, session: Path, saved: SavedJob) -> JobOptions:
    # What the command line asks for; `replayed` fills in the rest from the session.
    asked = JobOptions(
        input=saved.image,
        prompts=session,
        output=args.output,
        model=model_options(args),
        direction=args.direction,
        exports=result_formats(args),
        overwrite=args.overwrite,
        save=args.save,
    )
    return replayed(asked, saved)
