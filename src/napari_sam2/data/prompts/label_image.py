"""Reading of mask prompts from a label image, whose pixels hold the numbers of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.data.readers.open_stack import open_stack

from .prompt import Prompt

if TYPE_CHECKING:
    import os


def read_label_prompts(path: str | os.PathLike[str]) -> list[Prompt]:
    """Read each label on each frame of an image as a mask prompt for the object of that number."""
    with open_stack(path) as stack:
        # A photograph given by mistake would make an object of every grey value.
        if stack.is_rgb or stack.dtype.kind not in "bui":
            kind = "colours" if stack.is_rgb else str(stack.dtype)
            raise ValueError(f"{path} holds {kind}: prompts are a JSON file, or an image of whole numbers as labels")
        prompts = []
        for frame in range(stack.n_frames):
            image = stack.read(frame)
            prompts += [Prompt(frame, int(label), mask=image == label) for label in np.unique(image) if label > 0]
    return prompts
