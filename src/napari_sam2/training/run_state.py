"""The state of a run and its checkpoint: weights, their running average, optimisers, step."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_sam2.model.centre_head import CentreHead
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.training.finetune.adapters import merge_adapters, train_part
from napari_sam2.training.optimisation.devices import training_device
from napari_sam2.training.optimisation.optimisers import make_optimisers
from napari_sam2.weights.catalog import CATALOG
from napari_sam2.weights.load import load_model

from .train_settings import TrainSettings

CHECKPOINT = "checkpoint.pt"
# Initial values that make the first steps count, see `_fresh_model`.
FUSER_GAMMA = 0.3
VISIBLE_BIAS = 2.0
LOCAL_BIAS = 2.0


@dataclass
class TrainState:
    """A run in progress."""

    model: Sam2
    # Running average of every weight, which is what is exported.
    average: dict[str, Tensor]
    # Each with its share of the parameters, and their moments.
    optimisers: tuple[torch.optim.Optimizer, ...]
    # Optimiser steps done.
    step: int = 0

    def averaged_model(self) -> Sam2:
        """Return a copy of the model with the averaged weights, adapters merged, in evaluation mode."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average)
        merge_adapters(model)
        return model.requires_grad_(False)

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the weights; fast at first, so that the start is forgotten."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        state = self.model.state_dict()
        torch._foreach_lerp_([self.average[key] for key in state], list(state.values()), 1 - decay)

    def save(self, folder: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
        }
        partial = folder / (CHECKPOINT + ".part")
        torch.save(content, partial)
        partial.replace(folder / CHECKPOINT)

    def load(self, path: Path) -> None:
        """Take up a checkpoint written by `save`."""
        content = torch.load(path, map_location=self.model.device, weights_only=True)
        self.model.load_state_dict(content["model"])
        self.average = content["average"]
        # The settings of the present run win over those of the run that wrote the file.
        for optimiser, moments in zip(self.optimisers, content["optimisers"], strict=True):
            groups = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
            optimiser.load_state_dict(moments)
            for group, wanted in zip(optimiser.param_groups, groups, strict=True):
                group.update(wanted)
        self.step = int(content["step"])


def start(settings: TrainSettings) -> TrainState:
    """Begin a run: with the weights that are given, or with fresh ones drawn from its seed."""
    model = _given_model(settings) if settings.weights else _fresh_model(settings)
    if settings.centre_weight > 0 and model.centre_head is None:
        torch.manual_seed(settings.seed)
        model.centre_head = CentreHead(model.config.d_model)
    train_part(model, settings.part, rank=settings.rank, seed=settings.seed)
    model.to(training_device(settings.device))
    average = {key: value.clone() for key, value in model.state_dict().items()}
    return TrainState(model, average, make_optimisers(model, settings))


def _given_model(settings: TrainSettings) -> Sam2:
    name = settings.weights
    known, file = (name, None) if name in CATALOG else (None, name)
    return load_model(known, checkpoint=file, device="cpu", dtype="float32", image_size=settings.image_size)


def _fresh_model(settings: TrainSettings) -> Sam2:
    torch.manual_seed(settings.seed)
    model = build_sam2(CONFIGS[settings.model].with_image_size(settings.image_size))
    with torch.no_grad():
        # A fuser that starts as the identity needs thousands of steps to begin to fuse.
        for block in model.memory_encoder.fuser.layers:
            nn.init.constant_(block.get_parameter("gamma"), FUSER_GAMMA)
        # Equal queries and keys, turned by their places, match best where the places are equal: the memory is read
        # from the same spot until the model knows better. Drawn at random, attention takes long to find any spot.
        for layer in model.memory_attention.layers:
            nn.init.constant_(layer.get_submodule("cross_attn_image.q_proj").get_parameter("bias"), LOCAL_BIAS)
            nn.init.constant_(layer.get_submodule("cross_attn_image.k_proj").get_parameter("bias"), LOCAL_BIAS)
        # Objects count as seen until the model has learned otherwise: "absent" would empty every memory.
        nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[-1].get_parameter("bias"), VISIBLE_BIAS)
    return model
