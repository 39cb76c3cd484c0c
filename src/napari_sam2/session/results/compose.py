"""From what is remembered of objects on a frame to a `FrameResult`, and which objects are to be drawn there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d

from napari_sam2.model.config import Sam2Config
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.session.zoom.crop import View

from .frame_result import FrameResult


def frame_result(
    frame: int, tracks: Sequence[ObjectTrack], *, config: Sam2Config, size: tuple[int, int]
) -> FrameResult:
    """Collect the latest results of objects on a frame.

    Parameters
    ----------
    frame : int
        Index of the frame.
    tracks : sequence of ObjectTrack
        Objects, in the order of the rows; one without a result gets a row that says so.
    config : Sam2Config
        Of the model the results came from.
    size : tuple of int
        (Y, X) of the frame in pixels.
    """
    low_res = np.full((len(tracks), config.low_res_size, config.low_res_size), NO_OBJECT_LOGIT, np.float32)
    scores = np.full((2, len(tracks)), np.nan, np.float32)
    pointers = np.zeros((len(tracks), config.d_model), np.float32)
    views: list[View | None] = [None] * len(tracks)
    for row, track in enumerate(tracks):
        memory = track.result(frame)
        if memory is None or memory.low_res_bhw is None:
            continue
        low_res[row] = memory.low_res_bhw[0].cpu().numpy()
        scores[:, row] = memory.object_score_logit, memory.iou
        views[row] = memory.view
        pointers[row] = memory.pointer_bc[0].to("cpu", torch.float32).numpy()
    ids = tuple(track.object_id for track in tracks)
    return FrameResult(
        frame,
        ids,
        low_res_logits=low_res,
        object_score_logits=scores[0],
        ious=scores[1],
        object_pointers=pointers,
        size=size,
        views=tuple(views),
    )


def live_tracks(frame: int, tracks: Iterable[ObjectTrack]) -> list[ObjectTrack]:
    """Objects whose mask on a frame is still known as logits."""
    results = [(track, track.result(frame)) for track in tracks]
    return [track for track, memory in results if memory is not None and memory.low_res_bhw is not None]


def painted_masks(frame: int, tracks: Iterable[ObjectTrack]) -> dict[int, NDArray[np.bool_]]:
    """Masks the user gave on a frame, by object id."""
    prompts = {track.object_id: track.prompts.get(frame) for track in tracks}
    return {i: prompt.mask for i, prompt in prompts.items() if prompt is not None and prompt.mask is not None}


def contested_frames(track: ObjectTrack, others: Sequence[ObjectTrack], frames: Sequence[int]) -> list[int]:
    """Frames on which an object's mask may meet another's: drawing all others again would take long."""
    contested = []
    for frame in frames:
        memory, prompt = track.result(frame), track.prompts.get(frame)
        rivals = [other.result(frame) for other in live_tracks(frame, others) if other is not track]
        if not rivals or memory is None or memory.low_res_bhw is None:
            continue
        # What the user painted may have parts too thin for the model's grid.
        painted = prompt is not None and prompt.mask is not None
        if painted or any(_may_meet(memory, rival) for rival in rivals if rival is not None):
            contested.append(frame)
    return contested


def _may_meet(one: FrameMemory, other: FrameMemory) -> bool:
    if one.view != other.view:
        return one.view is None or other.view is None or one.view.meets(other.view)
    # Resized to the frame, each of two masks grows by less than a cell of this grid.
    near = max_pool2d((one.logits_bhw > 0).float(), 5, stride=1, padding=2) > 0
    return bool(((other.logits_bhw > 0) & near).any())
