"""Prediction of masks from prompts, and encoding of their memories (spec sections 4.2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput, resize_logits
from napari_sam2.model.sam2 import MASK_LOGIT, ImageFeatures, MaskPrediction, hard_mask, upsample_to_input
from napari_sam2.session.features.frame_encoder import resize_rgb8
from napari_sam2.session.tracking.crop_follower import WHOLE_FRAME, CropChoice
from napari_sam2.session.tracking.frame_tracker import FrameTracker
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.session.tracking.prompt_tensors import (
    Mask,
    mask_at_input,
    prompt_bounds,
    prompt_points,
    prompt_within_box,
)
from napari_sam2.session.zoom.crop import Crop, align, align_logits, cell_centres, place_of_box
from napari_sam2.session.zoom.crop_size import Zoom, whole_if_none

from .click_voting import Candidates, VotingRule, vote, voting_rule, weigh

# Logits of an earlier result are limited to this before they go in again, as in the reference.
PREVIOUS_LOGIT_LIMIT = 32.0
# A first click's answer in the whole frame may be smaller than the object by this: the crop has room for it.
UNSURE_OF_SIZE = 4 / 3


def hold_in_box(logits_bkhw: Tensor, view: Crop, box: tuple[float, float, float, float]) -> Tensor:
    """Remove the cells of a mask whose middle lies outside a box.

    ``logits_bkhw``: (objects, masks, h, w) over ``view``.
    ``box``: (y0, x0, y1, x1) in frame pixels.
    """
    inside = []
    axes = cell_centres(view, logits_bkhw.shape[-2:], logits_bkhw.device)
    for centres, length, ends in zip(axes, view.size, (box[::2], box[1::2]), strict=True):
        # At least one cell stays on each axis, also where the box is thinner than a cell.
        half = max(ends[1] - ends[0], length / len(centres)) / 2
        inside.append((centres - (ends[0] + ends[1]) / 2).abs() <= half)
    # Mirrored, so that the outline between two cells stays half-way.
    return torch.where(inside[0][:, None] & inside[1], logits_bkhw, -logits_bkhw.abs())


class PromptPredictor:
    """Predicts masks from the prompts of one session."""

    def __init__(self, tracker: FrameTracker) -> None:
        self.tracker = tracker
        self.encoder = tracker.encoder
        self.model = tracker.model
        self.crops = tracker.crops
        self.rule = voting_rule(tracker.model, tracker.crops.zoom)
        self.frame_size = tracker.crops.frame_size

    @torch.inference_mode()
    def predict(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None = None) -> FrameMemory:
        """Answer a prompt; the object is not changed.

        ``drawn``: (Y, X) bool: the object's mask in the labels of this frame, for when its logits are gone.
        """
        # An empty mask: there is nothing to locate, so the crop stays where it was.
        if prompt.says_absent:
            return self._answer(track, prompt, drawn, crop=self.crops.last_crop(track, prompt.frame))
        # Clicks alone, small model: several crops propose masks, which are weighed against each other.
        zoom = self.crops.zoom
        if self.rule is not None and zoom is not None and prompt.mask is None and prompt.box is None:
            return self._predict_by_voting(track, prompt, drawn, rule=self.rule, zoom=zoom)
        # Otherwise the prompt or an earlier result gives the location, or the model sees whole frames anyway.
        place = self.crops.place_of_prompt(track, prompt, drawn)
        if zoom is None or place is not None:
            return self._answer(
                track, prompt, drawn, crop=CropChoice(self.crops.view_of_prompt(track, prompt, place), place)
            )
        return self._answer_first_click(track, prompt, drawn, zoom=zoom)

    @torch.inference_mode()
    def proposals(self, track: ObjectTrack, prompt: Prompt) -> tuple[Tensor, Tensor, list[Crop | None]]:
        """Propose masks for clicks or a box: (N, h, w) logits, (N,) predicted IoU, and the crop of each."""
        # A mask there already is not refined: the others are meant. They come from where it was found, and from the
        # whole frame, where what is larger than the crop is seen.
        earlier = track.result(prompt.frame)
        views = list(dict.fromkeys((None if earlier is None else earlier.view, None)))
        outputs = [self._decode_anew(track, prompt, view) for view in views]
        # Mask 0 is the answer to many clicks; the three others are what one click may mean.
        masks = torch.cat([output.masks_bkhw[0, 1:] for output in outputs])
        ious = torch.cat([output.ious_bk[0, 1:] for output in outputs])
        return masks, ious, [view for view in views for _ in range(len(masks) // len(views))]

    def _decode_anew(self, track: ObjectTrack, prompt: Prompt, view: Crop | None) -> DecoderOutput:
        features = self.encoder.encode(prompt.frame, view)
        points, labels = prompt_points(prompt, whole_if_none(view, self.frame_size), self.model.config.image_size)
        return self.model.run_decoder(
            self._conditioned(track, features, prompt.frame, crop=CropChoice(view)),
            features,
            points_bpxy=points.to(self.model.device),
            labels_bp=labels.to(self.model.device),
            mask_logits_b1hw=None,
        )

    def _answer_first_click(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, zoom: Zoom) -> FrameMemory:
        # Clicks do not give the object's size: the answer in the whole frame does roughly, one in a crop does better.
        far = self._answer(track, prompt, drawn, crop=WHOLE_FRAME)
        view = self._nearer(far, prompt, zoom)
        if view is None:
            return far
        # Without a location, so that this mask is measured freely: the size seen in the whole frame must not bound it.
        near = self._answer(track, prompt, drawn, crop=CropChoice(view))
        return far if near.place is None else near

    def _nearer(self, far: FrameMemory, prompt: Prompt, zoom: Zoom) -> Crop | None:
        if far.place is None:
            return None
        # The crop must hold all clicks: a model that does not see a click cannot follow it.
        view = zoom.fresh(replace(far.place, extent=UNSURE_OF_SIZE * far.place.extent), self.frame_size)
        return view if view is not None and view.holds(*prompt_bounds(prompt)) else None

    def _predict_by_voting(
        self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, rule: VotingRule, zoom: Zoom
    ) -> FrameMemory:
        """Answer clicks by proposing masks in several crops and voting on them."""
        place = self.crops.place_of_prompt(track, prompt, drawn)

        def propose(view: Crop | None, size: int | None = None) -> Candidates:
            output, features = self._propose(track, prompt, drawn, crop=CropChoice(view, place), size=size)
            seen = whole_if_none(view, self.frame_size)
            return weigh(output, prompt, seen, rule=rule, frame_size=self.frame_size, features=features)

        def answer(candidates: list[Candidates], view: Crop | None) -> FrameMemory:
            return self._answer_by_vote(track, prompt, candidates=candidates, drawn=drawn, view=view)

        # Candidates for a known object come from the crop in which it was found and from one that fits it now.
        if place is not None:
            views = self.crops.views_of_clicks(track, prompt, place)
            found = answer([propose(view) for view in views], views[0])
            return replace(found, place=found.place or place)
        # Those for a new object come from the whole frame and from close-ups of the clicks.
        bounds = prompt_bounds(prompt)
        close_ups = zoom.close_ups(*place_of_box(*bounds).middle, self.frame_size)
        size = min(rule.close_up_size, self.model.config.image_size)
        looks = [propose(None), *(propose(view, size) for view in close_ups if view.holds(*bounds))]

        # What is small is known best by all looks and the judge. Parts of something large would pass for small things:
        # it is known by the larger looks.
        judged = [look.judged for look in looks]
        far = answer(judged, None)
        is_small = far.place is not None and far.place.extent <= rule.small * max(self.frame_size)
        if not is_small:
            far = answer(looks[:1] + [look for look in looks[1:2] if look.best_iou >= rule.close_up_iou], None)
        # The object found is looked at once more in a crop of its size.
        view = self._nearer(far, prompt, zoom)
        if view is None:
            return far
        again = propose(view)
        near = answer([*judged, again.judged] if is_small else [again], view)
        return far if near.place is None else near

    def _answer_by_vote(
        self,
        track: ObjectTrack,
        prompt: Prompt,
        *,
        candidates: list[Candidates],
        drawn: Mask | None,
        view: Crop | None,
    ) -> FrameMemory:
        earlier = self._to_refine(track, prompt.frame, drawn, view=view)
        # What was tracked there has been found wrong: the picture has a say beside the model.
        picture = None
        if prompt.frame in track.visited:
            picture = resize_rgb8(self.encoder.look(prompt.frame, view), self.model.config.low_res_size)
        seen, known = whole_if_none(view, self.frame_size), None if earlier is None else earlier[0, 0]
        output = vote(candidates, prompt, seen, earlier_hw=known, picture=picture)
        return self.tracker.records(self.model.choose(output, num_points=1), [CropChoice(view)])[0]

    def _answer(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, crop: CropChoice) -> FrameMemory:
        seen = whole_if_none(crop.view, self.frame_size)
        # A painted mask is taken as it is.
        if prompt.mask is not None:
            mask = mask_at_input(prompt.mask[seen.crop], self.model.config.image_size)
            features = self.encoder.encode(prompt.frame, crop.view)
            prediction = self.model.adopt_mask(features, mask.to(self.model.device))
        else:
            prediction = self._decode(track, prompt, drawn, crop=crop)
            # Nothing of the object is outside its box, unless a positive click is.
            if self.crops.zoom is not None and prompt.box is not None and prompt_within_box(prompt):
                held = hold_in_box(prediction.candidates_bkhw, seen, prompt.box)
                prediction = replace(prediction, candidates_bkhw=held)
        return self.tracker.records(prediction, [crop])[0]

    def _decode(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, crop: CropChoice) -> MaskPrediction:
        # The number of points, two for a box, decides whether the model proposes several masks.
        points = (0 if prompt.points is None else len(prompt.points)) + (0 if prompt.box is None else 2)
        return self.model.choose(self._propose(track, prompt, drawn, crop=crop)[0], num_points=points)

    def _propose(
        self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None, *, crop: CropChoice, size: int | None = None
    ) -> tuple[DecoderOutput, ImageFeatures | None]:
        """Run the mask decoder on a prompt; also return what it saw, or ``None`` where it refined a mask."""
        features = self.encoder.encode(prompt.frame, crop.view, size=size)
        config, device = self.model.config, self.model.device
        # An earlier result goes in beside the points: clicks refine it.
        points, labels = prompt_points(prompt, whole_if_none(crop.view, self.frame_size), config.image_size)
        earlier = self._to_refine(track, prompt.frame, drawn, view=crop.view)
        output = self.model.run_decoder(
            self._conditioned(track, features, prompt.frame, crop=crop),
            features,
            points_bpxy=points.to(device),
            labels_bp=labels.to(device),
            mask_logits_b1hw=earlier,
        )
        # An input of another size gives another grid; masks of all crops share one.
        grid = (config.low_res_size, config.low_res_size)
        if output.masks_bkhw.shape[-2:] != grid:
            output = replace(output, masks_bkhw=resize_logits(output.masks_bkhw, grid))
        return output, features if earlier is None else None

    def _to_refine(self, track: ObjectTrack, frame: int, drawn: Mask | None, *, view: Crop | None) -> Tensor | None:
        """(1, 1, h, w) logits of the object's result on a frame, over a crop; ``None`` if it has none there."""
        # If the user marked the object as absent, there is no mask to refine.
        recorded = track.prompts.get(frame)
        if recorded is not None and recorded.says_absent:
            return None
        earlier = track.result(frame)
        if earlier is not None and earlier.low_res_bhw is not None:
            source, target = (whole_if_none(v, self.frame_size) for v in (earlier.view, view))
            logits = align(earlier.low_res_bhw[:, None], source, target)
            return logits.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)
        # Without logits, the mask in the labels stands for them.
        if drawn is None:
            return None
        part = drawn[whole_if_none(view, self.frame_size).crop]
        if not part.any():
            return None
        # As confident as a painted mask, on both sides.
        mask = mask_at_input(part, self.model.config.low_res_size).to(self.model.device)
        return mask * (2 * MASK_LOGIT) - MASK_LOGIT

    def _conditioned(self, track: ObjectTrack, features: ImageFeatures, frame: int, *, crop: CropChoice) -> Tensor:
        # A frame never tracked is a fresh start; on a tracked one the correction builds on what is remembered.
        step = track.visited.get(frame)
        if step is not None:
            choice = track.bank.choose(frame, track.visited, step=step, num_frames=self.tracker.num_frames)
            if choice.spatial:
                return self.tracker.condition([(track, crop)], features, [choice])
        return self.model.without_memory(features)

    def _in_window_of_its_size(self, staged: FrameMemory) -> FrameMemory:
        """Move an answer to the crop that fits its mask, as tracking will see it."""
        view = self.crops.view_of_mask(staged.view, staged.place)
        if view == staged.view:
            return staged
        source, target = (whole_if_none(v, self.frame_size) for v in (staged.view, view))
        return replace(staged, low_res_bhw=align_logits(staged.logits_bhw[:, None], source, target)[:, 0], view=view)

    def commit(self, track: ObjectTrack) -> list[int]:
        """Encode the memories of staged prompts and make their frames conditioning frames.

        Returns the frames on which the mask is shown in another crop than before.
        """
        moved = []
        # Encode first, change the object afterwards: if encoding fails, the prompts stay staged and the next run tries
        # again.
        for frame, record in self.remembered(track).items():
            if record.view != track.staged.pop(frame).view:
                moved.append(frame)
            # What the user prompted replaces what was tracked there.
            track.bank.conditioning[frame] = record
            track.bank.recent.pop(frame, None)
        return moved

    @torch.inference_mode()
    def remembered(self, track: ObjectTrack) -> dict[int, FrameMemory]:
        """The staged answers of an object with their memories; the object is not changed."""
        found = {}
        for frame, answer in track.staged.items():
            # Memories are made of hard masks where the user prompted.
            staged = self._in_window_of_its_size(answer)
            logits = upsample_to_input(staged.logits_bhw, self.model.config)
            features = self.encoder.encode(frame, staged.view)
            memory = self.model.remember(
                features,
                hard_mask(logits),
                visible_b=torch.tensor([staged.object_score_logit > 0], device=logits.device),
            )
            (found[frame],) = self.tracker.with_looks([replace(staged, memory_bchw=memory)], features)
        return found
