"""Reading what is needed to repeat the work of a saved session, on its own image or another one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.storage.folder.codec import MALFORMED, read_prompt, read_span
from napari_sam2.storage.folder.layout import read_header
from napari_sam2.storage.folder.schema import DataRecord, ModelRecord

from .locate_inputs import find_data
from .reader import Settings, settings_of
from .saved_state import SavedState


@dataclass(frozen=True, eq=False)
class SavedJob:
    """The prompts (in frames and pixels of the whole image), settings and model of a saved session."""

    image: Path
    selection: Selection
    prompts: tuple[Prompt, ...]
    # By object, its begin, end and parent, in frames of the selection.
    spans: dict[int, LifeSpan]
    # By object, its class, of those that have one.
    classes: dict[int, str]
    # With contrast limits where the image is the session's own.
    settings: Settings
    model: ModelRecord


def read_saved_job(folder: Path, image: Path | None = None) -> SavedJob:
    """Read a session folder to repeat its work, on another image where one is given.

    ``FileNotFoundError`` if folder or image are not there, ``ValueError`` if what matters here is damaged, or prompts
    do not fit the image.
    """
    folder = folder.resolve()
    header = read_header(folder)
    saved = SavedState.read(folder / header.journal)
    # Repeating only a part of the work would look like all of it: refuse instead.
    if saved.problems:
        raise ValueError(f"{folder}: {saved.problems[0]}")
    data = header.data
    own = _own_image(data, folder) if image is None else image
    geometry = data.geometry
    # Opened only for the size, which masks among the prompts have to match.
    with open_stack(own, selection=geometry.selection.whole) as stack:
        size = (stack.height, stack.width)
    prompts = [prompt_outside(prompt, geometry) for prompt in _prompts(saved, geometry, size)]
    settings = settings_of(header, saved)
    if image is not None:
        # Another image has its own dark and bright.
        settings.pop("contrast_limits", None)
    spans = _spans(saved, {prompt.object_id for prompt in prompts}, geometry.stack_shape[0])
    tracks = [saved.tracks[number] for number in saved.objects]
    classes = {track.object: track.class_name for track in tracks if track.object is not None and track.class_name}
    return SavedJob(own, geometry.selection, tuple(prompts), spans, classes, settings, header.model)


def _own_image(data: DataRecord, folder: Path) -> Path:
    with find_data(data, folder, None) as stack:
        if stack.path is None:
            raise ValueError("the session's image was in memory and not in a file: name one")
        return stack.path


def _spans(saved: SavedState, object_ids: Collection[int], n_frames: int) -> dict[int, LifeSpan]:
    """Read what is said of when the prompted objects begin and end, and who came from whom."""
    try:
        tracks = [saved.tracks[number] for number in saved.objects]
        spans = {
            track.object: read_span(track.span, n_frames) for track in tracks if track.object is not None and track.span
        }
    except MALFORMED as error:
        raise ValueError(f"the session's lineage cannot be used: {error}") from error
    return {i: span for i, span in spans.items() if i in object_ids and (span.parent or i) in object_ids}


def _prompts(saved: SavedState, geometry: Geometry, size: tuple[int, int]) -> list[Prompt]:
    """Read the prompts, in frames and pixels of the part that was tracked."""
    shape = geometry.stack_shape
    found = []
    try:
        for number in saved.objects:
            for _, place in saved.tracks[number].prompts:
                record = saved.prompts[place]
                # Looked at before it is unpacked: only so is it known how large it may be.
                if record.mask is not None and size != geometry.whole_shape[1:]:
                    raise ValueError(
                        f"object {record.object} has a mask as its prompt, for frames of "
                        f"{geometry.whole_shape[1:]} pixels: it does not fit frames of {size}"
                    )
                found.append(read_prompt(record, shape))
    except MALFORMED as error:
        raise ValueError(f"the session's prompts cannot be used: {error}") from error
    return found
