"""Command-line options of a job, shared by the commands and made from the fields of its option classes."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam2.job.options import InputOptions, JobOptions, ModelOptions, ResultOptions
from napari_sam2.option_fields import add_options, read_options


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ModelOptions`."""
    add_options(parser.add_argument_group("model"), ModelOptions)


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that a job has wherever its files are; `job_options` gathers them."""
    add_options(parser, ResultOptions)
    part = parser.add_argument_group("which part of the input")
    add_options(part, InputOptions)
    add_options(part, JobOptions, "contrast_limits", "nan")
    tracking = parser.add_argument_group("tracking")
    # None, to tell a choice from the default, which depends on --start.
    add_options(tracking, JobOptions, "direction", default=None)
    add_options(tracking, JobOptions, "start", "max_frames", "fill_holes", "zoom", "memory")
    add_model_options(parser)


def model_options(args: argparse.Namespace) -> ModelOptions:
    """Gather the options of a model."""
    return read_options(ModelOptions, args)


def result_formats(args: argparse.Namespace) -> tuple[str, ...]:
    """Gather the formats to write besides labels and scores."""
    return read_options(ResultOptions, args).formats


def job_options(args: argparse.Namespace, *, stack: Path, prompts: Path, output: Path) -> JobOptions:
    """Gather the options of a job whose files are these."""
    # One option for two settings: limits of a single channel, or windows of several shown together.
    limits = tuple((float(low), float(high)) for low, high in args.contrast_limits or ())
    together = len(args.channels) > 1
    if len(limits) > 1 and not together:
        raise ValueError(f"--contrast-limits was given {len(limits)} times, but there is one channel to show")
    # Some commands lack options that others have.
    direction = getattr(args, "direction", None)
    return read_options(
        JobOptions,
        args,
        input=stack,
        prompts=prompts,
        output=output,
        model=model_options(args),
        part=read_options(InputOptions, args, windows=limits if together else ()),
        direction=direction or ("outward" if getattr(args, "start", None) is None else "both"),
        contrast_limits=None if together or not limits else limits[0],
        exports=result_formats(args),
    )
