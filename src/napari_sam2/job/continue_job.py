"""Continuation of a job that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .options import JobOptions, ModelOptions
from .output_folder import SESSION, claimed_output
from .prepare import Loader, Run, checked_job, count_steps, make_work
from .run_stack import Progress, Work

if TYPE_CHECKING:
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.session.session import Session


class NothingToResumeError(ValueError):
    """The session folder does not hold what it takes to go on: the job has to start anew."""


@contextmanager
def resumed_job(options: JobOptions, load: Loader = ModelOptions.load) -> Iterator[Work]:
    """Get everything ready to go on where the job stopped; results already in the folder stay as they were."""
    with (
        checked_job(options) as job,
        claimed_output(options.output, options.prompts, formats=job.formats, overwrite=options.overwrite) as folder,
    ):
        session = _open(options, frames=job.whole, load=load)
        try:
            # A damaged session, or one stopped before its first frame, gains nothing over a fresh start.
            if session.problems or not has_tracked(session):
                raise NothingToResumeError(session.problems[0] if session.problems else "nothing was tracked yet")
            yield make_work(job, session, what_is_left(session), folder)
        finally:
            session.close()


def has_tracked(session: Session) -> bool:
    """Tell whether a session holds results, or a run under way, and not only prompts."""
    # Prompted frames get labels as soon as a prompt is added, before any tracking.
    prompted = {prompt.frame for prompt in session.prompts}
    return bool(session.unfinished) or not set(session.labels.frames_done) <= prompted


def _open(options: JobOptions, *, frames: Stack, load: Loader) -> Session:
    from napari_sam2.session.session import Session

    model = load(options.model)
    try:
        return Session.open(options.output / SESSION, frames=frames, model=model)
    except (ValueError, OSError) as error:
        raise NothingToResumeError(str(error)) from error


def what_is_left(session: Session) -> Run:
    """Plan what is left to track: all, the rest, or nothing where only the results had not been written."""
    done = session.labels.frames_done
    # Interrupted within a run: its remaining steps are stored in the session.
    if session.unfinished:
        return session.resume(), Progress(session.unfinished, done, before=session.behind)
    # Only prompts so far: the whole run.
    if not has_tracked(session):
        return session.propagate(direction="outward"), Progress(count_steps(session, "outward"))
    return iter(()), Progress(0, done)
