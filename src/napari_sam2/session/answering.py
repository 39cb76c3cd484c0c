"""Prompts in, masks out, and what is remembered of them (spec sections 4.2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from napari_sam2.data.prompts import Prompt
from napari_sam2.model.sam2 import MASK_LOGIT, ImageFeatures, hard_mask, upsample_to_input

from .aiming import NOWHERE, Aim
from .memory_bank import FrameMemory
from .prompt_input import Mask, mask_at_input, prompt_bounds, prompt_points
from .propagate import FrameTracker
from .track import ObjectTrack
from .view import View, align
from .zoom import whole_if_none

PREVIOUS_LOGIT_LIMIT = 32.0
# Windows tried for a first click, each nearer than the one before.
MOST_LOOKS = 3


class PromptAnswerer:
    """Answers the prompts of one session.

    Parameters
    ----------
    tracker : FrameTracker
        Of the same session: what it remembers of a frame that was tracked is what corrections build on.
    """

    def __init__(self, tracker: FrameTracker) -> None:
        self.tracker = tracker
        self.encoder = tracker.encoder
        self.model = tracker.model
        self.aiming = tracker.aiming
        self.frame_size = tracker.aiming.frame_size

    @torch.inference_mode()
    def predict(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None = None) -> FrameMemory:
        """Answer a prompt; the object is not changed.

        Parameters
        ----------
        track : ObjectTrack
            The object; its memories are attended to if the frame was tracked before, and points refine the result it
            has there.
        prompt : Prompt
            The whole prompt on the frame.
        drawn : ndarray, optional
            (Y, X) bool: the object's result on this frame, for when it is no longer known as logits.

        Returns
        -------
        FrameMemory
            Without a memory map; `commit` adds it.
        """
        if prompt.says_absent:
            return self._answer(track, prompt, drawn, aim=self.aiming.last_aim(track, prompt.frame))
        zoom = self.aiming.zoom
        place = self.aiming.place_of_prompt(track, prompt, drawn)
        if zoom is None or place is not None:
            return self._answer(track, prompt, drawn, aim=Aim(self.aiming.view_of_prompt(track, prompt, place), place))
        # Clicks do not tell how large the object is: the whole frame does roughly, a window around that does better.
        answer = self._answer(track, prompt, drawn, aim=NOWHERE)
        for _ in range(MOST_LOOKS):
            view = None if answer.place is None else zoom.follow(answer.view, answer.place, self.frame_size)
            if view is None or (answer.view is not None and view.size == answer.view.size):
                break
            if not view.holds(*prompt_bounds(prompt)):
                break
            # The place is measured anew: what the last look says of the size must not hold back this one.
            answer = self._answer(track, prompt, drawn, aim=Aim(view))
        return answer

    def _answer(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, aim: Aim) -> FrameMemory:
        features = self.encoder.encode(prompt.frame, aim.view)
        size, device = self.model.config.image_size, self.model.device
        seen = whole_if_none(aim.view, self.frame_size)
        if prompt.mask is not None:
            mask = mask_at_input(prompt.mask[seen.crop], size).to(device)
            prediction = self.model.adopt_mask(features, mask)
        else:
            points, labels = prompt_points(prompt, seen, size)
            prediction = self.model.decode(
                self._conditioned_for_prompt(track, features, prompt.frame, aim=aim),
                features,
                points_bpxy=points.to(device),
                labels_bp=labels.to(device),
                mask_logits_b1hw=self._to_refine(track, prompt.frame, drawn, view=aim.view),
            )
        return self.tracker.records(prediction, [aim])[0]

    def _to_refine(self, track: ObjectTrack, frame: int, drawn: Mask | None, *, view: View | None) -> Tensor | None:
        """(1, 1, h, w) logits of the object's result on a frame, over a view; ``None`` if it has none there."""
        said = track.prompts.get(frame)
        if said is not None and said.says_absent:
            return None
        earlier = track.result(frame)
        if earlier is not None and earlier.low_res_bhw is not None:
            source, target = (whole_if_none(v, self.frame_size) for v in (earlier.view, view))
            logits = align(earlier.low_res_bhw[:, None], source, target)
            return logits.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)
        if drawn is None:
            return None
        part = drawn[whole_if_none(view, self.frame_size).crop]
        if not part.any():
            return None
        mask = mask_at_input(part, self.model.config.low_res_size).to(self.model.device)
        return mask * (2 * MASK_LOGIT) - MASK_LOGIT

    def _conditioned_for_prompt(self, track: ObjectTrack, features: ImageFeatures, frame: int, *, aim: Aim) -> Tensor:
        # A frame never tracked is a fresh start; on a tracked one the correction builds on what is remembered.
        step = track.visited.get(frame)
        if step is not None:
            choice = track.bank.choose(frame, step=step, num_frames=self.tracker.num_frames)
            if choice.spatial:
                return self.tracker.condition([(track, aim)], features, choice)
        return self.model.without_memory(features)

    @torch.inference_mode()
    def commit(self, track: ObjectTrack) -> None:
        """Encode the memories of staged prompts and make their frames conditioning frames."""
        for frame in list(track.staged):
            staged = track.staged[frame]
            logits = upsample_to_input(staged.logits_bhw, self.model.config)
            memory = self.model.remember(
                self.encoder.encode(frame, staged.view),
                hard_mask(logits),
                visible_b=torch.tensor([staged.object_score_logit > 0], device=logits.device),
            )
            track.bank.conditioning[frame] = replace(staged, memory_bchw=memory)
            track.bank.recent.pop(frame, None)
            del track.staged[frame]
