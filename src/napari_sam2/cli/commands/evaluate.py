"""``napari-sam2 evaluate``: accuracy of a model on labelled sequences."""

from __future__ import annotations

import argparse
from typing import Any

from napari_sam2.job.options import JobOptions, ModelOptions
from napari_sam2.option_fields import add_options

SUMMARY = "measure a model on labelled sequences"

_EXAMPLES = """\
examples:
  napari-sam2 evaluate sequences --model sam2_nano --prompt mask click --output report.json --markdown table.md
  napari-sam2 evaluate sequences --interactive online --rounds 8 --clicks 3
  napari-sam2 evaluate --generated 64 --calibration scores.png

Each folder in DATA_DIR is a sequence: frames.tif or frames/, labels.tif, and meta.json where it is a z-stack.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.evaluation.evaluate_folder import add_evaluate_arguments

    parser.description = SUMMARY
    parser.epilog = _EXAMPLES
    add_evaluate_arguments(parser)
    add_options(parser, ModelOptions, "device", "preset", "image_size")
    add_options(parser, JobOptions, "zoom")


def run(args: argparse.Namespace) -> int:
    """Measure and print the means; returns the exit status."""
    from napari_sam2.evaluation.evaluate_folder import evaluate_from_args

    report = evaluate_from_args(args)
    if args.interactive:
        print(f"{_interactive_summary(report)}; see {args.output}")
    else:
        for prompt, one in report.get("prompts", {report.get("prompt"): report}).items():
            mean, score = one["mean"], one["object_score"]
            print(f"object score after {prompt} prompts: {_ranking(score)}")
            print(f"{one['model']}, {prompt} prompts: J {mean['J']:.3f} F {mean['F']:.3f}; see {args.output}")
    return 0


def _ranking(score: dict[str, Any]) -> str:
    auc = "no hidden objects" if score["auc"] is None else f"AUC {score['auc']:.3f}"
    return f"{auc}, calibration error {score['calibration_error']:.3f}"


def _interactive_summary(report: dict[str, Any]) -> str:
    mean, clicks = report["mean"], report["interactive"]["clicks"]
    by_count = " ".join(f"{figures['J&F']:.3f}" for figures in mean["rounds"])
    goals = ", ".join(f"{goal}: {count or 'not reached'}" for goal, count in mean["frames_until"].items())
    how = f"{report['interactive']['mode']}, up to {clicks} clicks a frame"
    return f"{report['model']}, {how}: J&F after 1, 2, ... frames {by_count}; frames until J&F {goals}"
