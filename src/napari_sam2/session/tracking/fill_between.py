"""Frames between two prompts of an object, tracked from both: which they are, in what order, and how the two blend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.special import expit

from napari_sam2.session.zoom.crop import align_logits
from napari_sam2.session.zoom.crop_size import whole_if_none

from .frame_directions import FrameDirections
from .memory_bank import FrameMemory
from .object_track import ObjectTrack
from .schedule import Visit, schedule


def frames_between(track: ObjectTrack, plan: FrameDirections, *, num_frames: int) -> FrameDirections:
    """Find the frames of an object to be tracked from both sides.

    ``plan``: frames that have to be tracked in any case. A stretch is gone over as a whole, and only if it has changed.
    """
    due = (track.visited.array(num_frames) != 0) | (plan.array(num_frames) != 0)
    new = (track.fills.array(num_frames) != -1) | (plan.array(num_frames) != 0)
    found = np.zeros(num_frames, np.int8)
    for first, last in pairwise(track.ends):
        inside = slice(first + 1, last)
        if (due[inside] & new[inside]).any():
            found[inside] = due[inside]
    return FrameDirections.of(found)


def both_ways_visits(
    plans: Mapping[int, FrameDirections], between: Mapping[int, FrameDirections], *, num_frames: int
) -> list[Visit]:
    """Plan the visits of a run by object: forward and back over ``between``, then the rest of the plans."""
    # Stretch by stretch, not all forward first: the forward masks wait in memory for those from the other side.
    union = FrameDirections.of(np.any([fill.array(num_frames) for fill in between.values()], axis=0))
    visits: list[Visit] = []
    for first, last, _ in union.spans():
        for step in (1, -1):
            parts = {i: {t: step for t in fill if first <= t <= last} for i, fill in between.items()}
            visits += schedule({i: part for i, part in parts.items() if part})
    rest = {i: {t: step for t, step in plan.items() if t not in between[i]} for i, plan in plans.items()}
    return visits + schedule(rest)


def blend(forward: FrameMemory, backward: FrameMemory, *, share: float, frame_size: tuple[int, int]) -> FrameMemory:
    """Blend what was tracked from two sides.

    ``share``: how far the frame is on the way from the first prompt to the second, 0 to 1. Where the two masks have
    nothing in common, one of the two is returned as it is.
    """
    weights = np.array([(1 - share) * _certainty(forward), share * _certainty(backward)])
    near, far = weights / weights.sum() if weights.sum() > 0 else (1 - share, share)
    better = forward if near > far else backward
    if (forward.object_score_logit > 0) != (backward.object_score_logit > 0):
        return better
    views = [whole_if_none(memory.view, frame_size) for memory in (forward, backward)]
    aligned_bhw = align_logits(forward.logits_bhw[:, None], *views)[:, 0]
    if not ((aligned_bhw > 0) & (backward.logits_bhw > 0)).any():
        return better
    return replace(
        backward,
        low_res_bhw=near * aligned_bhw + far * backward.logits_bhw,
        object_score_logit=float(near * forward.object_score_logit + far * backward.object_score_logit),
        iou=float(near * forward.iou + far * backward.iou),
    )


def _certainty(memory: FrameMemory) -> float:
    """How sure the model is of a frame, 0 to 1: that the object is there and of its mask, or that it is not there."""
    sure = abs(2 * float(expit(memory.object_score_logit)) - 1)
    return sure * memory.iou if memory.object_score_logit > 0 else sure
