"""Run of a batch in this process, one job after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from napari_sam2.job.run_stack import Watch

from .jobs import BatchJob
from .run_one import STOPPED, JobResult, Tools, do_job
from .shared_model import shared_model


def run_here(
    jobs: Iterable[BatchJob], watch: Callable[[BatchJob], Watch], *, keep_sessions: bool = False
) -> Iterator[JobResult]:
    """Do jobs one after the other, with each model loaded once; one that its watch ends is the last."""
    for job in jobs:
        result = do_job(job, Tools(shared_model, watch(job), keep_sessions))
        yield result
        # Ctrl-C is meant for the batch, not for one job of it.
        if result.state == STOPPED:
            return
