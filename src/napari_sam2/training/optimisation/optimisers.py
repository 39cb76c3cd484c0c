"""AdamW and Muon: which weight goes to which, its learning rate and its weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.train_settings import TrainSettings

from .muon import Muon

SMALLEST_MATRIX = 32
_ENCODER, _PATCHES, _BLOCKS = "image_encoder.", "image_encoder.trunk.patch_embed.", "image_encoder.trunk.blocks."


def make_optimisers(model: Sam2, settings: TrainSettings) -> tuple[torch.optim.Optimizer, ...]:
    """Make the optimisers of everything that requires a gradient.

    Each group's ``"rate"`` is what the run's learning rate is multiplied by, see `rate_of`.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    blocks = model.config.trunk.num_blocks
    rates = {name: rate_of(name, blocks, settings) for name in named}
    matrices = {name: p for name, p in named.items() if settings.optimiser == "muon" and _is_matrix(name, p)}
    others = {name: p for name, p in named.items() if name not in matrices}
    # Biases, norms and single embeddings are not pulled to zero.
    decayed = {name: p for name, p in others.items() if p.ndim >= 2 and p.shape[0] > 1}
    free = {name: p for name, p in others.items() if name not in decayed}
    groups = _groups(decayed, rates, weight_decay=settings.weight_decay) + _groups(free, rates, weight_decay=0.0)
    adamw = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
    if not matrices:
        return (adamw,)
    decay = settings.weight_decay
    muon = Muon(_groups(matrices, rates, weight_decay=decay), lr=settings.learning_rate, weight_decay=decay)
    return (adamw, muon)


def rate_of(name: str, blocks: int, settings: TrainSettings) -> float:
    """Share of the run's learning rate at which a weight learns."""
    # The earlier in the trunk, the slower; patches come before the first block.
    if not name.startswith(_ENCODER):
        return 1.0
    slower = 0
    if name.startswith(_PATCHES):
        slower = blocks + 1
    elif name.startswith(_BLOCKS):
        slower = blocks - int(name.removeprefix(_BLOCKS).split(".")[0])
    return float(settings.encoder_rate * settings.layer_decay**slower)


def _groups(
    named: Mapping[str, nn.Parameter], rates: Mapping[str, float], *, weight_decay: float
) -> list[dict[str, Any]]:
    by_rate: dict[float, list[nn.Parameter]] = {}
    for name, parameter in named.items():
        by_rate.setdefault(rates[name], []).append(parameter)
    return [{"params": some, "weight_decay": weight_decay, "rate": rate} for rate, some in by_rate.items()]


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and min(parameter.shape) >= SMALLEST_MATRIX and "embed" not in name
