"""Whether the finish line keeps its promise: what it says of the masks, and of a further correction, beside the truth.

``python benchmarks/finish_line.py --data FOLDER [--rounds 4] [--sequences NAME ...]`` reviews each labelled sequence as
`napari-sam2 evaluate --interactive offline --choice worth` does, a frame of every object a round. Mean J over all
objects and frames: said, with its margin, and true; said of one correction more of each object, and true after it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from named_model import named_model

from napari_sam2 import Session
from napari_sam2.evaluation.interactive import InteractionSettings, SimulatedUser
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, read_sequences
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.session.quality.worth import Outlook


@dataclass(frozen=True)
class Saying:
    """What was said after one round, and what was true."""

    said: Outlook
    true: float

    @property
    def held(self) -> bool:
        """Whether the mean was inside its margin."""
        return abs(self.true - self.said.mean) <= self.said.margin


def sayings(model: Any, sequence: LabelledSequence, *, rounds: int) -> Iterator[Saying]:
    """Review a sequence; one saying after each round."""
    user = SimulatedUser(
        sequence, Session(model, sequence.stack), InteractionSettings("offline", rounds, choice="worth")
    )
    nothing = np.zeros(sequence.labels.shape[1:], bool)
    for _ in user.rounds():
        said = user.session.outlook(corrections=len(user.clicked))
        # Every mask that there is an estimate of, also those of prompted frames.
        masks = [(t, i) for i in user.clicked for t in user.session.expected_quality(i).frames.tolist()]
        overlaps = [region_similarity(user.masks.get((t, i), nothing), sequence.truth(t, i)) for t, i in masks]
        assert said is not None
        yield Saying(said, float(np.mean(overlaps)))


def line(name: str, reviewed: list[Saying]) -> str:
    """One row of the table."""
    cells = [
        f"{one.said.mean:.2f} ± {one.said.margin:.2f} → {one.said.after:.2f} ({one.true:.2f}{'' if one.held else '!'})"
        for one in reviewed
    ]
    return f"| {name} | " + " | ".join(cells) + " |\n"


def summary(reviewed: list[list[Saying]]) -> str:
    """How often the margin held after each round, and gains said and true from one to the next."""
    lines = []
    for after, column in enumerate(zip(*reviewed, strict=True), 1):
        held = sum(one.held for one in column)
        off = np.mean([abs(one.true - one.said.mean) for one in column])
        lines.append(f"after {after}: inside the margin {held} of {len(column)}, mean off by {off:.3f}\n")
    steps = [
        (one.said.after - one.said.mean, after.true - one.true)
        for all_ in reviewed
        for one, after in itertools.pairwise(all_)
    ]
    if steps:
        said, true = np.mean(steps, axis=0)
        lines.append(f"a round more: gains {said:.3f} by what is said, {true:.3f} in truth\n")
    return "".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sequences", nargs="*", default=[], help="only these")
    parser.add_argument("--model", default="sam2_nano", help="name or file")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--output", type=Path, help="JSON file of all figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = named_model(args.model)
    reviewed: dict[str, list[Saying]] = {}
    for sequence in read_sequences(args.data):
        if sequence.objects() and not sequence.is_still and (not args.sequences or sequence.name in args.sequences):
            reviewed[sequence.name] = list(sayings(model, sequence, rounds=args.rounds))
            sys.stdout.write(line(sequence.name, reviewed[sequence.name]))
            sys.stdout.flush()
    sys.stdout.write(summary(list(reviewed.values())))
    if args.output:
        figures = {
            name: [
                {"said": one.said.mean, "margin": one.said.margin, "after": one.said.after, "true": one.true}
                for one in rounds
            ]
            for name, rounds in reviewed.items()
        }
        args.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
