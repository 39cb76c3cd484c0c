"""``napari-sam2 resume``: continuation of tracking that was interrupted."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.job import on_terminal
from napari_sam2.cli.job_options import result_formats
from napari_sam2.cli.outcome import tell_job
from napari_sam2.job.continue_job import what_is_left
from napari_sam2.job.from_session import saved_model
from napari_sam2.job.options import InputOptions, JobOptions, ModelOptions, ResultOptions
from napari_sam2.job.output_folder import PromptFile, claimed_output
from napari_sam2.job.run_stack import Work, track_and_write
from napari_sam2.option_fields import add_options

if TYPE_CHECKING:
    from napari_sam2.session.session import Session
    from napari_sam2.storage.folder.schema import Header

SUMMARY = "go on with the tracking of a saved session"

_DESCRIPTION = """\
Go on with tracking that was cut short: by Ctrl-C, a crash or a power cut. 'napari-sam2 segment --save' keeps the
session folder that this takes. The results are those of a run that nothing had stopped.
"""
_EXAMPLES = """\
examples:
  napari-sam2 segment cells.tif --prompts prompts.json --output result --save
  napari-sam2 resume result
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("session", metavar="SESSION", type=Path, help="a session folder, or one that holds it")
    output = "folder for the results (default: the one that SESSION lies in)"
    parser.add_argument("--output", type=Path, metavar="DIR", help=output)
    parser.add_argument("--input", type=Path, metavar="FILE", help="where the session's image has gone")
    device = "where the model runs (default: where it ran)"
    add_options(parser, ModelOptions, "device", help=device, default=None)
    add_options(parser, JobOptions, "overwrite")
    add_options(parser, ResultOptions)


def run(args: argparse.Namespace) -> int:
    """Track what is left, write the results and print where they are; returns the exit status."""
    from napari_sam2.data.formats import check_formats
    from napari_sam2.data.prompts.placed_prompts import prompt_outside
    from napari_sam2.storage.folder.layout import find_session, read_header
    from napari_sam2.weights.source import device_of

    # The header is small: which image and model it takes is known before either is opened.
    folder = find_session(args.session)
    header = read_header(folder)
    session = _open(args, folder, header)
    try:
        for problem in session.problems:
            warnings.warn(problem, stacklevel=2)
        whole = session.stack.whole
        formats = check_formats(result_formats(args), whole)
        output = folder.resolve().parent if args.output is None else args.output
        # The session's own folder holds results of the same run, which the complete ones replace.
        overwrite = args.overwrite or args.output is None
        with claimed_output(output, folder, formats=formats, overwrite=overwrite) as place:
            steps, progress = what_is_left(session)
            # Files of results are in pixels of the whole image.
            prompts = [prompt_outside(prompt, session.stack.geometry) for prompt in session.prompts]
            work = Work(
                session=session,
                steps=steps,
                progress=progress,
                whole=whole,
                prompts=PromptFile(folder, prompts),
                model=saved_model(ModelOptions(device=device_of(session.model)), header.model),
                command=["napari-sam2", "run", str(folder.resolve())],
                part=InputOptions.of(session.stack.geometry.selection).record(),
                formats=tuple(formats),
                folder=place,
            )
            report = track_and_write(work, on_terminal)
    finally:
        session.close()
    return tell_job(args, report)


def _open(args: argparse.Namespace, folder: Path, header: Header) -> Session:
    from napari_sam2.data.readers.open_stack import open_stack
    from napari_sam2.session.session import Session

    moved, selection = args.input, header.data.geometry.selection
    frames = None if moved is None else open_stack(moved, selection=selection.whole)
    # Without a device, the session's own model is loaded where it ran.
    model = None if args.device is None else saved_model(ModelOptions(device=args.device), header.model).load()
    return Session.open(folder, frames=frames, model=model)
