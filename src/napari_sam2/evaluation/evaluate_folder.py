"""``napari-sam2 evaluate``: options, report, tables and pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session
from napari_sam2.synthetic import ABSENCES, KINDS, SceneSettings, render_clip
from napari_sam2.weights.catalog import name_or_file
from napari_sam2.weights.load import load_model

from .finding import evaluate_finding
from .grading import Masks
from .image_sets import Split
from .interactive import CHOICES, CLICKS, MODES, ROUNDS, InteractionSettings, SimulatedUser, evaluate_interactively
from .labelled_sequences import LabelledSequence, read_sequences
from .reports.contact_sheets import draw_sheet, spread_frames
from .reports.html_report import Page, make_entry
from .reports.markdown_tables import BASELINE_NAMES, finding_table, interactive_table, j_and_f, markdown_table
from .score_calibration import ScoreCheck, draw_calibration
from .track_and_score import PROMPTS, Measured, evaluate, join_checks

if sys.platform == "win32":
    resource = None
else:
    import resource

GENERATED_SIZE, GENERATED_FRAMES, GENERATED_SEED = 256, 12, 900_001
# Clips in which objects are gone for a while have to last.
ABSENCES_FRAMES = 96


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``napari-sam2 evaluate`` takes, but for how the model runs and zoom."""
    parser.add_argument("data_dir", type=Path, nargs="?", metavar="DATA_DIR", help="folder of labelled sequences")
    _add_data(parser.add_argument_group("what it is measured on"))
    _add_clicks(parser.add_argument_group("how it is prompted"))
    _add_reports(parser.add_argument_group("what is written"))


def _add_data(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--generated", type=int, metavar="N", help="measure on N clips rendered for this instead")
    parser.add_argument(
        "--scenes",
        choices=(*KINDS, ABSENCES),
        help=f"kind of the rendered clips; {ABSENCES} has look-alikes that cross and are gone for a while",
    )
    parser.add_argument("--sequences", nargs="*", default=[], metavar="NAME", help="only these sequences")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="NAME", help="not these sequences; * stands for anything"
    )
    parser.add_argument(
        "--held-out", type=float, default=0.0, metavar="SHARE", help="only what 'train --held-share SHARE' holds out"
    )


def _add_clicks(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--prompt", nargs="+", choices=PROMPTS, help="prompts on the first frame, one run for each (default mask)"
    )
    parser.add_argument(
        "--interactive", choices=MODES, help="instead, click on more and more frames: the worst of all, or in one pass"
    )
    parser.add_argument(
        "--both-ways", action="store_true", help="with --interactive: frames between two clicked ones come from both"
    )
    parser.add_argument(
        "--lock",
        action="store_true",
        help="with --interactive: good masks are accepted on the way, and what was corrected: no run changes them",
    )
    parser.add_argument(
        "--choice",
        choices=CHOICES,
        default=CHOICES[0],
        help="with --interactive: the next frame is the worst one in truth, that of the lowest object score, the "
        "one where a correction is expected to bring most, or the one least like those clicked on",
    )
    parser.add_argument(
        "--find", action="store_true", help="instead, click where the model proposes to, and count the objects found"
    )
    rounds = f"with --interactive: most clicked frames (default {ROUNDS})"
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=rounds)
    clicks = f"with --interactive: most clicks on each (default {CLICKS})"
    parser.add_argument("--clicks", type=int, default=CLICKS, metavar="N", help=clicks)
    parser.add_argument("--no-baselines", action="store_true", help="leave optical flow out, which takes long")


def _add_reports(parser: argparse._ArgumentGroup) -> None:
    output = "report to write (default report.json); its pictures go to a .html beside it"
    parser.add_argument("--output", type=Path, default=Path("report.json"), metavar="FILE", help=output)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="table to write, for a document")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for a row of frames of each sequence")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="picture of the object score's calibration")


@dataclass
class _Watch:
    """Prints each result as it comes and gathers what goes on the page."""

    pictures: Path | None
    checks: list[ScoreCheck] = field(default_factory=list)
    page: Page = field(default_factory=Page)

    def tracked(self, measured: Measured, report: Mapping[str, Any], *, prompt: str) -> None:
        """Take a sequence that was prompted once."""
        self.checks.append(measured.check())
        rivals = "   ".join(f"{BASELINE_NAMES[key]} {j_and_f(report[key])}" for key in BASELINE_NAMES if key in report)
        rate = f"{report['object_frames_per_second']:.1f} object frames/s"
        tqdm.write(f"{measured.sequence.name:24} {prompt} {j_and_f(report)}   {rivals}   {rate}")
        name = f"{measured.sequence.name}, {prompt}"
        entry = make_entry(name, measured.sequence, measured.masks, accuracy=report["J&F"], scores=measured.scores)
        self.page.entries.append(entry)
        self._picture(measured.sequence, measured.masks, what=prompt, j=report["J"])

    def interacted(self, user: SimulatedUser, report: Mapping[str, Any]) -> None:
        """Take a sequence with several clicked frames."""
        name, mode = user.sequence.name, user.interaction.mode
        accuracies = " ".join(f"{figures['J&F']:.2f}" for figures in report["rounds"])
        tqdm.write(f"{name:24} {mode} J&F {accuracies}")
        entry = make_entry(f"{name}, {mode}", user.sequence, user.masks, accuracy=report["J&F"])
        self.page.entries.append(entry)
        self._picture(user.sequence, user.masks, what=mode, j=report["J"])

    def _picture(self, sequence: LabelledSequence, masks: Masks, *, what: str, j: float) -> None:
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            title = f"{sequence.name}, {what}: J {j:.2f}"
            sheet = draw_sheet(sequence, masks, frames=spread_frames(sequence), captions={}, title=title)
            sheet.save(self.pictures / f"{sequence.name}_{what}.png")


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Measure as the arguments say, write what they ask for, and return the report.

    For several prompts it holds a report of each under ``prompts``.
    """
    # Options that exclude each other are refused before a model is loaded.
    if (args.data_dir is None) == (args.generated is None):
        raise ValueError("give either a folder of labelled sequences or --generated N")
    if args.scenes and args.generated is None:
        raise ValueError("--scenes is about rendered clips: give --generated N, too")
    if args.interactive and (args.prompt or args.calibration):
        raise ValueError("--interactive gives its own clicks: leave out --prompt and --calibration")
    about_corrections = {"--both-ways": args.both_ways, "--lock": args.lock, "--choice": args.choice != CHOICES[0]}
    for name, given in about_corrections.items():
        if given and not args.interactive:
            raise ValueError(f"{name} is about corrections: give --interactive, too")
    if args.find and (args.prompt or args.interactive or args.calibration):
        raise ValueError("--find gives its own clicks: leave out --prompt, --interactive and --calibration")
    if args.output.suffix == ".html":
        raise ValueError(
            f"--output {args.output} is where the page goes: give the report another ending, such as .json"
        )
    # One kind of measuring, then its files: report, table, page.
    model, watch = _load(args), _Watch(args.pictures)
    measure = _find if args.find else _interact if args.interactive else _follow
    report, table = measure(args, model, watch)
    report["settings"] = _settings(args, model)
    args.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(table, encoding="utf-8")
    title = f"{report['model']}: evaluation"
    watch.page.write(args.output.with_suffix(".html"), title=title, table=table)
    return report


def _follow(args: argparse.Namespace, model: Sam2, watch: _Watch) -> tuple[dict[str, Any], str]:
    reports = {}
    for number, prompt in enumerate(args.prompt or ["mask"]):
        # The baselines do not depend on the prompt.
        flow = number == 0 and not args.no_baselines
        factory, done = _session_factory(args), partial(watch.tracked, prompt=prompt)
        reports[prompt] = evaluate(
            model, _sequences(args), prompt=prompt, session_factory=factory, flow=flow, done=done
        )
    if args.calibration:
        draw_calibration(join_checks(watch.checks), args.calibration)
    report = next(iter(reports.values())) if len(reports) == 1 else {"model": model.config.name, "prompts": reports}
    return report, markdown_table(reports)


def _interact(args: argparse.Namespace, model: Sam2, watch: _Watch) -> tuple[dict[str, Any], str]:
    report = evaluate_interactively(
        model,
        _sequences(args),
        interaction=InteractionSettings(
            args.interactive,
            rounds=args.rounds,
            clicks=args.clicks,
            both_ways=args.both_ways,
            choice=args.choice,
            lock=args.lock,
        ),
        session_factory=_session_factory(args),
        done=watch.interacted,
    )
    return report, interactive_table(report)


def _find(args: argparse.Namespace, model: Sam2, _watch: _Watch) -> tuple[dict[str, Any], str]:
    def show(name: str, report: Mapping[str, float]) -> None:
        tqdm.write(f"{name:24} recall {report['recall']:.2f}   precision {report['precision']:.2f}")

    report = evaluate_finding(model, _sequences(args), session_factory=_session_factory(args), done=show)
    return report, finding_table(report)


def _session_factory(args: argparse.Namespace) -> Callable[[Sam2, Stack], Session]:
    return partial(Session, zoom=args.zoom, memory=args.memory)


def _settings(args: argparse.Namespace, model: Sam2) -> dict[str, Any]:
    return {
        "zoom": args.zoom,
        "memory": args.memory,
        "scenes": args.scenes,
        "preset": args.preset,
        "image_size": model.config.image_size,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "version": version("napari-sam2"),
        "torch": torch.__version__,
        "peak_memory_mb": peak_memory_mb(model.device),
    }


def peak_memory_mb(device: torch.device) -> int | None:
    """Most memory that was taken so far: the GPU's on a GPU, else the process's; ``None`` where it is not known."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    if resource is None:
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes elsewhere.
    return round(size / (2**20 if sys.platform == "darwin" else 2**10))


def _load(args: argparse.Namespace) -> Sam2:
    return load_model(**name_or_file(args.model), device=args.device, preset=args.preset, image_size=args.image_size)


def _sequences(args: argparse.Namespace) -> Iterator[LabelledSequence]:
    if args.generated is None:
        split = Split(args.held_out, held_out=args.held_out > 0, without=tuple(args.without))
        yield from read_sequences(args.data_dir, tuple(args.sequences), split=split)
        return
    yield from generated_sequences(args.generated, kind=args.scenes)


def generated_sequences(count: int, *, kind: str | None = None) -> Iterator[LabelledSequence]:
    """Render clips that no training has seen, always the same ones, of one kind or of all but `ABSENCES`."""
    n_frames = ABSENCES_FRAMES if kind == ABSENCES else GENERATED_FRAMES
    settings = SceneSettings(size=(GENERATED_SIZE, GENERATED_SIZE), n_frames=n_frames, kind=kind)
    for index in range(count):
        clip = render_clip(np.random.default_rng((GENERATED_SEED, index)), settings)
        yield LabelledSequence(f"generated_{index:03d}", "t", Stack.from_array(clip.frames, "t"), clip.labels)
