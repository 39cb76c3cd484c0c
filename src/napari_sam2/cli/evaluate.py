"""``napari-sam2 evaluate``: measure a model on labelled sequences."""

from __future__ import annotations

import argparse

SUMMARY = "measure a model on labelled sequences"

_EXAMPLES = """\
example:
  napari-sam2 evaluate sequences --model sam2_nano --prompt click --output report.json

Each folder in DATA_DIR is a sequence: frames.tif or frames/, labels.tif, and meta.json where it is a z-stack.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.training.evaluate import add_evaluate_arguments

    parser.description = SUMMARY
    parser.epilog = _EXAMPLES
    add_evaluate_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print the mean; returns the exit status."""
    from napari_sam2.training.evaluate import evaluate_from_args

    report = evaluate_from_args(args)
    mean = report["mean"]
    print(f"{report['model']}, {report['prompt']} prompts: J {mean['J']:.3f} F {mean['F']:.3f}; see {args.output}")
    return 0
