"""Validation on held-out clips: IoU of clicks, boxes and tracking, and AUC of the object score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_sam2.evaluation.metrics import roc_auc
from napari_sam2.model.centre_head import STRIDE, find_peaks
from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, POSITIVE
from napari_sam2.model.sam2 import Sam2, upsample_to_input
from napari_sam2.training.data.augment import Augmentation
from napari_sam2.training.data.clips import draw_batch
from napari_sam2.training.data.simulated_prompts import boxes_of, click_in
from napari_sam2.training.data.sources import ClipSource
from napari_sam2.training.optimisation.devices import autocast
from napari_sam2.training.optimisation.losses import mask_iou

from .train_settings import TrainSettings
from .unroll import Tracker

_FRAMES, _OBJECTS = 8, 4
_SEED = 12345
# A centre is right when it lies within this share of the distance to the rim from the true one.
_NEAR = 0.6
# Tiny objects take weight away from their cells; unlabelled ones would take most.
_ALL_LABELLED = 0.9


@torch.inference_mode()
def validate(
    model: Sam2, held_out: Sequence[ClipSource], settings: TrainSettings, *, clips: int = 32
) -> dict[str, float]:
    """Measure mean IoU on the same held-out clips every time.

    ``click`` and ``box`` are of the first frame, ``next`` and ``last`` of tracking a mask over eight frames;
    ``centres`` is the F1 of a centre head on images whose objects all have labels, ``score_auc`` the area under the
    object score's ROC curve.
    """
    rng = np.random.default_rng(_SEED)
    gathered: dict[str, list[Tensor]] = {}
    for _ in range(clips // 4):
        batch = draw_batch(
            held_out,
            rng,
            size=settings.image_size,
            shape=(4, _FRAMES, _OBJECTS),
            augmentation=Augmentation(follow_share=settings.follow_share),
            centres=model.centre_head is not None,
        )
        batch = batch.to(model.device)
        with autocast(model.device, bfloat16=settings.bfloat16):
            tracker = Tracker(model, batch, replace(settings, loss_stride=4, teacher_forcing=0.0))
            for name, values in _measure(tracker).items():
                gathered.setdefault(name, []).append(values)
    centres = gathered.pop("centres", [])
    scores, there = (torch.cat(gathered.pop(name)).float().cpu().numpy() for name in ("scores", "there"))
    figures = {name: float(torch.cat(values).float().mean()) for name, values in gathered.items()}
    if centres:
        hits, found, true = torch.stack(centres).sum(dim=0).tolist()
        figures["centres"] = 2 * hits / max(found + true, 1)
    return {**figures, "score_auc": roc_auc(scores, there > 0)}


def _match_centres(tracker: Tracker) -> Tensor:
    """(3,): centres found that are true, centres found, and true centres."""
    maps, counts = tracker.centre_maps, torch.zeros(3)
    if maps is None or tracker.centres_b3hw is None:
        return counts
    for found, (heat, log_radius, weight) in zip(find_peaks(maps), tracker.centres_b3hw, strict=True):
        if weight.mean() < _ALL_LABELLED:
            continue
        # A true centre counts as found where a peak lies near, relative to its object's size.
        rows, columns = (heat == 1).nonzero(as_tuple=True)
        true = (torch.stack((columns, rows), dim=1) + 0.5) * STRIDE
        near = (log_radius[rows, columns].exp2() * _NEAR).clamp(min=1.5 * STRIDE)
        hits = (torch.cdist(true, found.points_nxy) <= near[:, None]).any(dim=1).sum()
        counts += torch.tensor((float(hits), float(len(found.points_nxy)), float(len(true))))
    return counts


def _measure(tracker: Tracker) -> dict[str, Tensor]:
    model, truth = tracker.model, tracker.masks_tbhw
    generator = torch.Generator().manual_seed(_SEED)

    def iou(low_res_bhw: Tensor, frame: int) -> Tensor:
        return mask_iou(upsample_to_input(low_res_bhw, model.config), truth[frame].float()[:, None])[:, 0]

    # Prompts on the first frame, each answered without memory.
    features = tracker.encoded.at(0)
    plain = model.without_memory(features)
    click = click_in(truth[0], generator)[:, None]
    figures = {}
    labels = torch.full((len(click), 1), POSITIVE, device=click.device)
    figures["click"] = iou(model.decode(plain, features, points_bpxy=click, labels_bp=labels).low_res_bhw, 0)
    labels = torch.tensor([[BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]], device=click.device).expand(len(click), -1)
    boxed = model.decode(plain, features, points_bpxy=boxes_of(truth[0]), labels_bp=labels)
    figures["box"] = iou(boxed.low_res_bhw, 0)
    # Tracking from the true masks, beside copies of them: what does not beat a copy has learned nothing.
    tracker.prompt_with_masks(0)
    scores = []
    for frame in range(1, _FRAMES):
        prediction = tracker.track(frame, generator)
        there = tracker.present_tb[frame]
        scores.append(prediction.object_score_logits_b)
        if frame in (1, _FRAMES - 1):
            name = "next" if frame == 1 else "last"
            copied = mask_iou(truth[0].float()[:, None] - 0.5, truth[frame].float()[:, None])[:, 0]
            figures[name] = iou(prediction.low_res_bhw, frame)[there]
            figures[f"{name}_copied"] = copied[there]
    if tracker.centre_maps is not None:
        figures["centres"] = _match_centres(tracker)
    return {**figures, "scores": torch.cat(scores), "there": tracker.present_tb[1:].flatten()}
