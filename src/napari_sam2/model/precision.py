"""Half precision where it is much faster and hardly matters: in the large products."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from .sam2 import Sam2


def _halve(layers: nn.Module) -> None:
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            layer.to(torch.bfloat16)


# By the name that `napari_sam2.load_model` takes as its dtype: what is done to float32 layers for their large products.
ARITHMETICS: dict[str, Callable[[nn.Module], None]] = {"float32": lambda _layers: None, "mixed": _halve}


def halve_products(model: Sam2, dtype: torch.dtype = torch.bfloat16) -> None:
    """Let a float32 model take its large products in half precision; in place.

    These are the products of the image encoder and of the memory attention. What they are added to, the norms, and all
    that turns features into masks, scores and memories stay in float32: rounding those is what moves masks.
    """
    for layer in _large_products(model):
        layer.to(dtype)


def _large_products(model: Sam2) -> Iterator[nn.Module]:
    parts = (model.image_encoder.trunk.blocks, model.memory_attention.layers)
    yield from (layer for part in parts for layer in part.modules() if isinstance(layer, nn.Linear))
    yield from (model.image_encoder.neck, model.sam_mask_decoder.conv_s0, model.sam_mask_decoder.conv_s1)


def precision_of(model: Sam2) -> str:
    """Name of the type that a model computes in, as `napari_sam2.load_model` takes it: ``"mixed"`` if there are two."""
    own = model.dtype
    mixed = any(parameter.dtype != own for layer in _large_products(model) for parameter in layer.parameters())
    return "mixed" if mixed else str(own).removeprefix("torch.")
