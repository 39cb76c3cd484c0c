"""Checks of all jobs before any is run, and which of them were done before."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from napari_sam2.job.errors import describe_error
from napari_sam2.job.options import ModelOptions
from napari_sam2.job.prepare import checked_job

from .job_record import check_own
from .jobs import BatchJob
from .run_one import JobResult, done_before


@dataclass(frozen=True)
class Plan:
    """What is left to do."""

    # Jobs in the order asked for.
    to_do: list[BatchJob]
    # Those that were done before.
    done: list[JobResult]
    # What keeps the batch from being run, a line each.
    mistakes: list[str]


def plan_jobs(jobs: Iterable[BatchJob], *, needs_weights: bool = True, seen: Callable[[], None] = lambda: None) -> Plan:
    """Open and check the inputs of all jobs, and find those that were done before; `seen` is called after each."""
    plan = Plan([], [], [])
    for job in jobs:
        try:
            job = _fitting(job)
            done = _check(job, needs_weights=needs_weights)
        # What users can cause is listed; a bug of the program ends the check.
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            message = describe_error(error)
            if message is None:
                raise
            plan.mistakes.append(f"{job.where}: {message}")
        else:
            if done is None:
                plan.to_do.append(job)
            else:
                plan.done.append(done)
        seen()
    return plan


def _fitting(job: BatchJob) -> BatchJob:
    """Leave out the formats that cannot hold a job's stack: those of a mixed batch are asked for all together."""
    from napari_sam2.data.formats import FORMATS, check_formats
    from napari_sam2.data.formats.registry import UnfitFormatError

    picky = [name for name in job.options.exports if FORMATS[name].check is not None]
    if not picky:
        return job
    options = job.resolved()
    kept = list(options.exports)
    with options.part.open(options.input) as stack:
        for name in picky:
            try:
                check_formats([name], stack)
            except UnfitFormatError as error:
                kept.remove(name)
                warnings.warn(f"{options.input.name} is not written as {name}: {error}", stacklevel=2)
    return replace(job, options=replace(job.options, exports=tuple(kept)))


def _check(job: BatchJob, *, needs_weights: bool) -> JobResult | None:
    check_own(job.folder)
    options = job.resolved()
    # Before `done_before`, which hashes the file of the weights.
    _check_weights(options.model, needs_weights=needs_weights)
    if done := done_before(job):
        return done
    # Opened and closed again: only the checks are wanted.
    with checked_job(options):
        return None


def _check_weights(model: ModelOptions, *, needs_weights: bool) -> None:
    if model.file.exists():
        return
    if model.checkpoint is not None:
        raise FileNotFoundError(f"{model.checkpoint} does not exist")
    # On a cluster the weights are the workers' affair.
    if needs_weights:
        how = f"'napari-sam2 weights download {model.model}' gets them"
        raise FileNotFoundError(f"the weights of {model.model} are not on this computer: {how}")
