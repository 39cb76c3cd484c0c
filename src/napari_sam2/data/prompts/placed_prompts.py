"""Conversion of prompts between a whole stack and the part of it (crop, stride) that is tracked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sam2.data.images.geometry import Geometry

    from .prompt import Prompt


def prompt_inside(prompt: Prompt, geometry: Geometry) -> Prompt:
    """Convert a prompt from frames and pixels of the whole to those of the part; ``ValueError`` if it lies outside."""
    y0, x0, y1, x1 = geometry.crop
    frame = geometry.frame_inside(prompt.frame)
    points, box, mask = prompt.points, prompt.box, prompt.mask
    if points is not None:
        # Pixel centres are whole numbers, so the crop reaches half a pixel beyond them.
        inside = (points >= (y0 - 0.5, x0 - 0.5)) & (points < (y1 - 0.5, x1 - 0.5))
        if not inside.all():
            y, x = points[~inside.all(axis=1)][0]
            raise ValueError(f"the point y={y:g}, x={x:g} is outside the crop {geometry.crop}")
        points = points - np.array((y0, x0), np.float32)
    if box is not None:
        # A box may reach over the crop, as it may reach over the edge of a frame; a point may not.
        box = (max(box[0], y0) - y0, max(box[1], x0) - x0, min(box[2], y1) - y0, min(box[3], x1) - x0)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(f"the box {prompt.box} is outside the crop {geometry.crop}")
    if mask is not None:
        mask = mask[y0:y1, x0:x1]
        # An empty mask that was empty before still says that the object is absent.
        if not (mask.any() or prompt.says_absent):
            raise ValueError(f"nothing of the mask lies inside the crop {geometry.crop}")
    return replace(prompt, frame=frame, points=points, box=box, mask=mask, drawing=None)


def prompt_outside(prompt: Prompt, geometry: Geometry) -> Prompt:
    """Convert a prompt from frames and pixels of the part to those of the whole."""
    y0, x0, _, _ = geometry.crop
    points, box, mask = prompt.points, prompt.box, prompt.mask
    if points is not None:
        points = points + np.array((y0, x0), np.float32)
    if box is not None:
        box = (box[0] + y0, box[1] + x0, box[2] + y0, box[3] + x0)
    if mask is not None:
        mask = geometry.paste(mask)
    return replace(prompt, frame=geometry.frame_outside(prompt.frame), points=points, box=box, mask=mask, drawing=None)
