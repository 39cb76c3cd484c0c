"""Measure a model on labelled sequences: J and F after a prompt on one frame, beside the copied mask."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam2.data.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results import FrameResult
from napari_sam2.session.session import Session
from napari_sam2.weights.catalog import CATALOG
from napari_sam2.weights.load import load_model

from .metrics import boundary_accuracy, region_similarity
from .sequences import LabelledSequence, bounding_box, deepest_point, read_sequences

PROMPTS = ("mask", "click", "box")
Figures = dict[str, float]


class Tracking(Protocol):
    """The part of `Session` that is measured."""

    def add_points(self, frame: int, object_id: int, points: Any, labels: Any) -> FrameResult:
        """Click."""

    def add_box(self, frame: int, object_id: int, box: Any) -> FrameResult:
        """Draw a box."""

    def add_mask(self, frame: int, object_id: int, mask: Any) -> FrameResult:
        """Give a mask."""

    def propagate(
        self,
        *,
        start: int | None = None,
        direction: str = "forward",
        object_ids: Iterable[int] | None = None,
    ) -> Iterator[FrameResult]:
        """Track."""


SessionFactory = Callable[[Sam2, Stack], Tracking]


def evaluate(
    model: Sam2,
    data_dir: str | Path,
    *,
    prompt: str = "mask",
    names: tuple[str, ...] = (),
    session_factory: SessionFactory = Session,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure a model on every sequence of a folder.

    Each of the up to six largest objects that last is prompted on the first frame it is seen on, or its largest slice,
    and tracked from there. J and F are averaged over all other frames, then over objects, then over sequences.

    Parameters
    ----------
    model : Sam2
        From `load_model`.
    data_dir : path
        See `read_sequences`.
    prompt : str
        ``"mask"``, ``"click"`` (on the deepest pixel of the object) or ``"box"``.
    names : tuple of str
        Only these sequences, where any are given.
    session_factory : callable
        Makes a session of a model and a stack.
    progress : callable, optional
        Told of every sequence when it is done.

    Returns
    -------
    dict
        ``prompt``, ``model``, ``mean`` and ``sequences``; the latter two with J, F and J&F of the model, under
        ``copied`` of the first mask copied to every frame, and per sequence ``objects`` and
        ``object_frames_per_second``.
    """
    if prompt not in PROMPTS:
        raise ValueError(f"prompt={prompt!r} is not one of {', '.join(PROMPTS)}.")
    sequences: dict[str, dict[str, Any]] = {}
    for sequence in read_sequences(data_dir, names):
        if sequence.objects():
            sequences[sequence.name] = _measure(sequence, session_factory(model, sequence.stack), prompt)
            if progress is not None:
                progress(_line(sequence.name, sequences[sequence.name]))
        sequence.stack.close()
    reports = list(sequences.values())
    mean: dict[str, Any] = _mean(reports)
    mean["copied"] = _mean([report["copied"] for report in reports])
    return {"model": model.config.name, "prompt": prompt, "mean": mean, "sequences": sequences}


def _measure(sequence: LabelledSequence, session: Tracking, prompt: str) -> dict[str, Any]:
    begun = time.perf_counter()
    masks = _track(sequence, session, prompt)
    seconds = time.perf_counter() - begun
    tracked, copied = [], []
    empty = np.zeros(sequence.labels.shape[1:], dtype=bool)
    for object_id in sequence.objects():
        first = sequence.prompt_frame(object_id)
        others = [t for t in sequence.graded if t != first]
        given = sequence.truth(first, object_id)
        tracked.append(_score(sequence, object_id, {t: masks.get((t, object_id), empty) for t in others}))
        copied.append(_score(sequence, object_id, dict.fromkeys(others, given)))
    rate = round(len(masks) / seconds, 2)
    return {**_mean(tracked), "objects": len(tracked), "object_frames_per_second": rate, "copied": _mean(copied)}


def _track(sequence: LabelledSequence, session: Tracking, prompt: str) -> dict[tuple[int, int], NDArray[np.bool_]]:
    starts: dict[int, list[int]] = {}
    for object_id in sequence.objects():
        frame = sequence.prompt_frame(object_id)
        _prompt(session, sequence, object_id, prompt=prompt)
        starts.setdefault(frame, []).append(object_id)
    masks = {}
    for start, object_ids in starts.items():
        direction = "both" if sequence.axis == "z" else "forward"
        for result in session.propagate(start=start, direction=direction, object_ids=object_ids):
            masks.update({(result.frame, i): result.masks[result.row(i)] for i in object_ids})
    return masks


def _prompt(session: Tracking, sequence: LabelledSequence, object_id: int, *, prompt: str) -> None:
    frame = sequence.prompt_frame(object_id)
    mask = sequence.truth(frame, object_id)
    if prompt == "mask":
        session.add_mask(frame, object_id, mask)
    elif prompt == "box":
        session.add_box(frame, object_id, bounding_box(mask))
    else:
        session.add_points(frame, object_id, [deepest_point(mask)], [1])


def _score(sequence: LabelledSequence, object_id: int, masks: dict[int, NDArray[np.bool_]]) -> Figures:
    pairs = [(mask, sequence.truth(frame, object_id)) for frame, mask in masks.items()]
    j = float(np.mean([region_similarity(mask, truth) for mask, truth in pairs]))
    f = float(np.mean([boundary_accuracy(mask, truth) for mask, truth in pairs]))
    return {"J": j, "F": f, "J&F": (j + f) / 2}


def _mean(figures: list[Figures]) -> Figures:
    return {key: round(float(np.mean([figure[key] for figure in figures])), 4) for key in ("J", "F", "J&F")}


def _line(name: str, report: dict[str, Any]) -> str:
    copied, rate = report["copied"], report["object_frames_per_second"]
    return (
        f"{name:24} J {report['J']:.3f} F {report['F']:.3f}   copied J {copied['J']:.3f} F {copied['F']:.3f}"
        f"   {rate:.1f} object frames/s"
    )


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``napari-sam2 evaluate`` takes."""
    parser.add_argument("data_dir", type=Path, help="folder of labelled sequences")
    parser.add_argument("--model", default="sam2_nano", help="catalogue name or checkpoint file")
    parser.add_argument("--prompt", choices=PROMPTS, default="mask", help="prompt on the first frame")
    parser.add_argument("--sequences", nargs="*", default=[], help="only these")
    parser.add_argument("--output", type=Path, default=Path("report.json"), help="report to write")


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Measure as the arguments say, write the report and return it."""
    model = load_model(args.model) if args.model in CATALOG else load_model(checkpoint=args.model)
    names = tuple(args.sequences)
    report = evaluate(model, args.data_dir, prompt=args.prompt, names=names, progress=tqdm.write)
    args.output.write_text(json.dumps(report, indent=2) + "\n")
    return report
