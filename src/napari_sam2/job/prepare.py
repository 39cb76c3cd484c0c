"""Preparation of a job: inputs opened and checked, model loaded, prompts added to a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2.option_fields import option_names

from .options import InputOptions, JobOptions, ModelOptions
from .output_folder import PROMPTS, SESSION, OutputFolder, PromptFile, claimed_output, make_way
from .run_stack import Progress, Work

if TYPE_CHECKING:
    from napari_sam2.data.formats import Format
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.lineage import LifeSpan
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.model.sam2 import Sam2
    from napari_sam2.session.results.frame_result import FrameResult
    from napari_sam2.session.session import Session

Loader: TypeAlias = "Callable[[ModelOptions], Sam2]"
# The steps to take, and their progress.
Run: TypeAlias = "tuple[Iterator[FrameResult], Progress]"

# Options that change what is tracked, and so belong into the recorded command.
_SAID = (
    *option_names(ModelOptions),
    *option_names(InputOptions),
    *("direction", "start", "max_frames", "nan", "fill_holes", "zoom", "memory", "exemplars"),
)


@dataclass(frozen=True)
class CheckedJob:
    """A job whose files can be read and fit together."""

    # What was asked for.
    options: JobOptions
    # The input, and the part of it that is tracked.
    whole: Stack
    stack: Stack
    # The prompts, in frames and pixels of the whole and of the part.
    prompts: list[Prompt]
    inside: list[Prompt]
    # Frame of the part to start at.
    start: int | None
    # What to write besides labels and scores.
    formats: tuple[Format, ...]
    # What is known of when objects begin and end, and who came from whom.
    spans: dict[int, LifeSpan]


@contextmanager
def checked_job(options: JobOptions) -> Iterator[CheckedJob]:
    """Open the input, until the block ends, and check everything that takes no model."""
    from napari_sam2.data.formats import check_formats

    part = options.part
    with part.open(options.input) as whole:
        whole.missing.refuse = options.nan == "refuse"
        # Cheap checks come first, and prompts are checked against the whole: messages speak of the user's own frames.
        prompts = read_job_prompts(options, whole)
        # Exemplars alone say what to track.
        if prompts or options.exemplars is None:
            check_prompts(prompts, whole, options.prompts)
        formats = check_formats(options.exports, whole)
        stack = whole if part.crop is None and part.every == 1 else whole.part(crop=part.crop, every=part.every)
        spans = dict(options.spans) or _read_spans(options, stack)
        inside = [_prompt_inside(prompt, stack, options.prompts) for prompt in prompts]
        start = options.start
        if start is not None:
            start = stack.geometry.frame_inside(_check_frame_of(whole, start))
        yield CheckedJob(options, whole, stack, prompts, inside, start, tuple(formats), spans)


@contextmanager
def started_job(options: JobOptions, load: Loader = ModelOptions.load) -> Iterator[Work]:
    """Get everything ready for tracking; whatever goes wrong, results already in the folder stay as they were."""
    with (
        checked_job(options) as job,
        claimed_output(options.output, options.prompts, formats=job.formats, overwrite=options.overwrite) as folder,
    ):
        session = _prompted_session(job, load(options.model))
        try:
            yield make_work(job, session, whole_run(job, session), folder)
        finally:
            session.close()


def make_work(job: CheckedJob, session: Session, run: Run, folder: OutputFolder) -> Work:
    """Collect everything that tracking and writing need."""
    options, (steps, progress) = job.options, run
    return Work(
        session=session,
        steps=steps,
        progress=progress,
        whole=job.whole,
        prompts=PromptFile(options.prompts, job.prompts),
        model=options.model,
        command=command_words(options, folder.path / PROMPTS, job.whole.axis),
        part=options.part.record(),
        formats=job.formats,
        folder=folder,
    )


def whole_run(job: CheckedJob, session: Session) -> Run:
    """Plan all of a job's tracking."""
    options = job.options
    steps = session.propagate(start=job.start, direction=options.direction, max_frames=options.max_frames)
    count = count_steps(session, options.direction, start=job.start, max_frames=options.max_frames)
    return steps, Progress(count)


def read_job_prompts(options: JobOptions, stack: Stack | None = None) -> list[Prompt]:
    """Read the prompts: those given already, a prompts file or an image of labels, for a stack that may be open."""
    from napari_sam2.data.prompts.prompt_files import read_prompt_file

    if options.given is not None:
        return list(options.given)
    if not options.prompts.exists():
        made = f"'napari-sam2 prompts {options.input}' makes one, by clicking or from what other programs wrote"
        raise FileNotFoundError(f"{options.prompts} does not exist: {made}")
    # A label image of the same name would track every grey value of the picture.
    if options.prompts.exists() and options.input.exists() and options.prompts.samefile(options.input):
        raise ValueError(f"{options.prompts} is the image itself: --prompts takes what says what to track in it")
    return read_prompt_file(
        options.prompts, lambda: options.part.open(options.input) if stack is None else nullcontext(stack)
    )


def check_prompts(prompts: Sequence[Prompt], stack: Stack, source: Path) -> None:
    """Check prompts from a file against the stack, before any time is spent on a model."""
    from napari_sam2.data.prompts.fit import check_prompt

    if not prompts:
        raise ValueError(f"{source} holds no prompts: there is nothing to track; 'napari-sam2 prompts' makes some")
    for prompt in prompts:
        try:
            check_prompt(prompt, stack.shape)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error


def count_steps(session: Session, direction: str, *, start: int | None = None, max_frames: int | None = None) -> int:
    """Count the frames that `Session.propagate` would yield."""
    from napari_sam2.session.tracking.schedule import outward, schedule, straight

    n_frames = session.stack.n_frames
    reach = n_frames if max_frames is None else max_frames
    # An object is tracked only where it is there.
    spans = session.spans
    # One without a prompt is known by exemplars, and looked for from the first frame on.
    prompted: dict[int, list[int]] = {object_id: [] for object_id in session.object_ids}
    for prompt in session.prompts:
        prompted[prompt.object_id].append(prompt.frame)
    begins = [frame for frames in prompted.values() for frame in frames or [0]]
    # Outward runs start each object at its own first prompt.
    if direction == "outward":
        first = {object_id: min(frames, default=0) for object_id, frames in prompted.items()}
        plans = {i: outward(frame, reach=reach, num_frames=n_frames) for i, frame in first.items()}
        return len(schedule({i: {t: way for t, way in plan.items() if t in spans[i]} for i, plan in plans.items()}))
    if start is None:
        start = max(begins) if direction == "backward" else min(begins)
    plan = straight(start, direction, reach=reach, num_frames=n_frames)
    return sum(any(frame in span for span in spans.values()) for frame in plan)


def command_words(options: JobOptions, prompts: Path, axis: str) -> list[str]:
    """Return the words of a command that repeats the job from any folder, with the prompts stored in `prompts`."""
    # The axis is recorded even where it was taken from the file: a copy may have lost that metadata.
    exemplars = options.exemplars and options.exemplars.resolve()
    words = replace(options, part=replace(options.part, axis=axis), exemplars=exemplars).words(*_SAID)
    # Exemplars alone say what to track.
    asked = () if options.given == () else ("--prompts", str(prompts.resolve()))
    return ["napari-sam2", "segment", str(options.input.resolve()), *asked, *words]


def _prompted_session(job: CheckedJob, model: Sam2) -> Session:
    from napari_sam2.session.session import Session

    options = job.options
    saved = options.output / SESSION if options.save else None
    # Before the session, which creates the folder.
    if saved is not None:
        make_way(saved, overwrite=options.overwrite)
    session = Session(
        model,
        job.stack,
        contrast_limits=options.contrast_limits,
        fill_hole_area=options.fill_holes,
        zoom=options.zoom,
        memory=options.memory,
        folder=saved,
        exemplars=options.exemplars,
    )
    for prompt in job.inside:
        session.add_prompt(prompt)
    session.take_spans(job.spans)
    for object_id in session.object_ids:
        session.set_class(object_id, dict(options.classes).get(object_id, ""))
    return session


def _read_spans(options: JobOptions, stack: Stack) -> dict[int, LifeSpan]:
    from napari_sam2.data.prompts.lineage_files import read_lineage_file

    # Where frames are left out, those of a lineage are not the stack's.
    if options.given is not None or options.part.every != 1 or stack.axis != "t":
        return {}
    return read_lineage_file(options.prompts)


def _check_frame_of(stack: Stack, frame: int) -> int:
    from napari_sam2.data.images.frame_index import check_frame

    return check_frame(frame, stack.n_frames)


def _prompt_inside(prompt: Prompt, stack: Stack, source: Path) -> Prompt:
    from napari_sam2.data.prompts.placed_prompts import prompt_inside

    try:
        return prompt_inside(prompt, stack.geometry)
    except ValueError as error:
        raise ValueError(f"{source}: object {prompt.object_id} on frame {prompt.frame}: {error}") from error
