"""One frame at a time: prompts and memories in, masks and memories out (spec sections 4.2 to 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from skimage.measure import label as connected_components
from torch import Tensor

from napari_sam2.data.prompts import Prompt
from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT
from napari_sam2.model.sam2 import (
    ImageFeatures,
    MaskPrediction,
    PointerMemory,
    Sam2,
    SpatialMemory,
    hard_mask,
    soft_mask,
    upsample_to_input,
)

from .feature_cache import FrameEncoder
from .memory_bank import FrameMemory, MemoryChoice, MemoryRule
from .track import ObjectTrack

HOLE_LOGIT = 0.1
PREVIOUS_LOGIT_LIMIT = 32.0
# At an input of 1024 pixels an object takes a few hundred megabytes for a moment, while it attends to its memories.
OBJECTS_AT_ONCE = 16


def memory_rule(model: Sam2) -> MemoryRule:
    """How far back the frames of a session with this model look."""
    config, options = model.config, model.options
    recent = config.num_memories - 1
    if options.recent_memories is not None:
        recent = min(recent, options.recent_memories)
    return MemoryRule(recent + 1, config.max_object_pointers, options.max_conditioning)


def fill_holes(low_res_bhw: Tensor, largest: int) -> Tensor:
    """Lift small enclosed background components just above the threshold (spec 3.11).

    Parameters
    ----------
    low_res_bhw : Tensor
        (objects, h, w) logits.
    largest : int
        Largest area, in pixels of this grid, that counts as a hole; 0 fills nothing.

    Returns
    -------
    Tensor
        The same where nothing is to fill, else a copy.
    """
    if largest <= 0:
        return low_res_bhw
    filled = low_res_bhw.clone()
    for mask in filled:
        background = (mask <= 0).cpu().numpy()
        if background.all():
            continue
        parts = connected_components(background, connectivity=2)
        areas = np.bincount(parts.ravel())
        small = areas <= largest
        small[0] = False
        if small.any():
            mask[torch.from_numpy(small[parts]).to(mask.device)] = HOLE_LOGIT
    return filled


def mask_at_input(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], size: int) -> Tensor:
    """Squeeze a user's mask into the model's input.

    Parameters
    ----------
    mask : ndarray
        (Y, X) bool.
    size : int
        Side of the input.

    Returns
    -------
    Tensor
        (1, 1, size, size) float32 zeros and ones. Never empty: a mask thinner than an input pixel keeps the pixels
        it covers most.
    """
    share = F.interpolate(
        torch.from_numpy(mask.astype(np.float32))[None, None], (size, size), mode="bilinear", antialias=True
    )
    return (share >= min(0.5, float(share.max()) / 2)).float()


def prompt_points(prompt: Prompt, frame_size: tuple[int, int], input_size: int) -> tuple[Tensor, Tensor]:
    """Points and box corners as the model takes them.

    Returns
    -------
    points_bpxy : Tensor
        (1, points, 2) float32, (x, y) in input pixels; the box's corners first.
    labels_bp : Tensor
        (1, points) integers.
    """
    rows: list[tuple[float, float, int]] = []
    if prompt.box is not None:
        y0, x0, y1, x1 = prompt.box
        rows += [(y0, x0, BOX_TOP_LEFT), (y1, x1, BOX_BOTTOM_RIGHT)]
    if prompt.points is not None and prompt.labels is not None:
        rows += [(float(y), float(x), int(k)) for (y, x), k in zip(prompt.points, prompt.labels, strict=True)]
    table = np.asarray(rows, np.float32)
    scale = np.asarray([input_size / frame_size[1], input_size / frame_size[0]], np.float32)
    points = torch.from_numpy(table[:, 1::-1] * scale)
    return points[None], torch.from_numpy(table[:, 2].astype(np.int64))[None]


class FrameTracker:
    """Runs the model for the objects of one session.

    Parameters
    ----------
    encoder : FrameEncoder
        Source of features.
    fill_hole_area : int
        See `fill_holes`.
    """

    def __init__(self, encoder: FrameEncoder, *, fill_hole_area: int) -> None:
        self.encoder = encoder
        self.model = encoder.model
        self.fill_hole_area = fill_hole_area
        self.num_frames = encoder.stack.n_frames

    @torch.inference_mode()
    def predict_prompt(self, track: ObjectTrack, prompt: Prompt, previous: Tensor | None) -> FrameMemory:
        """Answer a prompt; the object is not changed.

        Parameters
        ----------
        track : ObjectTrack
            The object; its memories are attended to if the frame was tracked before.
        prompt : Prompt
            The whole prompt on the frame.
        previous : Tensor, optional
            (1, h, w) logits of the object's earlier result on this frame, to be refined.

        Returns
        -------
        FrameMemory
            Without a memory map; `commit` adds it.
        """
        features = self.encoder.encode(prompt.frame)
        size, device = self.model.config.image_size, self.model.device
        if prompt.mask is not None:
            prediction = self.model.adopt_mask(features, mask_at_input(prompt.mask, size).to(device))
        else:
            shape = (self.encoder.stack.height, self.encoder.stack.width)
            points, labels = prompt_points(prompt, shape, size)
            refined = None
            if previous is not None:
                refined = previous.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)[:, None]
            prediction = self.model.decode(
                self._conditioned_for_prompt(track, features, prompt.frame),
                features,
                points_bpxy=points.to(device),
                labels_bp=labels.to(device),
                mask_logits_b1hw=refined,
            )
        return self._records(prediction)[0]

    def _conditioned_for_prompt(self, track: ObjectTrack, features: ImageFeatures, frame: int) -> Tensor:
        # A frame never tracked is a fresh start; on a tracked one the correction builds on what is remembered.
        step = track.visited.get(frame)
        if step is not None:
            choice = track.bank.choose(frame, step=step, num_frames=self.num_frames)
            if choice.spatial:
                return self._condition([track], features, choice)
        return self.model.without_memory(features)

    @torch.inference_mode()
    def commit(self, track: ObjectTrack) -> None:
        """Encode the memories of staged prompts and make their frames conditioning frames."""
        for frame in list(track.staged):
            staged = track.staged[frame]
            logits = upsample_to_input(staged.logits_bhw, self.model.config)
            memory = self.model.remember(
                self.encoder.encode(frame),
                hard_mask(logits),
                visible_b=torch.tensor([staged.object_score_logit > 0], device=logits.device),
            )
            track.bank.conditioning[frame] = replace(staged, memory_bchw=memory)
            track.bank.recent.pop(frame, None)
            del track.staged[frame]

    @torch.inference_mode()
    def track(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> None:
        """Track objects on one frame; on their conditioning frames they keep the result they have.

        Parameters
        ----------
        tracks : sequence of ObjectTrack
            All committed.
        frame : int
            Index of the frame.
        step : int
            1 forward, -1 backward.
        """
        groups: dict[MemoryChoice, list[ObjectTrack]] = {}
        for track in tracks:
            if frame not in track.bank.conditioning:
                choice = track.bank.choose(frame, step=step, num_frames=self.num_frames)
                groups.setdefault(choice, []).append(track)
        # Objects that attend to the same frames go through the model together, as many as fit comfortably.
        for choice, members in groups.items():
            for first in range(0, len(members), OBJECTS_AT_ONCE):
                self._track_group(members[first : first + OBJECTS_AT_ONCE], choice, frame, step)
        for track in tracks:
            track.mark_tracked(frame, step)

    def _track_group(self, tracks: list[ObjectTrack], choice: MemoryChoice, frame: int, step: int) -> None:
        features = self.encoder.encode(frame)
        batch, device = len(tracks), self.model.device
        prediction = self.model.decode(
            self._condition(tracks, features, choice),
            features,
            points_bpxy=torch.zeros(batch, 0, 2, device=device),
            labels_bp=torch.zeros(batch, 0, dtype=torch.long, device=device),
        )
        # The memory is of the mask as predicted; holes are filled in what is shown.
        logits = upsample_to_input(prediction.low_res_bhw, self.model.config)
        visible = prediction.object_score_logits_b > 0
        memories = self.model.remember(features, soft_mask(logits), visible_b=visible)
        for index, (track, record) in enumerate(zip(tracks, self._records(prediction), strict=True)):
            memory = memories[index : index + 1].clone() if batch > 1 else memories
            track.bank.put_recent(frame, replace(record, memory_bchw=memory), step=step)

    def _condition(self, tracks: Sequence[ObjectTrack], features: ImageFeatures, choice: MemoryChoice) -> Tensor:
        memories = [
            SpatialMemory(torch.cat([track.bank[t].map_bchw for track in tracks]), slot) for t, slot in choice.spatial
        ]
        pointers = [
            PointerMemory(torch.cat([track.bank[t].pointer_bc for track in tracks]), distance)
            for t, distance in choice.pointers
        ]
        return self.model.condition(features, memories, pointers=pointers, pointer_span=choice.pointer_span)

    def _records(self, prediction: MaskPrediction) -> list[FrameMemory]:
        low_res = fill_holes(prediction.low_res_bhw, self.fill_hole_area)
        scores, ious = prediction.object_score_logits_b.tolist(), prediction.ious_b.tolist()
        return [
            FrameMemory(
                low_res_bhw=low_res[i : i + 1].clone(),
                pointer_bc=prediction.pointers_bc[i : i + 1].clone(),
                object_score_logit=scores[i],
                iou=ious[i],
            )
            for i in range(len(scores))
        ]
