"""One frame at a time: prompts and memories in, masks and memories out (spec sections 4.2 to 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from skimage.measure import label as connected_components
from torch import Tensor

from napari_sam2.data.prompts import Prompt
from napari_sam2.model.sam2 import (
    MASK_LOGIT,
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
from .motion import moved_place
from .prompt_input import Mask, mask_at_input, prompt_bounds, prompt_points
from .track import ObjectTrack
from .view import Place, View, align, place_of_box, place_of_mask, whole
from .zoom import Zoom, hidden_place, steady_place, whole_if_none

HOLE_LOGIT = 0.1
PREVIOUS_LOGIT_LIMIT = 32.0
# At an input of 1024 pixels an object takes a few hundred megabytes for a moment, while it attends to its memories.
OBJECTS_AT_ONCE = 16
# Windows tried for a first click, each nearer than the one before.
MOST_LOOKS = 3


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


@dataclass(frozen=True)
class Aim:
    """Where to look for an object on a frame.

    Attributes
    ----------
    view : View or None
        The part of the frame to look at; ``None`` for all of it.
    place : Place or None
        Where the object is expected; ``None`` without zoom, or if nothing is known.
    """

    view: View | None = None
    place: Place | None = None


NOWHERE = Aim()


class FrameTracker:
    """Runs the model for the objects of one session.

    Parameters
    ----------
    encoder : FrameEncoder
        Source of features.
    fill_hole_area : int
        See `fill_holes`.
    zoom : Zoom, optional
        How windows around small objects are chosen; the model sees whole frames where not given.
    """

    def __init__(self, encoder: FrameEncoder, *, fill_hole_area: int, zoom: Zoom | None = None) -> None:
        self.encoder = encoder
        self.model = encoder.model
        self.fill_hole_area = fill_hole_area
        self.zoom = zoom
        self.num_frames = encoder.stack.n_frames
        self.frame_size = (encoder.stack.height, encoder.stack.width)

    @torch.inference_mode()
    def predict_prompt(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None = None) -> FrameMemory:
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
            return self._answer(track, prompt, drawn, aim=self._last_aim(track, prompt.frame))
        place = self._place_of_prompt(track, prompt, drawn)
        if self.zoom is None or place is not None:
            return self._answer(track, prompt, drawn, aim=Aim(self._view_of_prompt(track, prompt, place), place))
        # Clicks do not tell how large the object is: the whole frame does roughly, a window around that does better.
        answer = self._answer(track, prompt, drawn, aim=NOWHERE)
        for _ in range(MOST_LOOKS):
            view = None if answer.place is None else self.zoom.follow(answer.view, answer.place, self.frame_size)
            if view is None or (answer.view is not None and view.size == answer.view.size):
                break
            if not view.holds(*prompt_bounds(prompt)):
                break
            # The place is measured anew: what the last look says of the size must not hold back this one.
            answer = self._answer(track, prompt, drawn, aim=Aim(view))
        return answer

    def _last_aim(self, track: ObjectTrack, frame: int) -> Aim:
        """Where the object was looked for on the nearest frame with a result."""
        known = track.bank.recent | track.bank.conditioning | track.staged
        if not known:
            return NOWHERE
        nearest = known[min(known, key=lambda t: abs(t - frame))]
        return Aim(nearest.view, nearest.place)

    def _place_of_prompt(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None) -> Place | None:
        """Where a prompt and what is known on its frame say that the object is; ``None`` if they do not say."""
        if self.zoom is None:
            return None
        bounds = prompt_bounds(prompt)
        if prompt.mask is not None or prompt.box is not None:
            return place_of_box(*bounds)
        earlier = track.result(prompt.frame)
        known = earlier.place if earlier is not None else None
        if known is None and drawn is not None:
            known = place_of_mask(drawn, whole(self.frame_size))
        if known is None:
            return None
        y0, x0, y1, x1 = known.box
        return place_of_box(min(y0, bounds[0]), min(x0, bounds[1]), max(y1, bounds[2]), max(x1, bounds[3]))

    def _view_of_prompt(self, track: ObjectTrack, prompt: Prompt, place: Place | None) -> View | None:
        if self.zoom is None or place is None:
            return None
        earlier, view = track.result(prompt.frame), self.zoom.fresh(place, self.frame_size)
        if earlier is None or prompt.mask is not None or prompt.box is not None:
            return view
        # Clicks refine what is there, where it was seen, if they can.
        held = earlier.view is None or earlier.view.holds(*prompt_bounds(prompt))
        return earlier.view if held else view

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
        return self._records(prediction, [aim])[0]

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
            choice = track.bank.choose(frame, step=step, num_frames=self.num_frames)
            if choice.spatial:
                return self._condition([(track, aim)], features, choice)
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
        groups: dict[tuple[MemoryChoice, View | None], list[tuple[ObjectTrack, Aim]]] = {}
        for track in tracks:
            if frame not in track.bank.conditioning:
                choice = track.bank.choose(frame, step=step, num_frames=self.num_frames)
                aim = self._aim(track, frame, step)
                groups.setdefault((choice, aim.view), []).append((track, aim))
        # Objects that attend to the same frames through the same window go through the model together, as many as fit
        # comfortably.
        for (choice, _), members in groups.items():
            for first in range(0, len(members), OBJECTS_AT_ONCE):
                self._track_group(members[first : first + OBJECTS_AT_ONCE], choice, frame, step=step)
        for track in tracks:
            track.mark_tracked(frame, step)

    def _aim(self, track: ObjectTrack, frame: int, step: int) -> Aim:
        """Choose where to look for an object on the next frame of a pass."""
        if self.zoom is None:
            return NOWHERE
        last, near = track.bank.get(frame - step), True
        if last is None and track.bank.conditioning:
            # The pass begins here: the nearest prompted frame is all there is to go by.
            last = track.bank.conditioning[min(track.bank.conditioning, key=lambda t: abs(t - frame))]
            near = False
        if last is None or last.place is None:
            return NOWHERE
        place = last.place
        if near and last.view is not None and last.object_score_logit > 0:
            place = moved_place(self.encoder.look, place, (frame - step, frame), frame_size=self.frame_size)
        return Aim(self.zoom.follow(last.view, place, self.frame_size), place)

    def _track_group(
        self, members: Sequence[tuple[ObjectTrack, Aim]], choice: MemoryChoice, frame: int, *, step: int
    ) -> None:
        view = members[0][1].view
        features = self.encoder.encode(frame, view)
        batch, device = len(members), self.model.device
        prediction = self.model.decode(
            self._condition(members, features, choice),
            features,
            points_bpxy=torch.zeros(batch, 0, 2, device=device),
            labels_bp=torch.zeros(batch, 0, dtype=torch.long, device=device),
        )
        # The memory is of the mask as predicted; holes are filled in what is shown.
        logits = upsample_to_input(prediction.low_res_bhw, self.model.config)
        visible = prediction.object_score_logits_b > 0
        memories = self.model.remember(features, soft_mask(logits), visible_b=visible)
        records = self._records(prediction, [aim for _, aim in members])
        for index, ((track, _), record) in enumerate(zip(members, records, strict=True)):
            memory = memories[index : index + 1].clone() if batch > 1 else memories
            track.bank.put_recent(frame, replace(record, memory_bchw=memory), step=step)

    def _condition(
        self, members: Sequence[tuple[ObjectTrack, Aim]], features: ImageFeatures, choice: MemoryChoice
    ) -> Tensor:
        memories = [
            SpatialMemory(torch.cat([self._seen_from(aim, track.bank[t]) for track, aim in members]), slot)
            for t, slot in choice.spatial
        ]
        pointers = [
            PointerMemory(torch.cat([track.bank[t].pointer_bc for track, _ in members]), distance)
            for t, distance in choice.pointers
        ]
        return self.model.condition(features, memories, pointers=pointers, pointer_span=choice.pointer_span)

    def _seen_from(self, aim: Aim, memory: FrameMemory) -> Tensor:
        """The memory map as it would look had it been made through the present view."""
        source, target = whole_if_none(memory.view, self.frame_size), whole_if_none(aim.view, self.frame_size)
        # Windows of one size go with the object: what they show lies at the same spot in each.
        if source.size == target.size:
            return memory.map_bchw
        moved = (0.0, 0.0)
        if memory.place is not None and aim.place is not None:
            moved = aim.place.y - memory.place.y, aim.place.x - memory.place.x
        return align(memory.map_bchw, source, target, moved=moved)

    def _records(self, prediction: MaskPrediction, aims: Sequence[Aim]) -> list[FrameMemory]:
        low_res = fill_holes(prediction.low_res_bhw, self.fill_hole_area)
        scores, ious = prediction.object_score_logits_b.tolist(), prediction.ious_b.tolist()
        return [
            FrameMemory(
                low_res_bhw=low_res[i : i + 1].clone(),
                pointer_bc=prediction.pointers_bc[i : i + 1].clone(),
                object_score_logit=scores[i],
                iou=ious[i],
                view=aim.view,
                place=self._place_now(low_res[i], aim),
            )
            for i, aim in enumerate(aims)
        ]

    def _place_now(self, low_res_hw: Tensor, aim: Aim) -> Place | None:
        if self.zoom is None:
            return None
        place = place_of_mask((low_res_hw > 0).cpu().numpy(), whole_if_none(aim.view, self.frame_size))
        if aim.place is None:
            return place
        return hidden_place(aim.place, self.frame_size) if place is None else steady_place(place, aim.place)
