"""What it takes to do the work of a saved session again, on its own image or another one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.subset import Box, Placement
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.storage.schema import DataRecord, ModelRecord

from .codec import MALFORMED, read_prompt
from .layout import read_header
from .locate_inputs import find_data
from .reader import Settings, settings_of
from .saved_state import SavedState


@dataclass(frozen=True, eq=False)
class SavedJob:
    """Prompts and settings of a saved session.

    Attributes
    ----------
    image : Path
        What to track in.
    axis : str
        ``"t"`` or ``"z"``.
    selection : Selection
        Which stack of the image.
    crop : tuple of int or None
        (y0, x0, y1, x1) that is tracked by itself.
    every : Fraction
        Which frames are tracked.
    prompts : tuple of Prompt
        In frames and pixels of the whole image.
    settings : Settings
        ``zoom``, ``fill_hole_area``, and ``contrast_limits`` where the image is the session's own.
    model : ModelRecord
        What the session says of its model.
    """

    image: Path
    axis: str
    selection: Selection
    crop: Box | None
    every: Fraction
    prompts: tuple[Prompt, ...]
    settings: Settings
    model: ModelRecord


def read_saved_job(folder: Path, image: Path | None = None) -> SavedJob:
    """Read a session folder to do its work again, on another image where one is given.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no such image.
    ValueError
        If a part of the session that matters here is damaged, or its prompts do not fit the image.
    """
    folder = folder.resolve()
    header = read_header(folder)
    saved = SavedState.read(folder / header.journal)
    if saved.problems:
        raise ValueError(f"{folder}: {saved.problems[0]}")
    data = header.data
    own = _own_image(data, folder) if image is None else image
    selection, placement = data.selection.selection, data.placement
    with open_stack(own, axis=data.axis, selection=selection) as stack:
        size = (stack.height, stack.width)
    prompts = [prompt_outside(prompt, placement) for prompt in _prompts(saved, placement, size)]
    settings = settings_of(header, saved)
    if image is not None:
        # Another image has its own dark and bright.
        settings.pop("contrast_limits", None)
    crop = None if placement.crop == (0, 0, *placement.shape[1:]) else placement.crop
    return SavedJob(own, data.axis, selection, crop, Fraction(data.every), tuple(prompts), settings, header.model)


def _own_image(data: DataRecord, folder: Path) -> Path:
    with find_data(data, folder, None) as stack:
        if stack.path is None:
            raise ValueError("the session's image was in memory and not in a file: name one")
        return stack.path


def _prompts(saved: SavedState, placement: Placement, size: tuple[int, int]) -> list[Prompt]:
    """Read the prompts, in frames and pixels of the part."""
    y0, x0, y1, x1 = placement.crop
    shape = (len(placement.frames), y1 - y0, x1 - x0)
    found = []
    try:
        for number in saved.objects:
            for _, place in saved.tracks[number].prompts:
                record = saved.prompts[place]
                # Looked at before it is unpacked: only so is it known how large it may be.
                if record.mask is not None and size != placement.shape[1:]:
                    raise ValueError(
                        f"object {record.object} has a mask as its prompt, for frames of "
                        f"{placement.shape[1:]} pixels: it does not fit frames of {size}"
                    )
                found.append(read_prompt(record, shape))
    except MALFORMED as error:
        raise ValueError(f"the session's prompts cannot be used: {error}") from error
    return found
