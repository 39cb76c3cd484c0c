"""Memory rules on the same clips: J&F, J after a return, and how often a track goes over to another object.

``python benchmarks/bench_memory_rules.py --clips 6 --data ../shared/data --output rules.json`` prints a table and
writes the figures, which hardly depend on the machine. Drawn clips have look-alikes that cross, are gone for 20 to 60
frames and come back with other looks. What the file has already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.evaluate_folder import generated_sequences
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, read_sequences
from napari_sam2.evaluation.track_and_score import evaluate
from napari_sam2.session.tracking.memory.policies import POLICY_NAMES
from napari_sam2.synthetic import ABSENCES
from napari_sam2.weights.catalog import CATALOG

RULES = (*POLICY_NAMES, "standard+exclusive", "gated+exclusive")
FIGURES = ("J&F", "J_returned", "identity_switches")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sam2_nano", help="name or file")
    parser.add_argument("--rules", nargs="+", default=RULES)
    parser.add_argument("--clips", type=int, default=6, help="drawn clips with absences")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders of labelled sequences")
    parser.add_argument("--sequences", nargs="*", default=[], help="only these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("memory-rules.json"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    measured: dict[str, dict[str, Any]] = (
        json.loads(args.output.read_text(encoding="utf-8")) if args.output.exists() else {}
    )
    named = {"name": args.model} if args.model in CATALOG else {"checkpoint": args.model}
    model = load_model(**named, device="cpu")
    # Sequence by sequence, all rules in turn: a run cut short has compared all rules on what it came to.
    for name, sequence in sequences(args):
        frames = np.stack([sequence.stack.read(frame) for frame in range(len(sequence.labels))])
        for rule in args.rules:
            row = measured.setdefault(name, {})
            if rule not in row:
                # A stack is closed once it is measured on.
                again = replace(sequence, stack=Stack.from_array(frames, sequence.axis))
                report = evaluate(model, [again], session_factory=partial(Session, memory=rule), flow=False)
                row[rule] = {key: report["mean"][key] for key in FIGURES}
                args.output.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(measured, args.rules) + "\n")


def sequences(args: argparse.Namespace) -> Iterator[tuple[str, LabelledSequence]]:
    """What to measure on, with names."""
    for sequence in generated_sequences(args.clips, kind=ABSENCES) if args.clips else ():
        if not args.sequences or sequence.name in args.sequences:
            yield f"{ABSENCES}/{sequence.name}", sequence
    for folder in args.data:
        for sequence in read_sequences(folder):
            # Stills, and objects too short-lived to follow, say nothing about memory.
            if sequence.objects() and not sequence.is_still and (not args.sequences or sequence.name in args.sequences):
                yield f"{folder.name}/{sequence.name}", sequence


def table(measured: dict[str, dict[str, Any]], rules: list[str]) -> str:
    """Rules by sets of sequences, as Markdown: means of J&F and of J after a return, sums of switches."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for name, row in measured.items():
        sets.setdefault(name.partition("/")[0], []).append(row)
    lines = ["| rule | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for rule in rules:
        cells = [summary([row[rule] for row in rows if rule in row]) for rows in sets.values()]
        lines.append(f"| `{rule}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: list[dict[str, Any]]) -> str:
    """J&F / J after a return / switches."""
    if not rows:
        return ""
    returned = [row["J_returned"] for row in rows if row["J_returned"] is not None]
    after = f"{sum(returned) / len(returned):.3f}" if returned else "-"
    accuracy, switches = sum(row["J&F"] for row in rows) / len(rows), sum(row["identity_switches"] for row in rows)
    return f"{accuracy:.3f} / {after} / {switches}"


if __name__ == "__main__":
    main()
