"""How good masks are, and what of their scores tells it: collects, fits and checks the estimate of `expected_quality`.

``python benchmarks/quality.py collect --generated 48 drawn.jsonl`` tracks clips whose truth is known and writes a row
for each object and frame; ``--data FOLDER`` takes labelled sequences. ``fit drawn.jsonl`` fits the estimate that comes
with the package; ``check data.jsonl`` compares it with the scores that it is made of; ``recalibrate data.jsonl`` says
what is gained by judging some masks of a sequence, and ``ends data.jsonl`` how well it is known where objects end in
slices.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from named_model import named_model
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from napari_sam2 import Session
from napari_sam2.evaluation.evaluate_folder import generated_sequences
from napari_sam2.evaluation.image_sets import Split
from napari_sam2.evaluation.interactive import GOOD_ENOUGH
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, bounding_box, deepest_point, read_sequences
from napari_sam2.evaluation.metrics import region_similarity, roc_auc
from napari_sam2.session import quality
from napari_sam2.session.quality.expected_quality import ExpectedQuality
from napari_sam2.session.quality.quality_curves import QualityCurves, load_curves
from napari_sam2.session.quality.recalibration import JudgedMask, refitted
from napari_sam2.session.quality.worth import beyond_the_end

CALIBRATION = Path(quality.__path__[0]) / "calibration.json"


def records(model: Any, sequence: LabelledSequence, prompt: str) -> Iterator[dict[str, Any]]:
    """Track a sequence as `evaluate` does, and say of each object and frame what is known and how good it is."""
    session = Session(model, sequence.stack)
    starts: dict[int, list[int]] = {}
    for object_id in sequence.objects():
        frame = sequence.prompt_frame(object_id)
        truth = sequence.truth(frame, object_id)
        if prompt == "mask":
            session.add_mask(frame, object_id, truth)
        elif prompt == "box":
            session.add_box(frame, object_id, bounding_box(truth))
        else:
            session.add_points(frame, object_id, [deepest_point(truth)], [1])
        starts.setdefault(frame, []).append(object_id)
    for start, object_ids in starts.items():
        for _ in session.propagate(start=start, direction=sequence.direction, object_ids=object_ids):
            pass
    for row in session.outputs.scores:
        if row.frame in sequence.graded:
            mask = session.labels[row.frame] == row.object_id
            yield asdict(row) | {
                "sequence": sequence.name,
                "prompt": prompt,
                "prompted": sequence.prompt_frame(row.object_id),
                "size": sequence.labels.shape[1:],
                "frames": len(sequence.labels),
                "slices": sequence.stack.is_slices,
                "there": bool(sequence.truth(row.frame, row.object_id).any()),
                "j": region_similarity(mask, sequence.truth(row.frame, row.object_id)),
            }


def collect(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model = named_model(args.model)
    with args.output.open("a", encoding="utf-8") as file:
        for prompt in args.prompts:
            split = Split(args.held_out, held_out=args.held_out > 0)
            found = read_sequences(args.data, split=split) if args.data else generated_sequences(args.generated)
            for sequence in found:
                if not sequence.is_still and sequence.objects():
                    rows = list(records(model, sequence, prompt))
                    file.writelines(json.dumps(row) + "\n" for row in rows)
                    file.flush()
                    sys.stderr.write(
                        f"{sequence.name} {prompt}: {len(rows)}, J {np.mean([r['j'] for r in rows]):.2f}\n"
                    )
                sequence.stack.close()


@dataclass(frozen=True)
class Table:
    """Graded masks: sharpness, J and what else is known of each."""

    sharpness: NDArray[np.float64]
    j: NDArray[np.float64]
    lines: list[dict[str, Any]]

    @classmethod
    def read(cls, paths: Sequence[Path], *, answers: bool = False) -> Table:
        """Those that were tracked, or the answers to prompts; what was painted is right, and left out."""
        lines = read_lines(paths)
        kept = [
            line
            for line in lines
            if (line["frame"] == line["prompted"]) == answers
            and line["sharpness"] is not None
            and not (answers and line["prompt"] == "mask")
        ]
        return cls(np.array([line["sharpness"] for line in kept]), np.array([line["j"] for line in kept]), kept)

    @property
    def sequences(self) -> NDArray[np.str_]:
        return np.array([line["sequence"] for line in self.lines])


def read_lines(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def by_level(said: NDArray[np.float64], so: NDArray[Any], step: float) -> list[list[float]]:
    """What was said and what was so in the mean, and of how many masks, level by level."""
    return [
        [round(float(values[part].mean()), 2) for values in (said, so)] + [int(part.sum())]
        for level in np.arange(0, 1, step)
        if (part := (level <= said) & (said < level + step)).any()
    ]


def calibrate(sharpness: NDArray[np.float64], j: NDArray[np.float64]) -> dict[str, Any]:
    """Mean J, and the ends of the interval around it, at levels of sharpness with as many masks between them."""
    levels = np.unique(np.quantile(sharpness, np.linspace(0.02, 0.98, 13)).round(3))
    levels = np.append(levels[levels < 0.99], 1.0)
    near = [j[np.argsort(np.abs(sharpness - level), kind="stable")[: max(len(j) // 12, 10)]] for level in levels]

    def rising(values: Sequence[float]) -> list[float]:
        # A sharper mask is never expected to be worse.
        return isotonic_regression(values).x.round(3).tolist()

    parts = {
        "mean": [part.mean() for part in near],
        "low": [np.quantile(p, 0.1) for p in near],
        "high": [np.quantile(p, 0.9) for p in near],
    }
    unknown = [float(value.round(3)) for value in (j.mean(), *np.quantile(j, [0.1, 0.9]))]
    return {"sharpness": levels.tolist()} | {k: rising(v) for k, v in parts.items()} | {"unknown": unknown}


def fit(args: argparse.Namespace) -> None:
    fitted = {}
    for name, answers in (("tracked", False), ("answers", True)):
        table = Table.read(args.records, answers=answers)
        fitted[name] = calibrate(table.sharpness, table.j)
        sys.stdout.write(f"{name}: {len(table.j)} masks of {len(set(table.sequences))} sequences\n")
    args.output.write_text(json.dumps(fitted) + "\n", encoding="utf-8")


def check(args: argparse.Namespace) -> None:
    """How well the estimate, and its rivals, tell masks of J below 0.75; and how often its interval held."""
    table = Table.read(args.records)
    j, good, sequences = table.j, table.j >= GOOD_ENOUGH, table.sequences
    mean, low, high = load_curves().expect(table.sharpness)
    # Ties of the estimate, which is flat in places, are decided by what it is made of.
    rivals = {"estimate": mean + 1e-6 * table.sharpness} | {
        name: np.array([line[column] for line in table.lines])
        for name, column in (("object score", "object_score"), ("predicted IoU", "predicted_iou"))
    }
    mixed = [name for name in sorted(set(sequences)) if 0 < good[sequences == name].mean() < 1]
    report: dict[str, Any] = {"masks": len(j), "good": round(float(good.mean()), 3)}
    for rival, values in rivals.items():
        within = [roc_auc(values[sequences == name], good[sequences == name]) for name in mixed]
        report[f"AUC of {rival}"] = {
            "all": round(roc_auc(values, good), 3), "within sequences": round(float(np.mean(within)), 3)
        }  # fmt: skip
    report["mean J"], report["mean estimate"] = round(float(j.mean()), 3), round(float(mean.mean()), 3)
    report["within interval"] = round(float(((low <= j) & (j <= high)).mean()), 3)
    report["calibration (estimate, J, masks)"] = by_level(mean, j, 0.1)
    held = [within_margin(table, np.flatnonzero(sequences == name), load_curves()) for name in sorted(set(sequences))]
    report["sequences whose mean lay within the margin"] = f"{sum(held)} of {len(held)}"
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def within_margin(table: Table, rows: NDArray[np.intp], curves: QualityCurves) -> bool:
    """Whether the mean J of masks of one sequence is as the finish line has it, within its margin."""
    mean, low, high = curves.expect(table.sharpness[rows])
    objects = len({table.lines[row]["object_id"] for row in rows})
    margin = float((high - low).mean()) / 2 / np.sqrt(objects)
    return bool(abs(mean.mean() - table.j[rows].mean()) <= margin)


def recalibrate(args: argparse.Namespace) -> None:
    """How far off the mean of a sequence is, and how often the interval held, once a person has judged some masks."""
    table = Table.read(args.records)
    names = [name for name in sorted(set(table.sequences)) if (table.sequences == name).sum() >= 2 * max(args.judged)]
    report: dict[str, Any] = {"sequences": len(names)}
    for n in (0, *args.judged):
        off, held, kept = [], [], []
        for name, seed in product(names, range(args.draws)):
            order = np.random.default_rng(seed).permutation(np.flatnonzero(table.sequences == name))
            said, rest = order[:n], order[max(args.judged) :]
            judged = [JudgedMask(None, table.sharpness[i], table.j[i]) for i in said]
            curves = refitted(load_curves(), judged)
            mean, low, high = curves.expect(table.sharpness[rest])
            kept.append(within_margin(table, rest, curves))
            off.append(abs(float(mean.mean() - table.j[rest].mean())))
            held.append(float(((low <= table.j[rest]) & (table.j[rest] <= high)).mean()))
        shares = {"mean off by": off, "held": held, "means within the margin": kept}
        report[f"{n} judged"] = {name: round(float(np.mean(values)), 3) for name, values in shares.items()}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def ends(args: argparse.Namespace) -> None:
    """How likely objects are said to have ended before slices in which they have a mask, and how often they have."""
    lines = read_lines(args.records)
    objects: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for line in sorted((line for line in lines if line["slices"]), key=itemgetter("frame")):
        objects.setdefault((line["sequence"], line["prompt"], line["object_id"]), []).append(line)
    said, gone = [], []
    for rows in objects.values():
        mean, low, high = load_curves().expect(np.array([row["sharpness"] for row in rows], float))
        frames, empty = np.array([row["frame"] for row in rows]), np.array([row["area"] == 0 for row in rows])
        offsets = frames - rows[0]["prompted"]
        ended, _ = beyond_the_end(ExpectedQuality(frames, mean, low, high, empty), offsets)
        asked = ~empty & (offsets != 0)
        said += ended[asked].tolist()
        gone += [not row["there"] for row, is_asked in zip(rows, asked, strict=True) if is_asked]
    likely, is_gone = np.array(said), np.array(gone)
    report = {
        "masks": len(likely),
        "of nothing": round(float(is_gone.mean()), 3),
        "AUC": round(roc_auc(likely, is_gone), 3),
        "calibration (said, so, masks)": by_level(likely, is_gone, 0.2),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("output", type=Path)
    source = collecting.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path)
    source.add_argument("--generated", type=int)
    collecting.add_argument("--held-out", type=float, default=0.0, help="of --data, only this share of each set")
    collecting.add_argument("--prompts", nargs="+", default=["click", "mask"])
    collecting.add_argument("--model", default="sam2_nano", help="name or file")
    collecting.set_defaults(run=collect)
    fitting = commands.add_parser("fit")
    fitting.add_argument("records", type=Path, nargs="+")
    fitting.add_argument("--output", type=Path, default=CALIBRATION)
    fitting.set_defaults(run=fit)
    checking = commands.add_parser("check")
    checking.add_argument("records", type=Path, nargs="+")
    checking.set_defaults(run=check)
    again = commands.add_parser("recalibrate")
    again.add_argument("records", type=Path, nargs="+")
    again.add_argument("--judged", type=int, nargs="+", default=[3, 8, 15, 30])
    again.add_argument("--draws", type=int, default=20)
    again.set_defaults(run=recalibrate)
    ending = commands.add_parser("ends")
    ending.add_argument("records", type=Path, nargs="+")
    ending.set_defaults(run=ends)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
