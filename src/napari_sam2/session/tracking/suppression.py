"""Tracks on one frame whose masks lie on the same object: how far they overlap, and what remains of one that yields."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch

from napari_sam2.session.zoom.crop import Crop, align_logits
from napari_sam2.session.zoom.crop_size import whole_if_none

from .memory.observation import box_iou
from .memory_bank import FrameMemory

# Logit of a suppressed mask and of its object score, as in SAM 3.
SUPPRESSED_LOGIT = -10.0


def overlaps(memories: Sequence[FrameMemory], frame_size: tuple[int, int]) -> dict[tuple[int, int], float]:
    """IoU of the masks of each pair of objects whose boxes meet."""
    found = {}
    for (i, one), (j, other) in combinations(enumerate(memories), 2):
        boxes = [memory.observation.box for memory in (one, other) if memory.observation is not None]
        if len(boxes) == 2 and boxes[0] is not None and boxes[1] is not None and box_iou(boxes[0], boxes[1]) > 0:
            found[i, j] = _mask_iou(one, other, frame_size)
    return found


def _mask_iou(one: FrameMemory, other: FrameMemory, frame_size: tuple[int, int]) -> float:
    if one.observation is None or other.observation is None:
        return 0.0
    # Both on the grid of the first, which shows all of its own mask and so all that they share.
    view, seen = (whole_if_none(memory.view, frame_size) for memory in (one, other))
    aligned = align_logits(other.logits_bhw[:, None], seen, view)[0, 0]
    both = torch.count_nonzero((one.logits_bhw[0] > 0) & (aligned > 0)).item()
    shared = both * _cell(view, one.logits_bhw.shape[-2:])
    union = one.observation.area + other.observation.area - shared
    return float(np.clip(shared / union, 0, 1)) if union > 0 else 0.0


def _cell(view: Crop, shape: Sequence[int]) -> float:
    return view.height * view.width / (shape[0] * shape[1])
