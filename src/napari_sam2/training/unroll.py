"""Run a batch through the model as a session would: prompt, remember, track, with a loss on every frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.prompt_encoder import PAD_LABEL
from napari_sam2.model.sam2 import (
    ImageFeatures,
    PointerMemory,
    Sam2,
    SpatialMemory,
    hard_mask,
    soft_mask,
    upsample_to_input,
)
from napari_sam2.session.prompting.predictor import PREVIOUS_LOGIT_LIMIT
from napari_sam2.session.tracking.memory.choice import choose_memories, memory_rule
from napari_sam2.training.data.clips import Batch
from napari_sam2.training.data.prompt_plan import draw_prompt_plan
from napari_sam2.training.data.simulated_prompts import correction, first_prompts
from napari_sam2.training.optimisation.losses import FrameLoss, centre_loss, frame_loss

from .train_settings import CENTRE_HEAD, TrainSettings

# Stacks are mostly longer than the pointers' reach, clips never are: the time code must fit the former.
LONG_STACK = 64

# (objects, points, 2) as (x, y) in input pixels, and (objects, points) labels.
Points = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Encoded:
    """Features of all frames of a batch."""

    # Strides 4, 8 and 16, each (batch, frames, channels, h, w).
    maps: tuple[Tensor, Tensor, Tensor]
    # Objects per clip.
    objects: int

    def at(self, frame: int) -> ImageFeatures:
        """Features of a frame in float32, once for every object of every clip."""
        return ImageFeatures(*(x[:, frame].float().repeat_interleave(self.objects, dim=0) for x in self.maps))


def encode(model: Sam2, batch: Batch) -> Encoded:
    """Encode all frames of a batch in one pass, shared by the objects."""
    clips, frames = batch.frames_btchw.shape[:2]
    features = model.encode_image(batch.frames_btchw.flatten(0, 1))
    maps = (features.s4_bchw, features.s8_bchw, features.s16_bchw)
    s4, s8, s16 = (x.reshape(clips, frames, *x.shape[1:]) for x in maps)
    return Encoded((s4, s8, s16), batch.masks_btnhw.shape[2])


def feature_penalty(s16: Tensor) -> Tensor:
    """Penalty on stride-16 features larger than 1 on average.

    Nothing normalises them, yet they are added to position codes, masks and normalised features of that size. Left
    alone, they grow a hundredfold in a thousand steps, and what is added to them is lost.
    """
    return (s16.float().square().mean() - 1).clamp(min=0)


@dataclass(frozen=True)
class Answer:
    """What a session would take from the decoder's output."""

    # (objects, h, w) logits of the chosen masks.
    low_res_bhw: Tensor
    # (objects, channels).
    pointers_bc: Tensor
    # (objects,).
    object_score_logits_b: Tensor


class Tracker:
    """Tracks a batch of clips, all objects in step, and gathers the losses."""

    def __init__(self, model: Sam2, batch: Batch, settings: TrainSettings, *, encoded: Encoded | None = None) -> None:
        self.model = model
        self.settings = settings
        self.encoded = encode(model, batch) if encoded is None else encoded
        self.feature_loss = feature_penalty(self.encoded.maps[2])
        self.centres_b3hw = batch.centres_b3hw
        first = ImageFeatures(*(x[:, 0] for x in self.encoded.maps))
        self.centre_maps = None if batch.centres_b3hw is None else model.find_centres(first)
        self.masks_tbhw = batch.masks_btnhw.transpose(0, 1).flatten(1, 2)
        self.present_tb = batch.present_btn.transpose(0, 1).flatten(1)
        self.rule = memory_rule(model)
        self.maps: dict[int, Tensor] = {}
        self.pointers: dict[int, Tensor] = {}
        self.conditioning: list[int] = []
        self.losses: list[FrameLoss] = []

    def centre_loss(self) -> Tensor:
        """Loss of the centre head; 0 where there is none, or no targets."""
        if self.centre_maps is None or self.centres_b3hw is None:
            return torch.zeros((), device=self.model.device)
        return centre_loss(self.centre_maps, self.centres_b3hw)

    def answer(
        self,
        conditioned_bchw: Tensor,
        frame: int,
        *,
        points: Points,
        previous_b1hw: Tensor | None = None,
    ) -> Answer:
        """Run the decoder on a frame and add its loss, computed in float32 whatever precision it ran in."""
        points_bpxy, labels_bp = points
        output = self.model.run_decoder(
            conditioned_bchw,
            self.encoded.at(frame),
            points_bpxy=points_bpxy,
            labels_bp=labels_bp,
            mask_logits_b1hw=previous_b1hw,
        )
        output = DecoderOutput(*(getattr(output, field.name).float() for field in fields(output)))
        # How many points there were decides which of the masks a session would take.
        points_b = (labels_bp != PAD_LABEL).sum(dim=1)
        side = self.masks_tbhw.shape[-1] // self.settings.loss_stride
        loss = frame_loss(
            output,
            F.adaptive_avg_pool2d(self.masks_tbhw[frame].float()[:, None], side),
            present_b=self.present_tb[frame],
            points_b=points_b,
            cross_entropy=self.settings.cross_entropy,
            only_answer=self.settings.grade == "answer",
        )
        self.losses.append(loss)
        return _choose(self.model, output, points_b)

    def correct(
        self,
        conditioned_bchw: Tensor,
        frame: int,
        *,
        points: Points,
        rounds: int,
        generator: torch.Generator,
    ) -> Answer:
        """Answer a prompt, then click so many times where the answer is wrong."""
        truth = self.masks_tbhw[frame]
        answer = self.answer(conditioned_bchw, frame, points=points)
        # Each round adds a click and feeds the last logits back, without gradients through either.
        for _ in range(rounds):
            low_res = answer.low_res_bhw.detach()
            drawn = upsample_to_input(low_res, self.model.config)[:, 0] > 0
            click = correction(drawn, truth, generator, truth_share=self.settings.truth_clicks)
            points = torch.cat((points[0], click[0]), dim=1), torch.cat((points[1], click[1]), dim=1)
            previous = low_res.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)[:, None]
            answer = self.answer(conditioned_bchw, frame, points=points, previous_b1hw=previous)
        return answer

    def prompt_with_masks(self, frame: int) -> None:
        """Give the true masks on a frame; adopted as they are, they have no loss."""
        mask = self.masks_tbhw[frame].float()[:, None]
        prediction = self.model.adopt_mask(self.encoded.at(frame), mask)
        self.keep(frame, mask, pointers_bc=prediction.pointers_bc, visible_b=self.present_tb[frame])
        self.conditioning.append(frame)

    def prompt_with_points(self, frame: int, generator: torch.Generator, *, corrections: int) -> None:
        """Click or draw boxes on a frame, then correct the answer where it is wrong."""
        conditioned = self.model.without_memory(self.encoded.at(frame))
        masks, settings = self.masks_tbhw[frame], self.settings
        points = first_prompts(masks, generator, box_share=settings.box_prompts, middle_share=settings.middle_clicks)
        answer = self.correct(conditioned, frame, points=points, rounds=corrections, generator=generator)
        self._keep_prompted(frame, answer)

    def track(self, frame: int, generator: torch.Generator, *, corrections: int = 0) -> Answer:
        """Find the objects on a frame from what is remembered, then correct them.

        The generator decides about teacher forcing and places the clicks.
        """
        # The session's own rule of memory: the model trains on what it will see.
        features = self.encoded.at(frame)
        choice = choose_memories(
            frame, self.conditioning, others=self.maps.keys(), step=1, num_frames=LONG_STACK, rule=self.rule
        )
        conditioned = self.model.condition(
            features,
            [SpatialMemory(self.maps[t], slot) for t, slot in choice.spatial],
            pointers=[PointerMemory(self.pointers[t], distance) for t, distance in choice.pointers],
            pointer_span=choice.pointer_span,
        )
        # Tracked frames have no points.
        count, device = len(features.s16_bchw), conditioned.device
        nothing = torch.zeros(count, 0, 2, device=device), torch.zeros(count, 0, dtype=torch.long, device=device)
        answer = self.correct(conditioned, frame, points=nothing, rounds=corrections, generator=generator)
        if corrections:
            self._keep_prompted(frame, answer)
        # Nobody attends to the last frame.
        elif frame + 1 < len(self.masks_tbhw):
            self._keep_tracked(frame, answer, generator)
        return answer

    def _keep_prompted(self, frame: int, answer: Answer) -> None:
        self.conditioning.append(frame)
        if len(self.masks_tbhw) > 1:
            mask = hard_mask(upsample_to_input(answer.low_res_bhw.detach(), self.model.config))
            self.keep(frame, mask, pointers_bc=answer.pointers_bc, visible_b=answer.object_score_logits_b > 0)

    def _keep_tracked(self, frame: int, answer: Answer, generator: torch.Generator) -> None:
        mask = soft_mask(upsample_to_input(answer.low_res_bhw, self.model.config))
        visible = answer.object_score_logits_b > 0
        # Some are remembered by their true masks, so that one error does not spoil the rest of a clip.
        if self.settings.teacher_forcing > 0:
            forced = (torch.rand(len(mask), generator=generator) < self.settings.teacher_forcing).to(mask.device)
            truth = self.masks_tbhw[frame].to(mask.dtype)[:, None]
            mask = torch.where(forced[:, None, None, None], truth, mask)
            visible = torch.where(forced, self.present_tb[frame], visible)
        self.keep(frame, mask, pointers_bc=answer.pointers_bc, visible_b=visible)

    def keep(self, frame: int, mask_b1hw: Tensor, *, pointers_bc: Tensor, visible_b: Tensor) -> None:
        """Remember a frame."""
        self.maps[frame] = self.model.remember(self.encoded.at(frame), mask_b1hw, visible_b=visible_b)
        self.pointers[frame] = pointers_bc


def _choose(model: Sam2, output: DecoderOutput, points_b: Tensor) -> Answer:
    """Take the masks that a session takes for so many points, object by object."""
    # One point is ambiguous: the best of three candidates; for more, the single mask.
    few, many = (model.choose(output, num_points=count) for count in (1, 2))
    single = points_b > 1
    return Answer(
        low_res_bhw=torch.where(single[:, None, None], many.low_res_bhw, few.low_res_bhw),
        pointers_bc=torch.where(single[:, None], many.pointers_bc, few.pointers_bc),
        object_score_logits_b=output.object_score_logits_b,
    )


def unroll(tracker: Tracker, *, give_masks: bool, generator: torch.Generator) -> tuple[list[FrameLoss], Tensor]:
    """Run a fresh tracker over its batch; return the losses of its frames, and the one to train on."""
    settings = tracker.settings
    if settings.part == CENTRE_HEAD:
        centre, none = tracker.centre_loss(), torch.zeros(())
        return [FrameLoss(centre, none, none, none)], centre
    # Prompted frames first, as a user would, then the others in order.
    plan = draw_prompt_plan(tracker.present_tb, settings, give_masks=give_masks, generator=generator)
    for frame in plan.prompted:
        if plan.give_masks:
            tracker.prompt_with_masks(frame)
        else:
            tracker.prompt_with_points(frame, generator, corrections=plan.corrections_on(frame))
    for frame in range(len(tracker.masks_tbhw)):
        if frame not in plan.prompted:
            tracker.track(frame, generator, corrections=plan.corrections_on(frame))
    mean = torch.stack([loss.total for loss in tracker.losses]).mean()
    beside = settings.feature_penalty * tracker.feature_loss + settings.centre_weight * tracker.centre_loss()
    return tracker.losses, mean + beside
