"""What it takes to do the work of a saved session again, on its own image or another one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.subset import Box, Placement
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.data.readers.open_stack import open_stack

from .codec import MALFORMED, decode_prompt, frame_numbers, whole_number
from .layout import read_header
from .locate_inputs import find_data, read_selection
from .reader import read_settings
from .saved_state import SavedState

_MOST_FRAMES, _LONGEST_SIDE = 10**7, 2**24


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
    settings : dict
        ``zoom``, ``fill_hole_area``, and ``contrast_limits`` where the image is the session's own.
    model : dict
        What the session says of its model.
    """

    image: Path
    axis: str
    selection: Selection
    crop: Box | None
    every: Fraction
    prompts: tuple[Prompt, ...]
    settings: dict[str, Any]
    model: dict[str, Any]


def read_saved_job(folder: Path, image: Path | None = None) -> SavedJob:
    """Read a session folder to do its work again.

    Parameters
    ----------
    folder : Path
        The session folder; not changed.
    image : Path, optional
        Another image; the session's own where not given.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no such image.
    ValueError
        If a part of the session that matters here is damaged, or its prompts do not fit the image.
    """
    folder = folder.resolve()
    header = read_header(folder)
    state = SavedState.read(folder / header["journal"])
    if state.problems:
        raise ValueError(f"{folder}: {state.problems[0]}")
    data = header["data"]
    own = _own_image(data, folder) if image is None else image
    selection = read_selection(data.get("selection", {}))
    try:
        axis, placement = data["axis"], saved_placement(data)
        with open_stack(own, axis=axis, selection=selection) as stack:
            size = (stack.height, stack.width)
        prompts = [prompt_outside(prompt, placement) for prompt in _prompts(state, placement, size)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder}: what the session says of its image is damaged: {error}") from error
    settings = read_settings(header["settings"], state)
    if image is not None:
        # Another image has its own dark and bright.
        settings.pop("contrast_limits", None)
    every = Fraction(data["every"])
    whole = placement.crop == (0, 0, *placement.shape[1:])
    crop = None if whole else placement.crop
    return SavedJob(own, axis, selection, crop, every, tuple(prompts), settings, header["model"])


def _own_image(data: dict[str, Any], folder: Path) -> Path:
    with find_data(data, folder, None) as stack:
        if stack.path is None:
            raise ValueError("the session's image was in memory and not in a file: name one")
        return stack.path


def saved_placement(data: dict[str, Any]) -> Placement:
    """Read which part of its image a session is about; ``ValueError`` if that is damaged."""
    try:
        n_frames, height, width = data["whole"]
        sizes = (whole_number(height, 1, _LONGEST_SIDE), whole_number(width, 1, _LONGEST_SIDE))
        y0, x0, y1, x1 = (whole_number(end, 0, _LONGEST_SIDE) for end in data["crop"])
        every = Fraction(data["every"])
        if every.denominator > _MOST_FRAMES // whole_number(n_frames, 1, _MOST_FRAMES):
            raise ValueError(f"{every} of {n_frames} frames are too many")
        return Placement.of((n_frames, *sizes), (y0, x0, y1, x1), every)
    except (*MALFORMED, ZeroDivisionError) as error:
        raise ValueError(f"what the session says of its image is damaged: {error}") from error


def _prompts(state: SavedState, placement: Placement, size: tuple[int, int]) -> list[Prompt]:
    """Read the prompts, in frames and pixels of the part."""
    y0, x0, y1, x1 = placement.crop
    shape = (len(placement.frames), y1 - y0, x1 - x0)
    found = []
    try:
        for number in state.objects:
            for place in frame_numbers(state.tracks[number].get("prompts", []), shape[0]).values():
                said = state.prompts[place]
                # Looked at before it is unpacked: only so is it known how large it may be.
                if said.get("mask") is not None and size != placement.shape[1:]:
                    raise ValueError(
                        f"object {said.get('object')} has a mask as its prompt, for frames of "
                        f"{placement.shape[1:]} pixels: it does not fit frames of {size}"
                    )
                found.append(decode_prompt(said, shape))
    except MALFORMED as error:
        raise ValueError(f"the session's prompts cannot be used: {error}") from error
    return found
