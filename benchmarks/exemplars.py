"""What another movie's prompts are worth: J without any prompt, with a click, and with both.

``python benchmarks/exemplars.py --data FOLDER FIRST:NEXT ...`` has the objects of FIRST prompted with their true masks,
then looks for as many of NEXT, the largest with the largest, on a few frames: by exemplars alone, by a click, by a
click and exemplars. It prints a row of a table for each pair.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, deepest_point, read_sequences
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.session.tracking.memory_bank import FrameMemory

Memories = dict[int, tuple[FrameMemory, ...]]


def memories_of(model: Any, sequence: LabelledSequence, object_ids: Sequence[int]) -> Memories:
    """Memories of objects that were prompted with their true masks."""
    session = Session(model, sequence.stack)
    for object_id in object_ids:
        frame = sequence.prompt_frame(object_id)
        session.add_mask(frame, object_id, sequence.truth(frame, object_id))
    # A prompt's memory is made when it is first tracked from.
    list(session.propagate(max_frames=1))
    return session.exemplary_memories()


def tracked_j(
    model: Any, sequence: LabelledSequence, object_ids: Sequence[int], memories: Memories, *, click: bool, most: int
) -> float:
    """Mean J of objects on the first frames after their prompts, which are not graded themselves."""
    session = Session(model, sequence.stack)
    session.take_memories(memories)
    found = []
    for object_id in object_ids:
        start = sequence.prompt_frame(object_id)
        if click:
            session.add_points(start, object_id, [deepest_point(sequence.truth(start, object_id))], [1])
        list(session.propagate(start=start, max_frames=most, object_ids=[object_id]))
        graded = [t for t in sequence.graded if start < t < start + most]
        found += [region_similarity(session.labels[t] == object_id, sequence.truth(t, object_id)) for t in graded]
    return float(np.mean(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="+", metavar="FIRST:NEXT")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="sam2_nano")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--objects", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.model, device="cpu")
    pairs = [pair.split(":") for pair in args.pairs]
    known = {one.name: one for one in read_sequences(args.data, tuple({name for pair in pairs for name in pair}))}
    sys.stdout.write("| first | next | exemplars alone | a click | a click and exemplars |\n|---|---|---|---|---|\n")
    for first, following in pairs:
        shown, target = known[first], known[following]
        both = list(zip(shown.objects(), target.objects(), strict=False))[: args.objects]
        if not both:
            sys.stderr.write(f"{first} and {following}: one of them has no object that is there for long\n")
            continue
        learned = memories_of(model, shown, [one for one, _ in both])
        memories = {theirs: learned[mine] for mine, theirs in both}
        ids = [theirs for _, theirs in both]
        figures = [
            tracked_j(model, target, ids, known_memories, click=click, most=args.frames)
            for known_memories, click in ((memories, False), ({}, True), (memories, True))
        ]
        sys.stdout.write(f"| {first} | {following} | {' | '.join(f'{one:.3f}' for one in figures)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
