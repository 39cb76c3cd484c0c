"""Conversion between prompts and how they were drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .drawing import Drawing, DrawnPoint, DrawnShape, PromptKey, Size
from .prompt import Prompt


def drawing_of(prompt: Prompt) -> Drawing:
    """Return how a prompt was drawn; of one that no person drew, how it could have been."""
    if prompt.drawing is not None:
        return prompt.drawing
    drawing = Drawing() if prompt.mask is None else Drawing.of_mask(prompt.mask)
    if prompt.points is not None and prompt.labels is not None:
        rows = zip(prompt.points.tolist(), prompt.labels.tolist(), strict=True)
        drawing = replace(drawing, points=tuple(DrawnPoint(y, x, label) for (y, x), label in rows))
    if prompt.box is not None:
        y0, x0, y1, x1 = (edge - 0.5 for edge in prompt.box)
        corners = ((y0, x0), (y0, x1), (y1, x1), (y1, x0))
        drawing = replace(drawing, shapes=(DrawnShape("rectangle", corners),))
    return drawing


def drawn_prompt(key: PromptKey, drawing: Drawing, size: Size) -> Prompt:
    """Make the prompt that a session has of a drawing: clicks and a box take the place of the mask they refine."""
    clicks, box = drawing.clicks(size), drawing.box(size)
    points = labels = None
    if clicks:
        points = np.array([click[:2] for click in clicks], np.float32)
        labels = np.array([click.label for click in clicks], np.int32)
    mask = drawing.mask(size) if points is None and box is None else None
    return Prompt(key.frame, key.object_id, points, labels, box, mask, drawing)
