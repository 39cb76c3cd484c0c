"""How far the number types move masks: tracked from the same masks on labelled sequences, against float32.

Run with ``python benchmarks/compare_types.py SEQUENCES [--model MODEL]``; prints the table of docs/presets.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, read_sequences
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session
from napari_sam2.weights.load import load_model

TYPES = ("mixed", "bfloat16")
FRAMES, OBJECTS = 10, 3


def tracked(model: Sam2, sequence: LabelledSequence, start: int, object_ids: list[int]) -> list[NDArray[np.bool_]]:
    """Masks (objects, Y, X) of up to nine frames after the one whose masks are given."""
    last = min(start + FRAMES, sequence.stack.n_frames)
    frames = np.stack([sequence.stack.read(t) for t in range(start, last)])
    session = Session(model, Stack.from_array(frames, sequence.axis), zoom="off")
    for object_id in object_ids:
        session.add_mask(0, object_id, sequence.truth(start, object_id))
    return [result.masks.copy() for result in session.propagate()][1:]


def agreement(wanted: list[NDArray[np.bool_]], found: list[NDArray[np.bool_]]) -> float:
    """Mean IoU over frames and objects."""
    pairs = zip(np.concatenate(wanted), np.concatenate(found), strict=True)
    return float(np.mean([region_similarity(one, other) for one, other in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sequences", type=Path)
    parser.add_argument("--model", default="sam2_nano")
    parser.add_argument("--only", nargs="*", default=[], help="names of sequences")
    options = parser.parse_args()
    # The preset decides what is remembered: the same for all, so that only the type differs.
    exact, *others = (load_model(options.model, preset="exact", dtype=dtype) for dtype in ("float32", *TYPES))
    rows: dict[str, list[float]] = {}
    for sequence in read_sequences(options.sequences, tuple(options.only)):
        if object_ids := sequence.objects()[:OBJECTS]:
            start = sequence.prompt_frame(object_ids[0])
            seen = [i for i in object_ids if sequence.truth(start, i).any()]
            wanted = tracked(exact, sequence, start, seen)
            rows[sequence.name] = [agreement(wanted, tracked(model, sequence, start, seen)) for model in others]
        sequence.stack.close()
    rows["mean"] = list(np.mean(list(rows.values()), axis=0))
    sys.stdout.write("| sequence | `mixed` | all in bfloat16 |\n|---|---|---|\n")
    for name, (mixed, halved) in rows.items():
        sys.stdout.write(f"| {name} | {mixed:.3f} | {halved:.3f} |\n")


if __name__ == "__main__":
    main()
