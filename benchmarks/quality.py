"""How good masks are, and what of their scores tells it: collects, fits and checks the estimate of `expected_quality`.

``python benchmarks/quality.py collect --generated 48 drawn.jsonl`` tracks clips whose truth is known and writes a row
for each object and frame; ``--data FOLDER`` takes labelled sequences. ``fit drawn.jsonl`` fits the estimate that comes
with the package; ``check data.jsonl`` compares it with the scores that it is made of.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2 import Session, load_model
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.evaluation.evaluate_folder import generated_sequences
from napari_sam2.evaluation.image_sets import Split
from napari_sam2.evaluation.interactive import GOOD_ENOUGH
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, bounding_box, deepest_point, read_sequences
from napari_sam2.evaluation.metrics import region_similarity, roc_auc
from napari_sam2.session import quality
from napari_sam2.session.quality.expected_quality import QualityModel, load_quality_model, network_of
from napari_sam2.session.quality.signs import SIGNS, signs_of

QUALITY_MODEL = Path(quality.__path__[0]) / "quality_model.json"


def stability(logits_hw: np.ndarray) -> float:
    """Overlap of the masks at logits 1 and -1: how sharp the outline is."""
    loose = np.count_nonzero(logits_hw > -1)
    return float(np.count_nonzero(logits_hw > 1) / loose) if loose else 1.0


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
    sharp: dict[tuple[int, int], float] = {}
    for start, object_ids in starts.items():
        for result in session.propagate(start=start, direction=sequence.direction, object_ids=object_ids):
            sharp |= {(result.frame, i): stability(result.low_res_logits[result.row(i)]) for i in object_ids}
    for row in session.outputs.scores:
        if row.frame in sequence.graded:
            mask = session.labels[row.frame] == row.object_id
            yield asdict(row) | {
                "sequence": sequence.name,
                "prompt": prompt,
                "prompted": sequence.prompt_frame(row.object_id),
                "size": sequence.labels.shape[1:],
                "frames": len(sequence.labels),
                "stability": sharp.get((row.frame, row.object_id)),
                "j": region_similarity(mask, sequence.truth(row.frame, row.object_id)),
            }


def collect(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model = load_model(args.model)
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


def table_of(
    paths: Sequence[Path],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], list[dict[str, Any]]]:
    """Signs, J, and the sequence of each graded row; prompted frames, on which J is known, are left out."""
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    tracks: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for line in lines:
        tracks.setdefault((line["sequence"], line["prompt"], line["object_id"]), []).append(line)
    signs, kept = [], []
    for track in tracks.values():
        rows = [ScoreRow(**{field.name: line[field.name] for field in fields(ScoreRow)}) for line in track]
        prompted = {line["prompted"] for line in track}
        made = signs_of(rows, prompted, size=tuple(track[0]["size"]))
        tracked = [i for i, line in enumerate(track) if line["frame"] not in prompted]
        signs.append(made[tracked])
        kept += [track[i] for i in tracked]
    j = np.array([line["j"] for line in kept])
    return np.concatenate(signs), j, kept


def fit_network(signs: Tensor, j: Tensor, *, units: int, seed: int) -> list[Any]:
    """Fit one network by cross entropy with J as the chance."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(signs.shape[1], units), torch.nn.Tanh(), torch.nn.Linear(units, 1))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(400):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(signs)[:, 0], j).backward()
        optimiser.step()
    w, b, v, c = (p.detach().double().numpy().round(4) for p in net.parameters())
    return [w.T.tolist(), b.tolist(), v[0].tolist(), float(c[0])]


def fit(args: argparse.Namespace) -> None:
    signs, j, lines = table_of(args.records)
    names = [line["sequence"] for line in lines]
    centre, spread = signs.mean(0).round(4), (signs.std(0) + 1e-3).round(4)
    standard = torch.tensor(np.clip((signs - centre) / spread, -4, 4)).float()
    truth = torch.tensor(j).float()

    def networks(rows: NDArray[np.bool_]) -> list[Any]:
        return [fit_network(standard[rows], truth[rows], units=args.units, seed=seed) for seed in range(args.networks)]

    # The spread of J is that around answers of networks that have not seen the sequence.
    folds = np.array([zlib.crc32(name.encode()) % 5 for name in names])
    unseen = np.zeros(len(j))
    for fold in range(5):
        if (folds == fold).any():
            others = QualityModel(
                centre, spread, [network_of(kept) for kept in networks(folds != fold)], *(np.zeros(1),) * 3
            )
            unseen[folds == fold] = others.mean(signs[folds == fold])
    levels = np.linspace(0.05, 0.95, 10)
    near = [j[np.argsort(np.abs(unseen - level))[: max(len(j) // 10, 1)]] for level in levels]
    kept = {
        "signs": SIGNS,
        "centre": centre.tolist(),
        "spread": spread.tolist(),
        "networks": networks(np.ones(len(j), bool)),
        "levels": levels.round(2).tolist(),
        # Rising, so that a better estimate never has a worse interval.
        "lows": np.maximum.accumulate([np.quantile(part, 0.1) for part in near]).round(3).tolist(),
        "highs": np.maximum.accumulate([np.quantile(part, 0.9) for part in near]).round(3).tolist(),
    }
    args.output.write_text(json.dumps(kept), encoding="utf-8")
    sys.stdout.write(f"{len(j)} masks of {len(set(names))} sequences\n")


def check(args: argparse.Namespace) -> None:
    """How well the estimate, and what it is made of, tell masks of J below 0.75; and how often its interval held."""
    signs, j, lines = table_of(args.records)
    model = load_quality_model()
    mean = model.mean(signs)
    low, high = model.interval(mean)
    good = j >= GOOD_ENOUGH
    rivals = {
        "estimate": mean,
        "object score": signs[:, SIGNS.index("score")],
        "predicted IoU": signs[:, SIGNS.index("iou")],
    }
    rivals["score x IoU"] = np.array([line["object_score"] * line["predicted_iou"] for line in lines])
    rivals["stability"] = np.array([line["stability"] if line["stability"] is not None else 1.0 for line in lines])
    report: dict[str, Any] = {"masks": len(j), "good": round(float(good.mean()), 3)}
    report["AUC"] = {name: round(roc_auc(values, good), 3) for name, values in rivals.items()}
    report["mean J"], report["mean estimate"] = round(float(j.mean()), 3), round(float(mean.mean()), 3)
    report["within interval"] = round(float(((low <= j) & (j <= high)).mean()), 3)
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
    collecting.add_argument("--model", default="sam2_nano")
    collecting.set_defaults(run=collect)
    fitting = commands.add_parser("fit")
    fitting.add_argument("records", type=Path, nargs="+")
    fitting.add_argument("--output", type=Path, default=QUALITY_MODEL)
    fitting.add_argument("--units", type=int, default=8)
    fitting.add_argument("--networks", type=int, default=5)
    fitting.set_defaults(run=fit)
    checking = commands.add_parser("check")
    checking.add_argument("records", type=Path, nargs="+")
    checking.set_defaults(run=check)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
