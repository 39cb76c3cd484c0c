"""``napari-sam2 run``: the work of a saved session again, on other data or with another model."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.weights.catalog import CATALOG

from .errors import EXIT_INTERRUPTED
from .export import format_names
from .input_options import InputOptions
from .job import JobOptions, run_job
from .model_options import ModelOptions, add_model_arguments
from .segment import OVERLAYS, done_line, model_options, stopped_line

if TYPE_CHECKING:
    from napari_sam2.session.store.replay import SavedJob

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
    from napari_sam2.session.schedule import DIRECTIONS

    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("session", metavar="SESSION", type=Path, help="a session folder, NAME.napari-sam2")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    image = "another image, or where the session's own has gone; same axes and channels"
    parser.add_argument("--input", type=Path, metavar="FILE", help=image)
    parser.add_argument("--direction", choices=DIRECTIONS, default="outward", help="as for segment (default outward)")
    parser.add_argument("--save", action="store_true", help="keep DIR/session.napari-sam2 up to date")
    add_result_arguments(parser)
    add_model_arguments(parser)


def add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which files are written; `result_formats` gathers the formats."""
    parser.add_argument("--overwrite", action="store_true", help="replace the results that DIR holds already")
    overlay = "picture of the objects over the frames: %(choices)s (default png)"
    parser.add_argument("--overlay", choices=OVERLAYS, default="png", help=overlay)
    export = "more formats to write, with commas between them: see 'napari-sam2 export --help'"
    parser.add_argument("--export", type=format_names, default=(), metavar="FORMAT,...", help=export)


def result_formats(args: argparse.Namespace) -> tuple[str, ...]:
    """Gather the formats to write besides labels and scores."""
    return (*OVERLAYS[args.overlay], *args.export)


def run(args: argparse.Namespace) -> int:
    """Track, write and say where; returns the exit status."""
    from napari_sam2.session.store.replay import read_saved_job

    report = run_job(_options(args, read_saved_job(args.session, args.input)))
    if not report.complete:
        print(stopped_line(report), file=sys.stderr)
        return EXIT_INTERRUPTED
    print(done_line(report))
    return 0


def _options(args: argparse.Namespace, saved: SavedJob) -> JobOptions:
    selection = saved.selection
    part = InputOptions(
        saved.axis, selection.at, selection.channels, selection.windows, selection.level, saved.crop, saved.every
    )
    return JobOptions(
        input=saved.image,
        prompts=args.session,
        given=saved.prompts,
        output=args.output,
        model=saved_model(model_options(args), saved.model),
        part=part,
        direction=args.direction,
        contrast_limits=None if part.windows else saved.settings.get("contrast_limits"),
        fill_holes=saved.settings["fill_hole_area"],
        zoom=saved.settings["zoom"],
        exports=result_formats(args),
        overwrite=args.overwrite,
        save=args.save,
    )


def saved_model(asked: ModelOptions, said: dict[str, Any]) -> ModelOptions:
    """Choose the model: what was asked for, else what the session says of its own.

    Parameters
    ----------
    asked : ModelOptions
        From the command line.
    said : dict
        From the session folder.

    Raises
    ------
    ValueError
        If the session's model came from no file and no other was asked for, or what it says is damaged.
    """
    if asked.model is not None or asked.checkpoint is not None:
        return asked
    from napari_sam2.session.store.sources import model_arguments

    known = model_arguments(said)
    return replace(
        asked,
        model=known.name if known.name in CATALOG else None,
        checkpoint=None if known.name in CATALOG else known.file,
        dtype=known.dtype if asked.dtype == "auto" else asked.dtype,
        preset=known.preset if asked.preset == "balanced" else asked.preset,
        image_size=asked.image_size or known.image_size,
    )
