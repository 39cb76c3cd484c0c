"""What a click, and a tracked frame, cost beyond the model's own time, by the number of objects on the frame.

``python benchmarks/bench_click.py --side 2048 --objects 60``. Drawing, measuring, undo and the result that is returned
count as beyond; time of this thread, so that what else the machine does is left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.tracking.frame_tracker import FrameTracker


class Stopwatch:
    """Time of this thread spent inside some methods."""

    def __init__(self, *methods: tuple[type, str]) -> None:
        self.seconds = 0.0
        for owner, name in methods:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            begun = time.thread_time()
            try:
                return method(*args, **options)
            finally:
                self.seconds += time.thread_time() - begun

        return timed

    def beyond(self, work: Callable[[], object]) -> float:
        """Milliseconds that work takes outside those methods."""
        inside, begun = self.seconds, time.thread_time()
        work()
        return 1e3 * (time.thread_time() - begun - (self.seconds - inside))


def grid_of_squares(side: int, objects: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A frame with bright squares, and their centres."""
    across = int(np.ceil(np.sqrt(objects)))
    step = side // across
    centres = [(step // 2 + step * (i // across), step // 2 + step * (i % across)) for i in range(objects)]
    frame = np.full((side, side), 20, np.uint8)
    for y, x in centres:
        frame[y - step // 6 : y + step // 6, x - step // 6 : x + step // 6] = 180
    return frame, centres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048, help="of the frames, in pixels")
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--clicks", type=int, default=7, help="on the last object, once all are there")
    parser.add_argument("--frames", type=int, default=3, help="tracked; 0 for none")
    parser.add_argument("--zoom", default="auto")
    parser.add_argument("--model", default="sam2_nano")
    args = parser.parse_args()
    torch.set_num_threads(1)
    watch = Stopwatch((PromptPredictor, "predict"), (PromptPredictor, "commit"), (FrameTracker, "track"))
    frame, centres = grid_of_squares(args.side, args.objects)
    session = Session(load_model(args.model), np.stack([frame] * max(args.frames, 1)), zoom=args.zoom)
    session.prepare(0)
    first = [
        watch.beyond(lambda i=i, centre=centre: session.add_points(0, i, [centre], [1]))
        for i, centre in enumerate(centres, start=1)
    ]
    (y, x), last = centres[-1], args.objects
    again = [watch.beyond(lambda n=n: session.add_points(0, last, [(y + 3 * n, x)], [1])) for n in range(args.clicks)]
    undone = [watch.beyond(session.undo) for _ in range(args.clicks)]
    report = {
        "first_click_ms": {i: round(first[i - 1], 1) for i in (1, args.objects // 2 or 1, args.objects)},
        "click_ms": round(statistics.median(again), 1),
        "undo_ms": round(statistics.median(undone), 1),
    }
    if args.frames:
        run = session.propagate()
        report["tracked_frame_ms"] = round(
            statistics.median(watch.beyond(lambda: next(run)) for _ in range(args.frames)), 1
        )
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
