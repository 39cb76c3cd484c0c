"""Reading of prompts from any file that holds some: JSON, COCO, CSV, TrackMate's XML, tracks, label images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2.data.files.atomic_files import read_json
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.image_folder import visible_images

from .coco_prompts import coco_prompts, is_coco
from .label_image import read_label_prompts
from .napari_csv import read_napari_csv
from .prompt import read_prompts
from .tracks.ctc_folder import ctc_prompts, is_ctc_folder
from .tracks.geff_graph import find_geff, geff_prompts
from .tracks.trackmate_spots import trackmate_prompts

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .prompt import Prompt

    # Opens the stack that the prompts are for.
    StackOpener: TypeAlias = "Callable[[], AbstractContextManager[Stack]]"


def read_prompt_file(path: str | os.PathLike[str], opener: StackOpener) -> list[Prompt]:
    """Read prompts; the stack is opened where its shape, its place or the names of its frames are needed."""
    source = Path(path)
    suffix = source.suffix.lower()
    if suffix == ".csv":
        with opener() as stack:
            return read_napari_csv(source, stack.shape)
    if suffix == ".xml":
        with opener() as stack:
            return trackmate_prompts(source, stack)
    if is_ctc_folder(source):
        with opener() as stack:
            return ctc_prompts(source, stack)
    if find_geff(source) is not None:
        with opener() as stack:
            return geff_prompts(source, stack)
    if suffix != ".json":
        with opener() as stack:
            return read_label_prompts(source, stack)
    document = read_json(source)
    if not is_coco(document):
        return read_prompts(source)
    with opener() as stack:
        folder = stack.path if stack.path is not None and stack.path.is_dir() else None
        names = [] if folder is None else [file.name for file in visible_images(folder.iterdir())]
        return coco_prompts(document, source, stack.shape, names if len(names) == stack.n_frames else [])
