"""A batch through the model as a session would run it: prompt, remember, track; graded on every frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.mask_decoder import DecoderOutput
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
from napari_sam2.session.memory_bank import choose_memories
from napari_sam2.session.propagate import PREVIOUS_LOGIT_LIMIT, memory_rule

from .clips import Batch
from .losses import FrameLoss, frame_loss
from .prompts import correction, first_prompts
from .settings import TrainSettings

# Stacks are mostly longer than the pointers' reach, clips never are: the time code must fit the former.
LONG_STACK = 64


@dataclass(frozen=True)
class Encoded:
    """Features of all frames of a batch.

    Attributes
    ----------
    maps : tuple of Tensor
        Strides 4, 8 and 16, each (batch, frames, channels, h, w).
    objects : int
        Objects per clip.
    """

    maps: tuple[Tensor, Tensor, Tensor]
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
    alone, they grow a hundredfold in a thousand steps, and nothing added to them can be heard.
    """
    return (s16.float().square().mean() - 1).clamp(min=0)


class Tracker:
    """Memories of a batch of clips, all objects alike; every frame is graded as it is passed.

    Parameters
    ----------
    model : Sam2
        The model.
    batch : Batch
        Clips and truth.
    settings : TrainSettings
        Losses.
    encoded : Encoded, optional
        Features of the batch, where they are known already.
    """

    def __init__(self, model: Sam2, batch: Batch, settings: TrainSettings, *, encoded: Encoded | None = None) -> None:
        self.model = model
        self.settings = settings
        self.encoded = encode(model, batch) if encoded is None else encoded
        self.feature_loss = feature_penalty(self.encoded.maps[2])
        self.masks_tbhw = batch.masks_btnhw.transpose(0, 1).flatten(1, 2)
        self.present_tb = batch.present_btn.transpose(0, 1).flatten(1)
        self.rule = memory_rule(model)
        self.maps: dict[int, Tensor] = {}
        self.pointers: dict[int, Tensor] = {}
        self.conditioning: list[int] = []
        self.losses: list[FrameLoss] = []

    def grade(self, output: DecoderOutput, frame: int, *, single_weight: float) -> None:
        """Add the frame's loss."""
        side = self.masks_tbhw.shape[-1] // self.settings.loss_stride
        target = F.adaptive_avg_pool2d(self.masks_tbhw[frame].float()[:, None], side)
        self.losses.append(
            frame_loss(
                output,
                target,
                present_b=self.present_tb[frame],
                single_weight=single_weight,
                cross_entropy=self.settings.cross_entropy,
            )
        )

    def decode(
        self,
        conditioned_bchw: Tensor,
        features: ImageFeatures,
        *,
        points_bpxy: Tensor,
        labels_bp: Tensor,
        mask_logits_b1hw: Tensor | None = None,
    ) -> DecoderOutput:
        """Run the decoder; its answers are graded in float32 whatever precision it ran in."""
        output = self.model.run_decoder(
            conditioned_bchw,
            features,
            points_bpxy=points_bpxy,
            labels_bp=labels_bp,
            mask_logits_b1hw=mask_logits_b1hw,
        )
        return DecoderOutput(*(getattr(output, field.name).float() for field in fields(output)))

    def prompt_with_masks(self, frame: int) -> None:
        """Give the true masks on a frame."""
        features = self.encoded.at(frame)
        mask = self.masks_tbhw[frame].float()[:, None]
        prediction = self.model.adopt_mask(features, mask)
        self.keep(frame, features, mask, prediction=prediction, visible_b=self.present_tb[frame])
        self.conditioning.append(frame)

    def prompt_with_points(self, frame: int, generator: torch.Generator, *, corrections: int) -> None:
        """Click or draw boxes on a frame, then correct the answer where it is wrong."""
        features = self.encoded.at(frame)
        conditioned = self.model.without_memory(features)
        truth = self.masks_tbhw[frame]
        points, labels = first_prompts(truth, generator)
        previous: Tensor | None = None
        for round_ in range(corrections + 1):
            output = self.decode(conditioned, features, points_bpxy=points, labels_bp=labels, mask_logits_b1hw=previous)
            self.grade(output, frame, single_weight=0.5 if round_ == 0 else 1.0)
            prediction = self.model.choose(output, num_points=round_ + 1)
            low_res = prediction.low_res_bhw
            if round_ < corrections:
                answer = upsample_to_input(low_res.detach(), self.model.config)[:, 0] > 0
                point, label = correction(answer, truth, generator)
                points, labels = torch.cat((points, point), dim=1), torch.cat((labels, label), dim=1)
                previous = low_res.detach().clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)[:, None]
        mask = hard_mask(upsample_to_input(low_res.detach(), self.model.config))
        if self.masks_tbhw.shape[0] > 1:
            self.keep(frame, features, mask, prediction=prediction, visible_b=prediction.object_score_logits_b > 0)
        self.conditioning.append(frame)

    def track(self, frame: int, generator: torch.Generator | None = None) -> MaskPrediction:
        """Find the objects on a frame from what is remembered; the generator decides about teacher forcing."""
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
        count = len(features.s16_bchw)
        output = self.decode(
            conditioned,
            features,
            points_bpxy=torch.zeros(count, 0, 2, device=conditioned.device),
            labels_bp=torch.zeros(count, 0, dtype=torch.long, device=conditioned.device),
        )
        self.grade(output, frame, single_weight=0.0)
        prediction = self.model.choose(output, num_points=0)
        if frame + 1 < len(self.masks_tbhw):
            mask = soft_mask(upsample_to_input(prediction.low_res_bhw, self.model.config))
            visible = prediction.object_score_logits_b > 0
            if generator is not None and self.settings.teacher_forcing > 0:
                told = (torch.rand(len(mask), generator=generator) < self.settings.teacher_forcing).to(mask.device)
                truth = self.masks_tbhw[frame].to(mask.dtype)[:, None]
                mask = torch.where(told[:, None, None, None], truth, mask)
                visible = torch.where(told, self.present_tb[frame], visible)
            self.keep(frame, features, mask, prediction=prediction, visible_b=visible)
        return prediction

    def keep(
        self,
        frame: int,
        features: ImageFeatures,
        mask_b1hw: Tensor,
        *,
        prediction: MaskPrediction,
        visible_b: Tensor,
    ) -> None:
        """Remember a frame."""
        self.maps[frame] = self.model.remember(features, mask_b1hw, visible_b=visible_b)
        self.pointers[frame] = prediction.pointers_bc


def unroll(tracker: Tracker, *, give_masks: bool, generator: torch.Generator) -> tuple[list[FrameLoss], Tensor]:
    """Run a batch through the model.

    Parameters
    ----------
    tracker : Tracker
        Fresh, over stills (one frame) or clips.
    give_masks : bool
        Prompt clips with masks instead of clicks and boxes.
    generator : torch.Generator
        Source of the prompts.

    Returns
    -------
    list of FrameLoss
        In the order of the answers: several for a corrected frame, none for a frame whose mask was given.
    Tensor
        Their mean and the penalty on the features, to be minimised.
    """
    settings, frames = tracker.settings, len(tracker.masks_tbhw)
    if frames > 1 and give_masks:
        tracker.prompt_with_masks(0)
    else:
        tracker.prompt_with_points(0, generator, corrections=settings.corrections if frames == 1 else 0)
    for frame in range(1, frames):
        tracker.track(frame, generator)
    mean = torch.stack([loss.total for loss in tracker.losses]).mean()
    return tracker.losses, mean + settings.feature_penalty * tracker.feature_loss
