"""Run of one job of a batch, which starts, continues or skips it by the state of its folder."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from napari_sam2.job.continue_job import NothingToResumeError, resumed_job
from napari_sam2.job.errors import describe_error
from napari_sam2.job.finished_results import FinishedResults
from napari_sam2.job.options import JobOptions
from napari_sam2.job.output_folder import LABELS, SESSION
from napari_sam2.job.prepare import Loader, read_job_prompts, started_job
from napari_sam2.job.run_stack import Watch, Work, track, write

from .job_record import DONE, FAILED, STARTED, Marker, check_own, made_of, read_marker
from .jobs import BatchJob

SKIPPED, STOPPED, BUSY, WAITING = "skipped", "stopped", "busy", "waiting"
# A program that was killed may hold its lock a moment longer than its connection.
_PATIENCE_S = 2.0

_logger = logging.getLogger(__name__)

# Either of the ways into a job.
Tracking: TypeAlias = "Callable[[JobOptions, Loader], AbstractContextManager[Work]]"


@dataclass(frozen=True)
class JobResult:
    """How a job ended."""

    # Of the job.
    name: str
    # ``"done"``, ``"skipped"`` (was done before), ``"failed"``, ``"stopped"`` (goes on next time), ``"busy"`` (another
    # program is at it) or ``"waiting"`` (not begun).
    state: str
    # What was tracked.
    n_frames: int = 0
    n_objects: int = 0
    # How long it took.
    seconds: float = 0.0
    # What there is to say about it.
    message: str = ""


@dataclass(frozen=True)
class Tools:
    """What running a job needs from its surroundings."""

    # Gives the model for some options, loaded once.
    load: Loader
    # Shows how far tracking is, and may end it.
    watch: Watch
    # Whether the session folder stays once a job is done.
    keep_sessions: bool = False


def do_job(job: BatchJob, tools: Tools) -> JobResult:
    """Run a job unless it was done already; continue it where it was interrupted.

    Errors are reported in the result and not raised, so that they do not end the other jobs.
    """
    begun = time.perf_counter()
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        # Two batches, or two workers after a lost connection, must not write to one folder.
        with _only_here(job.folder):
            result = _do(job, tools)
    except BlockingIOError:
        return JobResult(job.name, BUSY, message="another program is at it")
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        result = _failed(job, describe_error(error) or f"{type(error).__name__}: {error}")
    except Exception as error:
        # Not the user's doing; yet the other jobs may well go on.
        _logger.exception("job %s met a bug", job.name)
        result = _failed(job, f"{type(error).__name__}: {error}")
    return replace(result, seconds=result.seconds or round(time.perf_counter() - begun, 3))


def done_before(job: BatchJob) -> JobResult | None:
    """Tell whether a job was done already, out of the same image, prompts, options and model."""
    options = job.resolved()
    if _missing_exports(options):
        return None
    return _skipped(job, read_marker(job.folder), made_of(options, read_job_prompts(options)))


def _missing_exports(options: JobOptions) -> dict[str, Path]:
    """Formats that are asked for and not in the folder of results, with their places."""
    from napari_sam2.data.formats import FORMATS

    places = {name: options.output / FORMATS[name].filename for name in options.exports}
    return {name: place for name, place in places.items() if not place.exists()}


def _write_exports(folder: Path, places: Mapping[str, Path], *, image: Path) -> None:
    """Write formats of what was tracked before."""
    from napari_sam2.data.formats import export_results

    finished = FinishedResults.read(folder)
    with finished.open_images(image) as images, finished.open_labels() as labels:
        results = finished.results(images or labels, labels, has_pixels=images is not None, background=(0, 0, 0))
        for name, place in places.items():
            export_results(results, name, place)


def _skipped(job: BatchJob, marker: Marker | None, present: dict[str, str]) -> JobResult | None:
    if marker is None or marker.state != DONE or marker.differences(present) or not (job.folder / LABELS).exists():
        return None
    counts = marker.n_frames, marker.n_objects, marker.seconds
    return JobResult(job.name, SKIPPED, *counts, message="done before")


@contextmanager
def _only_here(folder: Path) -> Iterator[None]:
    """Keep other programs from doing the same job at the same time; ``BlockingIOError`` if one is at it."""
    from napari_sam2.storage.folder.lock import FolderLock

    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            lock = FolderLock(folder)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.release()


def _do(job: BatchJob, tools: Tools) -> JobResult:
    options = replace(job.resolved(), overwrite=True, save=True)
    present = made_of(options, read_job_prompts(options))
    before = read_marker(job.folder)
    if skipped := _skipped(job, before, present):
        missing = _missing_exports(options)
        if not missing:
            return skipped
        # What was tracked is as it would be now: only the files are new.
        _write_exports(job.folder, missing, image=options.input)
        return replace(skipped, state=DONE, message=f"tracked before; wrote {', '.join(missing)}")
    check_own(job.folder)
    # A job whose inputs have changed starts from the beginning; an unchanged one may go on where it was.
    changed = [] if before is None else before.differences(present)
    same = before is not None and not changed
    attempts = before.attempts + 1 if before is not None and same else 1
    marker = Marker(STARTED, present, attempts)
    message = ""
    # Say why something that was done is done again.
    if before is not None and before.state == DONE:
        reason = f"its {' and '.join(changed)} changed" if changed else "its results were gone"
        message = f"done again: {reason}"
    # A session that cannot be continued falls through to a fresh start.
    if before is not None and same and before.state != DONE:
        with suppress(NothingToResumeError):
            marker.write(job.folder)
            return _track(job, options, tools, marker, tracking=resumed_job)
    # In this order: a session is never taken for that of another marker.
    _remove(job.folder / SESSION)
    marker.write(job.folder)
    return _track(job, options, tools, replace(marker, message=message), tracking=started_job)


def _track(job: BatchJob, options: JobOptions, tools: Tools, marker: Marker, *, tracking: Tracking) -> JobResult:
    begun = time.perf_counter()
    with tracking(options, tools.load) as work:
        earlier = len(work.progress.earlier)
        message = marker.message or (f"went on where it had stopped, after {earlier} frames" if earlier else "")
        track(work, tools.watch)
        # Without results: the session in the folder is what the next run goes on from.
        if not work.progress.complete:
            return JobResult(job.name, STOPPED, earlier + len(work.progress.frames), message="goes on next time")
        report = write(work, work.folder.path)
    # Sessions take much more room than results.
    if not tools.keep_sessions:
        _remove(job.folder / SESSION)
    seconds = round(time.perf_counter() - begun, 3)
    # Last of all, once every file is in place: a crash before this means done again, never a wrong "done".
    done = Marker(DONE, marker.made_of, marker.attempts, report.n_frames, report.n_objects, seconds)
    done.write(job.folder)
    return JobResult(job.name, DONE, report.n_frames, report.n_objects, seconds, message)


def _failed(job: BatchJob, message: str) -> JobResult:
    marker = read_marker(job.folder)
    # Where not even that can be written, the next run takes the job for one that was stopped.
    if marker is not None and marker.state == STARTED:
        with suppress(OSError):
            replace(marker, state=FAILED, message=message).write(job.folder)
    return JobResult(job.name, FAILED, message=message)


def _remove(session: Path) -> None:
    if session.exists():
        shutil.rmtree(session)
