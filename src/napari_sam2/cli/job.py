"""Run of one job on the terminal, with a progress bar and a clean stop on Ctrl-C."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from napari_sam2.job.options import JobOptions
from napari_sam2.job.prepare import started_job
from napari_sam2.job.run_stack import JobReport, Progress, track_and_write

from .interrupt import stop_on_interrupt

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Step = TypeVar("Step")


def run_job(options: JobOptions) -> JobReport:
    """Track the objects of a prompts file through a stack and write the results.

    Ctrl-C ends the job after the current frame. Whatever ends it early, what was done until then is written, marked as
    incomplete.
    """
    with started_job(options) as work:
        print(_memory_line(work.session), file=sys.stderr)
        return track_and_write(work, on_terminal)


def on_terminal(steps: Iterator[Step], progress: Progress, name: str) -> Iterator[Step]:
    """Pass results on with a progress bar; Ctrl-C ends tracking after the current frame."""
    from tqdm import tqdm

    # What goes on counts on; its speed is that of the steps to come.
    total, before = progress.before + progress.planned, progress.before
    with stop_on_interrupt() as stop, tqdm(total=total, initial=before, desc=name, unit="frame") as bar:
        for result in steps:
            # Handed on before the stop is looked at: the frame is done and counts.
            yield result
            bar.update()
            if stop.is_set():
                return


def _memory_line(session: Session) -> str:
    from napari_sam2.session.features.prefetch import frame_bytes
    from napari_sam2.session.memory_estimate import estimate_memory

    # Memory grows with the prompted frames of one object, which tracking never drops; exemplars are such, too.
    kept = Counter(prompt.object_id for prompt in session.prompts) + Counter(session.exemplars)
    estimate = estimate_memory(
        session.model,
        session.stack.shape,
        len(kept),
        frame_bytes=frame_bytes(session.stack),
        prompted_frames=max(kept.values()),
    )
    return f"tracking over {session.stack.n_frames} frames takes {estimate}"
