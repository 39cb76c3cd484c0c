"""The run of a job on volumes over time, from prompts on one volume to labels and scores of all."""

from __future__ import annotations

import shutil
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2.option_fields import option_names

from .options import JobOptions, ModelOptions
from .output_folder import PROMPTS, PromptFile, claimed_output, write_results
from .prepare import check_prompts, read_job_prompts

if TYPE_CHECKING:
    from napari_sam2.data.formats import Format
    from napari_sam2.data.images.volume_series import VolumeSeries
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.session.volumes.volume_session import VolumeSession, VolumeStep

# Volumes that are finished lie here, in the folder of the results, until all are.
UNFINISHED = "unfinished"
VolumeWatch: TypeAlias = "Callable[[Iterator[VolumeStep], str], Iterator[VolumeStep]]"


@dataclass(frozen=True)
class VolumeReport:
    """The outcome of a job on volumes."""

    # Where the results are.
    folder: Path
    # Their names; none where the job was stopped.
    files: tuple[str, ...]
    # Objects, volumes, and volumes that are finished.
    n_objects: int
    n_times: int
    done: int
    # Time that tracking took.
    seconds: float


def run_volumes_job(options: JobOptions, watch: VolumeWatch) -> VolumeReport:
    """Track objects through volumes over time and write the results.

    Finished volumes are kept in the folder as the work goes. The same job goes on with them, whatever ended it.
    ``part.at`` is the time point that the prompts are about, whose planes are their frames.
    """
    from napari_sam2.data.formats import check_formats

    with _open(options) as volumes:
        volumes.planes.missing.refuse = options.nan == "refuse"
        prompted = volumes.volume(options.part.at or 0)
        prompts = read_job_prompts(options, prompted)
        check_prompts(prompts, prompted, options.prompts)
        formats = check_formats(options.exports, volumes.planes, volumes=True)
        with claimed_output(options.output, options.prompts, formats=formats, overwrite=options.overwrite) as folder:
            session = _session(options, volumes, prompts)
            return _track(options, session, watch, prompts=prompts, formats=formats, folder=folder.path)


def _track(
    options: JobOptions,
    session: VolumeSession,
    watch: VolumeWatch,
    *,
    prompts: list[Prompt],
    formats: list[Format],
    folder: Path,
) -> VolumeReport:
    begun = clock.perf_counter()
    # The session stores each finished volume itself; the steps are for the progress bar.
    for _ in watch(session.propagate(), options.input.name):
        pass
    n_times, done = session.volumes.n_times, len(session.labels.times_done)
    report = VolumeReport(folder, (), len(session.object_ids), n_times, done, clock.perf_counter() - begun)
    # No files yet: labels of some volumes would look like a result.
    if not session.is_complete:
        return report
    files = _write(options, session, PromptFile(options.prompts, prompts), formats)
    # Only after the results are written.
    shutil.rmtree(folder / UNFINISHED)
    return replace(report, files=files)


def _open(options: JobOptions) -> VolumeSeries:
    from napari_sam2.data.readers.open_stack import open_volumes

    return open_volumes(options.input, selection=options.part.selection)


def _session(options: JobOptions, volumes: VolumeSeries, prompts: list[Prompt]) -> VolumeSession:
    from napari_sam2.session.volumes.volume_session import HEADER, VolumeSession

    work = options.output / UNFINISHED
    # Nothing but earlier work of this kind is removed.
    if options.overwrite and (work / HEADER).is_file():
        shutil.rmtree(work)
    session = VolumeSession(
        options.model.load(),
        volumes,
        contrast_limits=options.contrast_limits,
        fill_hole_area=options.fill_holes,
        zoom=options.zoom,
        memory=options.memory,
        folder=work,
    )
    for prompt in prompts:
        session.add_prompt(options.part.at or 0, prompt)
    return session


def _write(options: JobOptions, session: VolumeSession, prompts: PromptFile, formats: list[Format]) -> tuple[str, ...]:
    from napari_sam2.data.formats import Results

    volumes = session.volumes
    record: dict[str, Any] = {
        "command": _command(options),
        "part": options.part.record(),
        "volumes": list(volumes.shape),
        "complete": True,
        "model": options.model.describe(session.model),
    }
    results = Results.of_volumes(session.labels, volumes, window=session.window)
    return write_results(options.output, results, record=record, formats=formats, prompts=prompts)


def _command(options: JobOptions) -> list[str]:
    """Return the words of a command that repeats the job from any folder."""
    prompts = (options.output / PROMPTS).resolve()
    words = options.words(*option_names(ModelOptions), "channels", "level", "nan", "fill_holes", "zoom", "memory")
    time = [] if options.part.at is None else ["--time", str(options.part.at)]
    return ["napari-sam2", "volumes", str(options.input.resolve()), "--prompts", str(prompts), *time, *words]
