"""A job without prompts: all objects of a movie are found, linked and written."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2.option_fields import option

from .options import JobOptions
from .output_folder import PROMPTS, PromptFile, check_output, write_results
from .run_stack import JobReport, Progress

if TYPE_CHECKING:
    from napari_sam2.data.formats import Results
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.session.population.movie import MovieTracker

# As `run_stack.Watch`, of frames.
WatchFrames: TypeAlias = "Callable[[Iterator[int], Progress, str], Iterator[int]]"
_DIVISIONS = ("auto", "off")


@dataclass(frozen=True)
class FindingOptions:
    """What is looked for without prompts."""

    find_new: bool = option(
        True,
        "with --find: objects that appear later count, too (default); --no-find-new: those of the first frame alone",
        action=argparse.BooleanOptionalAction,
    )
    divisions: str = option(
        "auto",
        "with --find: auto (default): cells may divide, and daughters know their mother; off",
        choices=_DIVISIONS,
    )


def find_and_write(options: JobOptions, finding: FindingOptions, watch: WatchFrames) -> JobReport:
    """Find and link all objects of the input, and write the results; `watch` may end it early."""
    from napari_sam2.data.formats import check_formats

    if options.save:
        raise ValueError("--save keeps a session of prompts, and --find has none: leave one of them out")
    part, begun = options.part, time.perf_counter()
    with part.open(options.input) as whole:
        formats = check_formats(options.exports, whole)
        own = PromptFile(options.output / PROMPTS, [])
        folder = check_output(options.output, own.path, formats=formats, overwrite=options.overwrite)
        if part.every != 1:
            raise ValueError("--every leaves out frames that --find needs: cells are followed from frame to frame")
        stack = whole if part.crop is None else whole.part(crop=part.crop, every=part.every)
        tracker = _tracker(options, finding, stack)
        done = list(watch(tracker.run(), Progress(stack.n_frames), whole.path.name if whole.path else "frames"))
        complete = len(done) == stack.n_frames
        place, seconds = folder.path if complete else folder.for_partial, time.perf_counter() - begun
        record = {
            "command": _command(options, finding, whole.axis),
            "part": part.record(),
            "complete": complete,
            "tracked_frames": [[done[0], done[-1]]] if done else [],
            "seconds": round(seconds, 3),
            "model": options.model.describe(tracker.encoder.model),
        }
        results, n_objects = _results(tracker, whole, stack)
        prompts = replace(own, path=place / PROMPTS)
        files = write_results(place, results, record=record, formats=formats, prompts=prompts)
    return JobReport(
        folder=place,
        files=files,
        n_frames=len(done),
        steps=len(done),
        planned=stack.n_frames,
        n_objects=n_objects,
        seconds=time.perf_counter() - begun,
    )


def _tracker(options: JobOptions, finding: FindingOptions, stack: Stack) -> MovieTracker:
    from napari_sam2.session.model_parts import PartsSettings, make_parts
    from napari_sam2.session.population.movie import MovieOptions, MovieTracker
    from napari_sam2.storage.fingerprint import maker_of

    parts = make_parts(options.model.load(), stack, PartsSettings(options.contrast_limits))
    divisions = finding.divisions == "auto" and stack.axis == "t"
    # Frames are looked at one by one: there is no rule of memory.
    maker = maker_of(parts.encoder.model, "")
    return MovieTracker(parts.finder, MovieOptions(find_new=finding.find_new, divisions=divisions), maker)


def _results(tracker: MovieTracker, whole: Stack, stack: Stack) -> tuple[Results, int]:
    from napari_sam2.data.formats import Results
    from napari_sam2.data.labels.placed_results import place_results

    movie = tracker.result
    labels, scores = place_results(movie.labels, movie.scores, stack.geometry)
    results = Results(labels, whole, scores, window=tracker.encoder.window, lineage=movie.lineage)
    return results, len(movie.lineage.tracks)


def _command(options: JobOptions, finding: FindingOptions, axis: str) -> list[str]:
    words = replace(options, part=replace(options.part, axis=axis)).words("contrast_limits")
    asked = ["--find", *(() if finding.find_new else ("--no-find-new",)), "--divisions", finding.divisions]
    return ["napari-sam2", "segment", str(options.input.resolve()), *asked, *words]
