"""What a command prints at its end: words for people, or with ``--json`` one object for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from napari_sam2.job.run_stack import JobReport
from napari_sam2.wording import counted

from .exit_status import EXIT_INTERRUPTED


def tell(args: argparse.Namespace, text: str, values: Mapping[str, Any]) -> None:
    """Print a text, or the values as one JSON object on a line of its own."""
    print(json.dumps(values, default=str) if args.json else text)


def tell_job(args: argparse.Namespace, report: JobReport) -> int:
    """Print how a job ended; returns the exit status."""
    if not report.complete:
        print(stopped_line(report), file=sys.stderr)
    if args.json or report.complete:
        tell(args, done_line(report), asdict(report) | {"complete": report.complete})
    return 0 if report.complete else EXIT_INTERRUPTED


def done_line(report: JobReport) -> str:
    """Format the line about what was tracked and where the results are."""
    # By steps, not frames: a frame that is passed in both directions is computed twice.
    rate = f", {report.steps / report.seconds:.2f} frames/s" if report.steps else ""
    tracked = f"{counted(report.n_objects, 'object')} on {counted(report.n_frames, 'frame')}"
    return f"{tracked}{rate}: {', '.join(report.files)} in {report.folder}"


def stopped_line(report: JobReport) -> str:
    """Format the line about how far a stopped job came and where its results are."""
    done, planned = report.before + report.steps, report.before + report.planned
    return f"napari-sam2: stopped after {done} of {planned} frames; what was done is in {report.folder}"
