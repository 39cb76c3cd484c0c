"""``napari-sam2 evaluate``: accuracy of a model on labelled sequences."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from napari_sam2.batch.file_names import plain_name
from napari_sam2.cli.outcome import tell
from napari_sam2.job.finished_results import FinishedResults, find_results
from napari_sam2.job.options import JobOptions, ModelOptions
from napari_sam2.option_fields import add_options

SUMMARY = "measure a model on labelled sequences, or results that there are"

_EXAMPLES = """\
examples:
  napari-sam2 evaluate sequences --model sam2_nano --prompt mask click --output report.json --markdown table.md
  napari-sam2 evaluate sequences --interactive online --rounds 8 --clicks 3
  napari-sam2 evaluate --generated 64 --calibration scores.png
  napari-sam2 evaluate --results batch-results --truth labels/ --markdown table.md

Each folder in DATA_DIR is a sequence: frames.tif or frames/, labels.tif, and meta.json where it is a z-stack.
With --results nothing is tracked: every object of the truth is compared with the label of its id, or where the results
lack one of its ids, with the label that overlaps it best.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.evaluation.evaluate_folder import add_evaluate_arguments

    # The usage of thirty options would fill the screen.
    parser.usage, parser.epilog = "napari-sam2 evaluate [DATA_DIR] [OPTION ...]", _EXAMPLES
    add_evaluate_arguments(parser)
    there = parser.add_argument_group("results that there are, instead of tracking")
    results = "folders of results or of batches, or label images, to be compared with --truth"
    there.add_argument("--results", type=Path, nargs="+", metavar="RESULTS", help=results)
    truth = "true labels of --results: an image, or for several a folder with NAME.tif or NAME/labels.tif for each"
    there.add_argument("--truth", type=Path, metavar="PATH", help=truth)
    model = parser.add_argument_group("model")
    model.add_argument("--model", default="sam2_nano", metavar="NAME|FILE", help="catalogue name or checkpoint file")
    add_options(model, ModelOptions, "device", "preset", "image_size")
    add_options(model, JobOptions, "zoom", "memory")


def run(args: argparse.Namespace) -> int:
    """Measure and print the means; returns the exit status."""
    if (args.results is None) != (args.truth is None):
        raise ValueError("--results and --truth go together: the results, and the labels to compare them with")
    if args.results is not None:
        return _grade_results(args)
    from napari_sam2.evaluation.evaluate_folder import evaluate_from_args

    report = evaluate_from_args(args)
    summarise = _finding_summary if args.find else _interactive_summary if args.interactive else _summary
    tell(args, f"{summarise(report)}; see {args.output}", report)
    return 0


def _summary(report: dict[str, Any]) -> str:
    lines = []
    for prompt, one in report.get("prompts", {report.get("prompt"): report}).items():
        mean, score = one["mean"], one["object_score"]
        lines += [
            f"object score after {prompt} prompts: {_ranking(score)}",
            f"{one['model']}, {prompt} prompts: J {mean['J']:.3f} F {mean['F']:.3f}",
        ]
    return "\n".join(lines)


def _ranking(score: dict[str, Any]) -> str:
    auc = "no hidden objects" if score["auc"] is None else f"AUC {score['auc']:.3f}"
    return f"{auc}, calibration error {score['calibration_error']:.3f}"


def _interactive_summary(report: dict[str, Any]) -> str:
    mean, clicks = report["mean"], report["interactive"]["clicks"]
    by_count = " ".join(f"{figures['J&F']:.3f}" for figures in mean["rounds"])
    goals = ", ".join(f"{goal}: {count or 'not reached'}" for goal, count in mean["frames_until"].items())
    ways = ", both ways" if report["interactive"]["both_ways"] else ""
    how = f"{report['interactive']['mode']}{ways}, up to {clicks} clicks a frame"
    return f"{report['model']}, {how}: J&F after 1, 2, ... frames {by_count}; frames until J&F {goals}"


def _finding_summary(report: dict[str, Any]) -> str:
    mean = report["mean"]
    found = f"recall {mean['recall']:.3f} precision {mean['precision']:.3f}"
    return f"{report['model']}, clicks of its own: {found}, a click on {mean['on_object']:.3f} of the objects"


def _grade_results(args: argparse.Namespace) -> int:
    from napari_sam2.evaluation.grading import mean_figures
    from napari_sam2.evaluation.reports.markdown_tables import graded_table
    from napari_sam2.evaluation.score_labels import score_labels

    sources = find_results(args.results)
    graded = {}
    for source in sources:
        name = plain_name(source)
        finished, truth = FinishedResults.read(source), _truth_of(args.truth, name, single=len(sources) == 1)
        graded[name] = score_labels(_frames(finished.labels), _frames(truth), finished.prompted())
    report = {"results": graded, "mean": mean_figures(list(graded.values()))}
    args.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    table = graded_table(report)
    if args.markdown:
        args.markdown.write_text(table, encoding="utf-8")
    tell(args, table.rstrip(), report)
    return 0


def _truth_of(path: Path, name: str, *, single: bool) -> Path:
    """Find the labels to compare a result with; ``ValueError`` names what was looked for."""
    if not path.is_dir():
        if single:
            return path
        raise ValueError(f"--truth {path} is one image, but there are several results: name a folder")
    endings = ("labels.tif", f"{name}.tif", f"{name}.labels.tif", f"{name}/labels.tif")
    found = [path / ending for ending in endings[0 if single else 1 :] if (path / ending).exists()]
    if not found:
        raise ValueError(f"{path} holds no true labels of {name}: no {', no '.join(endings[1:])}")
    return found[0]


def _frames(path: Path) -> list[Any]:
    from napari_sam2.data.readers.open_stack import open_stack

    with open_stack(path) as stack:
        return [stack.read(frame) for frame in range(stack.n_frames)]
