"""What saving costs late in a long run, and what it writes beside the labels.

``python benchmarks/bench_saving_long.py --objects 20 --frames 10000``. The frames are not tracked, which would take
hours: at a frame of the run each object gets memories of the size that tracking gives it, and the session saves them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from napari_sam2 import Session, load_model
from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.session.tracking.schedule import Visit
from napari_sam2.storage.folder.layout import HEADER


def fresh(memory: FrameMemory) -> FrameMemory:
    parts = {name: getattr(memory, name) for name in ("low_res_bhw", "pointer_bc", "memory_bchw")}
    return replace(memory, **{name: part.clone() for name, part in parts.items() if part is not None})


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != HEADER)


def measure(session: Session, run: TrackingRun, frames: int) -> tuple[list[tuple[float, float]], int]:
    """Seconds of the clock and of the processor that saving takes for the next frames, and all bytes written."""
    folder, nbytes, seconds = session.folder, 0, []
    tracks = session._objects.tracks.values()
    label = session.labels[0]
    for _ in range(frames):
        frame = run.visits[run.done].frame
        for track in tracks:
            track.bank.put_recent(frame, fresh(track.bank[0]), step=1)
            track.mark_tracked(frame, 1)
        session.labels.set(frame, label)
        for row in list(islice(session.outputs.scores, len(tracks))):
            session.outputs.scores.put(row.moved(frame))
        session.outputs.touched.add(frame)
        run = run.further()
        before = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        begun = time.perf_counter(), time.thread_time()
        session.record(run)
        seconds.append((time.perf_counter() - begun[0], time.thread_time() - begun[1]))
        after = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        nbytes += sum(size - before.get(path, 0) for path, size in after.items())
    return seconds, nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000, help="of the stack")
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--side", type=int, default=256, help="of the frames, in pixels")
    parser.add_argument("--measured", type=int, default=600, help="frames to measure at each place of the run")
    parser.add_argument("--model", default="sam2_nano")
    args = parser.parse_args()
    torch.set_num_threads(1)
    discs = MovingDiscs(args.frames, args.side, args.objects)
    model = load_model(args.model, device="cpu")
    report = {}
    for place in (args.frames // 10, args.frames - args.measured - 1):
        with tempfile.TemporaryDirectory() as parent:
            session = Session(model, discs, zoom="off", folder=Path(parent, "bench.napari-sam2"))
            for object_id, mask in enumerate(discs.masks(0), start=1):
                session.add_mask(0, object_id, mask)
            for _ in session.propagate(max_frames=1):
                pass
            labels = session.labels.packed(0)
            for track in session._objects.tracks.values():
                track.visited = FrameDirections.from_spans([(0, place - 1, 1)])
            visits = tuple(Visit(frame, 1, session.object_ids) for frame in range(args.frames))
            session._unfinished = run = TrackingRun(visits, place)
            session.record()
            seconds, nbytes = measure(session, run, args.measured)
            clock, processor = zip(*seconds, strict=True)
            label_bytes = 4 / 3 * len(labels.data)
            report[f"frame {place}"] = {
                "clock_median_ms": 1e3 * statistics.median(clock),
                "clock_mean_ms": 1e3 * statistics.mean(clock),
                # What is left on a machine that does other things, too.
                "processor_mean_ms": 1e3 * statistics.mean(processor),
                "kb_a_frame_beside_labels": (nbytes / args.measured - label_bytes) / 1e3,
            }
            session.close()
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
