"""Choose which parts of a model are trained; low-rank adapters (LoRA) for its image encoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.train_settings import CENTRE_HEAD, PARTS


class LowRank(nn.Module):
    """A weight plus the product of two thin matrices (Hu et al. 2021), which starts as zero.

    ``weight``: (out, in), frozen by whoever adds the adapter.
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        drawn = torch.randn(rank, inputs, generator=generator) / math.sqrt(inputs)
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight."""
        return weight + self.up @ self.down


def train_part(model: Sam2, part: str, *, rank: int = 8, seed: int = 0) -> None:
    """Choose what of a model is trained; everything else is frozen.

    ``part``: ``"all"``; ``"decoder+memory"``: all but what `Sam2.encode_image` runs, so that features can be kept;
    ``"adapters"``: all but the image encoder, and low-rank adapters on its linear layers, until `merge_adapters`;
    ``"centre-head"``: nothing but the centre head.
    """
    if part not in (*PARTS, CENTRE_HEAD):
        raise ValueError(f"part={part!r} is not one of {', '.join((*PARTS, CENTRE_HEAD))}.")
    if rank < 1:
        raise ValueError(f"rank={rank} of the adapters must be at least 1.")
    if part == CENTRE_HEAD:
        if model.centre_head is None:
            raise ValueError(f"part={part!r}: the model has no centre head; give a centre_weight above 0.")
        model.requires_grad_(False)
        model.centre_head.requires_grad_(True)
        return
    # The decoder's two convolutions belong to what is encoded once a frame.
    model.requires_grad_(True)
    if part != "all":
        model.image_encoder.requires_grad_(False)
    if part == "decoder+memory":
        model.sam_mask_decoder.conv_s0.requires_grad_(False)
        model.sam_mask_decoder.conv_s1.requires_grad_(False)
    if part == "adapters":
        generator = torch.Generator().manual_seed(seed)
        for layer in _linear_layers(model.image_encoder):
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, generator))


def merge_adapters(model: Sam2) -> None:
    """Add the adapters' products to the weights they belong to, which leaves an ordinary model; in place."""
    for layer in _linear_layers(model.image_encoder):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")


def _linear_layers(module: nn.Module) -> list[nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
