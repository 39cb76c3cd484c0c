"""The main job: a stack and prompts in; labels, scores and an overlay in a folder out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .input_options import InputOptions
from .model_options import ModelOptions
from .outcome import JobReport, Outcome, Progress, track_and_write
from .results import PROMPTS, SESSION, PromptFile, check_output, make_way

if TYPE_CHECKING:
    from napari_sam2.data.prompts import Prompt
    from napari_sam2.data.stack import Stack
    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class JobOptions:
    """What to track, and how.

    Attributes
    ----------
    input, prompts, output : Path
        A stack, a prompts file and the folder for the results.
    given : tuple of Prompt or None
        Prompts that were read already, from a session folder that stands in place of the prompts file.
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
    save : bool
        Whether a session folder is kept up to date beside the results.
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
    save: bool = False
    given: tuple[Prompt, ...] | None = None


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
        prompts = read_prompts(options.prompts) if options.given is None else list(options.given)
        check_prompts(prompts, whole, options.prompts)
        formats = check_formats(options.exports, whole)
        folder = check_output(options.output, options.prompts, formats=formats, overwrite=options.overwrite)
        session = _start(options, whole, prompts)
        start = options.start
        if start is not None:
            start = session.stack.placement.frame_inside(check_frame_of(whole, start))
        steps = session.propagate(start=start, direction=options.direction, max_frames=options.max_frames)
        progress = Progress(count_steps(session, options.direction, start=start, max_frames=options.max_frames))
        command = _command(options, folder.path / PROMPTS, whole.axis)
        source = PromptFile(options.prompts, prompts)
        outcome = Outcome(
            session, whole, source, options.model, command, options.part.record(), tuple(formats), progress
        )
        print(_memory_line(session), file=sys.stderr)
        try:
            return track_and_write(outcome, steps, folder)
        finally:
            session.close()


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
    saved = options.output / SESSION if options.save else None
    if saved is not None:
        make_way(saved, overwrite=options.overwrite)
    session = Session(model, stack, contrast_limits=limits, fill_hole_area=holes, zoom=options.zoom, folder=saved)
    for prompt in inside:
        session.add_prompt(prompt)
    return session


def _prompt_inside(prompt: Prompt, stack: Stack, source: Path) -> Prompt:
    try:
        return stack.placement.prompt_inside(prompt)
    except ValueError as error:
        raise ValueError(f"{source}: object {prompt.object_id} on frame {prompt.frame}: {error}") from error


def _memory_line(session: Session) -> str:
    from napari_sam2.session.estimate import estimate_memory
    from napari_sam2.session.read_ahead import frame_bytes

    objects = [prompt.object_id for prompt in session.prompts]
    most = max(objects.count(object_id) for object_id in set(objects))
    estimate = estimate_memory(
        session.model,
        session.stack.shape,
        len(set(objects)),
        frame_bytes=frame_bytes(session.stack),
        prompted_frames=most,
    )
    return f"tracking over {session.stack.n_frames} frames takes {estimate}"


def count_steps(session: Session, direction: str, *, start: int | None = None, max_frames: int | None = None) -> int:
    """Count the frames that `Session.propagate` would yield."""
    from napari_sam2.session.schedule import outward, schedule, straight

    n_frames = session.stack.n_frames
    reach = n_frames if max_frames is None else max_frames
    first: dict[int, int] = {}
    for prompt in session.prompts:
        first[prompt.object_id] = min(prompt.frame, first.get(prompt.object_id, prompt.frame))
    if direction == "outward":
        return len(schedule({i: outward(frame, reach=reach, num_frames=n_frames) for i, frame in first.items()}))
    if start is None:
        prompted = [prompt.frame for prompt in session.prompts]
        start = max(prompted) if direction == "backward" else min(prompted)
    return len(straight(start, direction, reach=reach, num_frames=n_frames))


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
