"""A program that tracks into a session folder, time and again, to be killed at any moment.

Reads how many lines of work to do from stdin, forks, and lets the fork work: it opens the session, gives the prompts
that are missing, tracks, and says a line for everything that is finished. Only forks are killed, so that torch is
loaded once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.model.sam2 import Sam2

START = 5


def load(checkpoint: Path) -> Sam2:
    return load_model(checkpoint=checkpoint, image_size=64, device="cpu")


def prompts(size: tuple[int, int]) -> list[tuple[int, int, np.ndarray | tuple[int, int]]]:
    mask = np.zeros(size, bool)
    mask[10:24, 20:40] = True
    return [(0, 1, mask), (0, 2, (30, 20)), (4, 3, (12, 44)), (7, 2, (20, 30))]


def give(session: Session, number: int) -> None:
    frame, object_id, said = prompts(session.stack.shape[1:])[number]
    if isinstance(said, np.ndarray):
        session.add_mask(frame, object_id, said)
    else:
        session.add_points(frame, object_id, [said], [1])


def work(model: Sam2, folder: Path, image: Path) -> None:
    session = Session.open(folder, model=model) if folder.exists() else Session(model, open_stack(image), folder=folder)
    assert session.problems == ()
    for number in range(len(session.prompts), len(prompts((1, 1)))):
        give(session, number)
        os.write(1, b"prompt %d\n" % number)
    if session.unfinished or not any(track.visited for track in session._objects.tracks.values()):
        for result in session.resume() if session.unfinished else session.propagate(START, "both"):
            os.write(1, b"frame %d\n" % result.frame)
    os.write(1, b"done\n")


def main() -> None:
    torch.set_num_threads(1)
    checkpoint, folder, image = map(Path, sys.argv[1:])
    model = load(checkpoint)
    # Whatever is loaded on first use is loaded here, and no thread is left that a fork would miss.
    os.write(1, b"ready\n")
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            work(model, folder, image)
            os._exit(0)
        os.write(1, b"child %d\n" % child)
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
