"""A session of a labelled sequence with accepted frames, to try settings on: what a person leaves after a review.

``python benchmarks/accepted_session.py ../shared/data cvc_clinicdb_seq12 polyp.napari-sam2`` prompts its largest object
once, tracks it and has every second frame accepted as the truth has it; ``napari-sam2 tune polyp.napari-sam2`` follows.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from napari_sam2 import Session, load_model
from napari_sam2.evaluation.labelled_sequences import read_sequences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of labelled sequences")
    parser.add_argument("sequence")
    parser.add_argument("session", type=Path, help="folder to write")
    parser.add_argument("--every", type=int, default=2, metavar="FRAMES")
    args = parser.parse_args()
    (sequence,) = read_sequences(args.data, (args.sequence,))
    object_id = sequence.objects()[0]
    first = sequence.prompt_frame(object_id)
    with closing(Session(load_model(), sequence.stack, folder=args.session)) as session:
        session.add_mask(first, 1, sequence.truth(first, object_id))
        for _ in session.propagate(direction="both"):
            pass
        frames = range(0, len(sequence.labels), args.every)
        accepted = session.accept(frames, shown={t: sequence.truth(t, object_id) for t in frames})
    sys.stdout.write(f"{accepted} frames of {sequence.name} accepted\n")


if __name__ == "__main__":
    main()
