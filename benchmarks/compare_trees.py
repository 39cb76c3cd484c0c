"""Whether this tree tracks and takes clicks as fast as another one does, such as a checkout of an older commit.

``python benchmarks/compare_trees.py ../old/src --objects 1 10``. The trees run in a process each and take turns at
every step, on one thread; what counts is the processor's time, so that what else the machine does hits neither.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / "src"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def steps_of(preset: str, objects: int, side: int, frames: int) -> dict[str, Callable[[], object]]:
    """What is timed, in the tree that this process runs: a click and a tracked frame."""
    from napari_sam2 import Session, load_model
    from napari_sam2.benchmark.scene import MovingDiscs

    discs = MovingDiscs(frames + 1, side, objects)
    session = Session(load_model("sam2_nano", preset=preset, device="cpu"), discs)
    for number, centre in enumerate(discs.centres(0), start=1):
        session.add_points(0, number, [centre], [1])
    run = session.propagate()
    for _ in range(2):
        next(run)
    y, x = discs.centres(0)[0]
    return {"frame": lambda: next(run), "click": lambda: session.add_points(0, 1, [(y + 1, x)], [1])}


def serve(preset: str, objects: int, side: int, frames: int) -> None:
    """Do the step that each line names, and answer with its seconds of processor time."""
    steps = steps_of(preset, objects, side, frames)
    say("ready")
    for line in sys.stdin:
        begun = time.process_time()
        steps[line.strip()]()
        say(str(time.process_time() - begun))


def ask(process: subprocess.Popen[str], step: str) -> float:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{step}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def compare(trees: list[Path], preset: str, objects: int, args: argparse.Namespace) -> dict[str, object]:
    """Medians in milliseconds of each tree, and the median over the turns of this tree's time by the other's."""
    command = [sys.executable, __file__, ".", "--serve", preset, "--objects", str(objects), "--side", str(args.side)]
    command += ["--frames", str(args.frames)]
    with ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen(
                    command,
                    env=os.environ | ONE_THREAD | {"PYTHONPATH": str(tree)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for tree in trees
        ]
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise SystemExit(f"{process.args[0]} could not start: see above")
        report: dict[str, object] = {"preset": preset, "objects": objects}
        # All frames before the clicks: a click ends the run.
        for step, times in (("frame", args.frames - 2), ("click", args.clicks)):
            turns = [[ask(process, step) for process in processes] for _ in range(times)]
            old, new = (statistics.median(turn[i] for turn in turns) for i in range(2))
            ratio = statistics.median(turn[1] / turn[0] for turn in turns)
            report[step] = {"old_ms": round(1e3 * old), "new_ms": round(1e3 * new), "new_by_old": round(ratio, 2)}
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the src folder of the tree to compare with")
    parser.add_argument("--presets", nargs="+", default=["exact", "balanced", "fast"])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--side", type=int, default=512, help="of the frames, in pixels")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--clicks", type=int, default=10)
    parser.add_argument("--serve", metavar="PRESET", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.objects[0], args.side, args.frames)
        return
    for preset in args.presets:
        for objects in args.objects:
            say(json.dumps(compare([args.other.resolve(), HERE], preset, objects, args)))


if __name__ == "__main__":
    main()
