"""The main job: a stack and prompts in; labels, scores and an overlay in a folder out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .input_options import InputOptions
from .interrupt import stop_on_interrupt
from .model_options import ModelOptions
from .results import PROMPTS, PromptFile, check_output, write_results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2.data.prompts import Prompt
    from napari_sam2.data.stack import Stack
    from napari_sam2.session.results import FrameResult
    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class JobOptions:
    """What to track, and how.

    Attributes
    ----------
    input, prompts, output : Path
        A stack, a prompts file and the folder for the results.
    model : ModelOptions
        Which model, and how it runs.
    part : InputOptions
        Which frames, channels and region of the input.
    direction : str
        As `Session.propagate` takes it.
    start, max_frames : int or None
        As `Session.propagate` takes them; the start is a frame of the whole input.
    contrast_limits : tuple of float or None
        Values shown black and white.
    fill_holes : int
        As `Session` takes it.
    zoom : str, float or None
        As `Session` takes it.
    exports : tuple of str
        Formats to write besides labels and scores.
    overwrite : bool
        Whether results that are in the folder already may be replaced.
    """

    input: Path
    prompts: Path
    output: Path
    model: ModelOptions = field(default_factory=ModelOptions)
    part: InputOptions = field(default_factory=InputOptions)
    direction: str = "outward"
    start: int | None = None
    max_frames: int | None = None
    contrast_limits: tuple[float, float] | None = None
    fill_holes: int = 8
    zoom: str | float | None = None
    exports: tuple[str, ...] = ("png",)
    overwrite: bool = False


@dataclass(frozen=True)
class JobReport:
    """What a job did.

    Attributes
    ----------
    folder : Path
        Where the results are.
    files : tuple of str
        Their names.
    n_frames : int
        Frames tracked.
    steps, planned : int
        Steps taken and planned; a frame that is passed in both directions takes two.
    n_objects : int
        Objects tracked.
    seconds : float
        Time the steps took.
    """

    folder: Path
    files: tuple[str, ...]
    n_frames: int
    steps: int
    planned: int
    n_objects: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether everything planned was done."""
        return self.steps == self.planned


class _Progress:
    """Which frames were tracked, and how long it took."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
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


def run_job(options: JobOptions) -> JobReport:
    """Track the objects of a prompts file through a stack and write the results.

    Ctrl-C ends the job after the frame at hand. Whatever ends it early, what was done until then is written, marked as
    incomplete.

    Parameters
    ----------
    options : JobOptions
        What to do.

    Returns
    -------
    JobReport
        What was done.

    Raises
    ------
    ValueError, OSError, RuntimeError, MemoryError
        For anything wrong with the input or the machine. Results already in the folder are left as they were.
    """
    from napari_sam2.data.formats import check_formats
    from napari_sam2.data.prompts import read_prompts

    with options.part.open(options.input) as whole:
        prompts = read_prompts(options.prompts)
        check_prompts(prompts, whole, options.prompts)
        formats = check_formats(options.exports, whole)
        folder = check_output(options.output, options.prompts, formats=formats, overwrite=options.overwrite)
        session = _start(options, whole, prompts)
        start = options.start
        if start is not None:
            start = session.stack.placement.frame_inside(check_frame_of(whole, start))
        steps = session.propagate(start=start, direction=options.direction, max_frames=options.max_frames)
        progress = _Progress(_count_steps(options, session, start))
        outcome = _Outcome(options, session, whole, prompts, progress)
        try:
            _track(steps, progress, options.input.name)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            if progress.frames:
                report = _save(outcome, folder=folder.for_partial)
                error.add_note(f"the {report.n_frames} frames done before that are in {report.folder}")
            raise
        return _save(outcome, folder=folder.path if progress.complete else folder.for_partial)


@dataclass(frozen=True)
class _Outcome:
    """What a job came to."""

    options: JobOptions
    session: Session
    whole: Stack
    prompts: list[Prompt]
    progress: _Progress


def check_frame_of(stack: Stack, frame: int) -> int:
    """Check that a stack has a frame; ``ValueError`` if not."""
    from napari_sam2.data.prompts import check_frame

    return check_frame(frame, stack.n_frames)


def check_prompts(prompts: Iterable[Prompt], stack: Stack, source: Path) -> None:
    """Check prompts against the stack before any time is spent on a model.

    Parameters
    ----------
    prompts : iterable of Prompt
        From a prompts file.
    stack : Stack
        What they are about.
    source : Path
        The file, for messages.

    Raises
    ------
    ValueError
        If there are none, or one is outside the stack; the message names it.
    """
    from napari_sam2.data.prompts import check_box, check_frame, check_mask, check_points

    prompts = list(prompts)
    if not prompts:
        raise ValueError(f"{source} holds no prompts: there is nothing to track")
    size = (stack.height, stack.width)
    for prompt in prompts:
        try:
            check_frame(prompt.frame, stack.n_frames)
            if prompt.points is not None and prompt.labels is not None:
                check_points(prompt.points, prompt.labels, size)
            if prompt.box is not None:
                check_box(prompt.box, size)
            if prompt.mask is not None:
                check_mask(prompt.mask, size)
        except ValueError as error:
            raise ValueError(f"{source}: object {prompt.object_id} on frame {prompt.frame}: {error}") from error


def _start(options: JobOptions, whole: Stack, prompts: Iterable[Prompt]) -> Session:
    from napari_sam2.session.session import Session

    part = options.part
    stack = whole if part.crop is None and part.every == 1 else whole.part(crop=part.crop, every=part.every)
    inside = [_prompt_inside(prompt, stack, options.prompts) for prompt in prompts]
    model = options.model.load()
    limits, holes = options.contrast_limits, options.fill_holes
    session = Session(model, stack, contrast_limits=limits, fill_hole_area=holes, zoom=options.zoom)
    for prompt in inside:
        session.add_prompt(prompt)
    return session


def _prompt_inside(prompt: Prompt, stack: Stack, source: Path) -> Prompt:
    try:
        return stack.placement.prompt_inside(prompt)
    except ValueError as error:
        raise ValueError(f"{source}: object {prompt.object_id} on frame {prompt.frame}: {error}") from error


def _count_steps(options: JobOptions, session: Session, start: int | None) -> int:
    from napari_sam2.session.schedule import outward, schedule, straight

    n_frames = session.stack.n_frames
    reach = n_frames if options.max_frames is None else options.max_frames
    first: dict[int, int] = {}
    for prompt in session.prompts:
        first[prompt.object_id] = min(prompt.frame, first.get(prompt.object_id, prompt.frame))
    if options.direction == "outward":
        return len(schedule({i: outward(frame, reach=reach, num_frames=n_frames) for i, frame in first.items()}))
    if start is None:
        prompted = [prompt.frame for prompt in session.prompts]
        start = max(prompted) if options.direction == "backward" else min(prompted)
    return len(straight(start, options.direction, reach=reach, num_frames=n_frames))


def _track(steps: Iterator[FrameResult], progress: _Progress, name: str) -> None:
    from tqdm import tqdm

    with stop_on_interrupt() as stop, tqdm(total=progress.planned, desc=name, unit="frame") as bar:
        for result in steps:
            progress.frames.append(result.frame)
            bar.update()
            if stop.is_set():
                return


def _save(outcome: _Outcome, *, folder: Path) -> JobReport:
    from napari_sam2.data.formats import Results, check_formats

    options, session, progress, whole = outcome.options, outcome.session, outcome.progress, outcome.whole
    placement, outputs = session.stack.placement, session.outputs
    frames = [placement.frames[frame] for frame in progress.frames]
    record = {
        "command": _command(options, folder / PROMPTS, whole.axis),
        "part": options.part.record(),
        "complete": progress.complete,
        "tracked_frames": _spans(frames),
        "seconds": round(progress.seconds, 3),
        "model": options.model.describe(session.model),
    }
    labels, scores = outputs.labels, outputs.scores
    if not placement.is_whole:
        labels, scores = placement.labels(labels), placement.scores(scores)
    results = Results(labels, whole, scores, window=session.encoder.window)
    formats = check_formats(options.exports, whole)
    prompts = PromptFile(options.prompts, outcome.prompts)
    files = write_results(folder, results, record=record, formats=formats, prompts=prompts)
    return JobReport(
        folder=folder,
        files=files,
        n_frames=len(set(frames)),
        steps=len(frames),
        planned=progress.planned,
        n_objects=len(session.object_ids),
        seconds=progress.seconds,
    )


def _command(options: JobOptions, prompts: Path, axis: str) -> list[str]:
    """Give the words that run the same job from anywhere."""
    model = options.model
    values: dict[str, object] = {
        "--prompts": prompts.resolve(),
        "--model": model.model,
        "--checkpoint": model.checkpoint and model.checkpoint.resolve(),
        "--device": model.device,
        "--dtype": model.dtype,
        "--preset": model.preset,
        "--image-size": model.image_size,
        "--axis": axis,
        "--direction": options.direction,
        "--start": options.start,
        "--max-frames": options.max_frames,
        "--fill-holes": options.fill_holes,
        "--zoom": options.zoom,
    }
    words = [str(word) for name, value in values.items() if value is not None for word in (name, value)]
    words += options.part.words()
    if options.contrast_limits is not None:
        words += ["--contrast-limits", *map(str, options.contrast_limits)]
    return ["napari-sam2", "segment", str(options.input.resolve()), *words]


def _spans(frames: Iterable[int]) -> list[list[int]]:
    """Write frames as runs, [first, last] each."""
    spans: list[list[int]] = []
    for frame in sorted(set(frames)):
        if spans and spans[-1][1] == frame - 1:
            spans[-1][1] = frame
        else:
            spans.append([frame, frame])
    return spans
