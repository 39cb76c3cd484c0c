"""``napari-sam2 evaluate``: options, report, tables and pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import napari_sam2
from napari_sam2.data.scenes import SceneSettings, render_clip
from napari_sam2.data.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session
from napari_sam2.weights.catalog import CATALOG
from napari_sam2.weights.load import load_model

from .calibration import ScoreCheck, draw_calibration
from .evaluate import PROMPTS, Measured, evaluate, join_checks
from .sequences import LabelledSequence, read_sequences
from .sheets import write_sheet

GENERATED_SIZE, GENERATED_FRAMES, GENERATED_SEED = 256, 12, 900_001
_BASELINES = {"copied": "copied", "optical_flow": "optical flow"}


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``napari-sam2 evaluate`` takes, but for the options about zoom."""
    parser.add_argument("data_dir", type=Path, nargs="?", help="folder of labelled sequences")
    parser.add_argument("--generated", type=int, metavar="N", help="measure on N clips rendered for this instead")
    parser.add_argument("--model", default="sam2_nano", help="catalogue name or checkpoint file")
    parser.add_argument(
        "--prompt", nargs="+", choices=PROMPTS, default=["mask"], help="prompts on the first frame, one run for each"
    )
    parser.add_argument("--sequences", nargs="*", default=[], help="only these")
    parser.add_argument("--no-baselines", action="store_true", help="leave optical flow out, which takes long")
    parser.add_argument("--output", type=Path, default=Path("report.json"), help="report to write")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="table to write, for a document")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for a row of frames of each sequence")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="picture of the object score's calibration")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, ...")
    parser.add_argument("--preset", default="balanced", help="exact, balanced (default) or fast")
    parser.add_argument("--image-size", type=int, metavar="N", help="side of the model's input in pixels")


@dataclass
class _Watch:
    """Shows and gathers what is measured, as it comes."""

    pictures: Path | None
    prompt: str
    checks: list[ScoreCheck] = field(default_factory=list)

    def __call__(self, measured: Measured, report: Mapping[str, Any]) -> None:
        name = measured.sequence.name
        self.checks.append(measured.check())
        rivals = "   ".join(f"{_BASELINES[key]} {_pair(report[key])}" for key in _BASELINES if key in report)
        rate = f"{report['object_frames_per_second']:.1f} object frames/s"
        tqdm.write(f"{name:24} {self.prompt} {_pair(report)}   {rivals}   {rate}")
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            title = f"{name}, {self.prompt}: J {report['J']:.2f}"
            write_sheet(measured.sequence, measured.masks, self.pictures / f"{name}_{self.prompt}.png", title=title)


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Measure as the arguments say, write what they ask for, and return the report.

    Returns
    -------
    dict
        For one prompt that of `evaluate`, for several their reports by prompt under ``prompts``; ``settings`` beside.

    Raises
    ------
    ValueError
        If neither a folder nor a number of clips is given, or both.
    """
    if (args.data_dir is None) == (args.generated is None):
        raise ValueError("give either a folder of labelled sequences or --generated N")
    model = _load(args)
    reports, checks = {}, []
    for number, prompt in enumerate(args.prompt):
        watch = _Watch(args.pictures, prompt)
        # The baselines do not depend on the prompt.
        flow = number == 0 and not args.no_baselines
        factory = partial(Session, zoom=args.zoom)
        reports[prompt] = evaluate(
            model, _sequences(args), prompt=prompt, session_factory=factory, flow=flow, done=watch
        )
        checks += watch.checks
    settings = {
        "zoom": args.zoom,
        "preset": args.preset,
        "image_size": model.config.image_size,
        "device": str(model.device),
        "version": napari_sam2.__version__,
    }
    report = next(iter(reports.values())) if len(reports) == 1 else {"model": model.config.name, "prompts": reports}
    report["settings"] = settings
    args.output.write_text(json.dumps(report, indent=2) + "\n")
    if args.markdown:
        args.markdown.write_text(markdown_table(reports))
    if args.calibration:
        draw_calibration(join_checks(checks), args.calibration)
    return report


def _load(args: argparse.Namespace) -> Sam2:
    named = {"name": args.model} if args.model in CATALOG else {"checkpoint": args.model}
    return load_model(**named, device=args.device, preset=args.preset, image_size=args.image_size)


def _sequences(args: argparse.Namespace) -> Iterator[LabelledSequence]:
    if args.generated is None:
        yield from read_sequences(args.data_dir, tuple(args.sequences))
        return
    yield from generated_sequences(args.generated)


def generated_sequences(count: int) -> Iterator[LabelledSequence]:
    """Render clips that no training has seen, always the same ones."""
    settings = SceneSettings(size=(GENERATED_SIZE, GENERATED_SIZE), n_frames=GENERATED_FRAMES)
    for index in range(count):
        clip = render_clip(np.random.default_rng((GENERATED_SEED, index)), settings)
        yield LabelledSequence(f"generated_{index:03d}", "t", Stack.from_array(clip.frames, "t"), clip.labels)


def markdown_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the reports of several prompts, the first with the baselines, as a table of J / F by sequence."""
    first = next(iter(reports.values()))
    rivals = [name for name in _BASELINES if name in first["mean"]]
    head = ["sequence", "objects", *(f"{prompt}: J / F" for prompt in reports), *(_BASELINES[r] for r in rivals)]
    rows = [head, ["---"] * len(head)]
    for name, one in first["sequences"].items():
        own = [_pair(report["sequences"][name]) for report in reports.values()]
        rows.append([name, str(one["objects"]), *own, *(_pair(one[r]) for r in rivals)])
    means = [*(report["mean"] for report in reports.values()), *(first["mean"][r] for r in rivals)]
    rows.append(["**mean**", "", *(f"**{_pair(mean)}**" for mean in means)])
    rows.append(["mean J&F", "", *(f"{mean['J&F']:.3f}" for mean in means)])
    for rival in rivals:
        better = [_better(report, first, rival) for report in reports.values()]
        rows.append([f"better than {_BASELINES[rival]}", "", *better, *([""] * len(rivals))])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _better(report: Mapping[str, Any], first: Mapping[str, Any], rival: str) -> str:
    pairs = [(report["sequences"][name]["J&F"], one[rival]["J&F"]) for name, one in first["sequences"].items()]
    return f"{sum(own > other for own, other in pairs)} of {len(pairs)}"


def _pair(figures: Mapping[str, float]) -> str:
    return f"{figures['J']:.2f} / {figures['F']:.2f}"
