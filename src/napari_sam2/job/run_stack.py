"""The run of a job: tracking of all frames, and writing of the results or of what was done until an interruption."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2.wording import out_of_date

from .options import ModelOptions
from .output_folder import OutputFolder, PromptFile, write_results

if TYPE_CHECKING:
    from napari_sam2.data.formats import Format, Results
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.session.results.frame_result import FrameResult
    from napari_sam2.session.session import Session

# Takes the steps to come, the progress so far and the name of the input; passes them on, shows how far it is, and may
# end before they do.
Watch: TypeAlias = "Callable[[Iterator[FrameResult], Progress, str], Iterator[FrameResult]]"


@dataclass(frozen=True)
class JobReport:
    """The outcome of a job: where the results are, and how much was tracked."""

    # Where the results are.
    folder: Path
    # Their names.
    files: tuple[str, ...]
    # Frames tracked.
    n_frames: int
    # Steps taken and planned; a frame that is passed in both directions takes two.
    steps: int
    planned: int
    # Objects tracked.
    n_objects: int
    # Time the steps took.
    seconds: float
    # Steps of the same run that were taken before it was interrupted.
    before: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything planned was done."""
        return self.steps == self.planned


class Progress:
    """Which frames were tracked, and how long it took."""

    def __init__(self, planned: int, earlier: Iterable[int] = (), *, before: int = 0) -> None:
        # Steps to take, frames tracked earlier, and steps that an interrupted run had taken.
        self.planned = planned
        self.earlier = tuple(earlier)
        self.before = before
        self.frames: list[int] = []
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._begun

    @property
    def complete(self) -> bool:
        """Whether everything planned was done."""
        return len(self.frames) == self.planned


@dataclass(frozen=True)
class Work:
    """A job under way."""

    # What is tracked.
    session: Session
    # The tracking, from `Session.propagate` or `Session.resume`.
    steps: Iterator[FrameResult]
    # How far it came.
    progress: Progress
    # The input that the session's stack is all or a part of.
    whole: Stack
    # The prompts, in frames and pixels of the whole.
    prompts: PromptFile
    # The session's model.
    model: ModelOptions
    # Words that do the same again.
    command: list[str]
    # Which part of the input, as JSON.
    part: dict[str, Any]
    # What to write besides labels and scores.
    formats: tuple[Format, ...]
    # For the results.
    folder: OutputFolder


def track(work: Work, watch: Watch) -> None:
    """Track until the end, or until `watch` ends it, and count the frames in the work's progress."""
    name = work.whole.path.name if work.whole.path else "frames"
    for result in watch(work.steps, work.progress, name):
        work.progress.frames.append(result.frame)


def track_and_write(work: Work, watch: Watch) -> JobReport:
    """Track, and write the results even after an error, which then says what is left of the work and where."""
    progress, folder = work.progress, work.folder
    try:
        track(work, watch)
        return write(work, folder.path if progress.complete else folder.for_partial)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        # Hours of tracking must not be lost to an error on one frame, nor to one while its results are written.
        if not progress.complete and progress.frames:
            with suppress(OSError):
                report = write(work, folder.for_partial)
                error.add_note(f"the {report.n_frames} frames done before that are in {report.folder}")
        if (session := work.session.folder) is not None:
            error.add_note(f"the session was kept: 'napari-sam2 resume {session}' goes on")
        raise


def write(work: Work, folder: Path) -> JobReport:
    """Write what was tracked so far, whole: what is there already stays as it was if that fails."""
    session, progress = work.session, work.progress
    geometry = session.stack.geometry
    frames = {geometry.frame_outside(frame) for frame in (*progress.earlier, *progress.frames)}
    stale = session.out_of_date
    if stale:
        warnings.warn(
            f"{out_of_date(len(stale))}, as prompts came after they were tracked: update the session in napari, or "
            "track all of it again with 'napari-sam2 run'",
            stacklevel=2,
        )
    record = {
        "command": work.command,
        "part": work.part,
        "complete": progress.complete,
        "tracked_frames": _spans(frames),
        "out_of_date": _spans(geometry.frame_outside(frame) for frame in stale),
        "seconds": round(progress.seconds, 3),
        "model": work.model.describe(session.model),
    }
    results = _results(work)
    files = write_results(folder, results, record=record, formats=work.formats, prompts=work.prompts)
    return JobReport(
        folder=folder,
        files=files,
        n_frames=len(frames),
        steps=len(progress.frames),
        planned=progress.planned,
        n_objects=len(session.object_ids),
        seconds=progress.seconds,
        before=progress.before,
    )


def _results(work: Work) -> Results:
    """Results of the whole input, although only a part may have been tracked."""
    from napari_sam2.data.formats import Results
    from napari_sam2.data.labels.lineage import Lineage
    from napari_sam2.data.labels.placed_results import place_results
    from napari_sam2.session.quality.expected_quality import estimated

    session, outputs = work.session, work.session.outputs
    labels, scores = place_results(outputs.labels, outputs.scores, session.stack.geometry)
    return Results(
        labels,
        work.whole,
        estimated(scores),
        window=session.encoder.window,
        lineage=Lineage.of_frames(map(labels.object_ids, range(work.whole.n_frames)), session.parents),
        classes=session.classes,
    )


def _spans(frames: Iterable[int]) -> list[list[int]]:
    """Write frames as runs, [first, last] each."""
    spans: list[list[int]] = []
    for frame in sorted(set(frames)):
        if spans and spans[-1][1] == frame - 1:
            spans[-1][1] = frame
        else:
            spans.append([frame, frame])
    return spans
