"""Stochastic depth for the image encoder's trunk (Huang et al. 2016; spec 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from napari_sam2.model.hiera import HieraBlock
from napari_sam2.model.sam2 import Sam2


@contextmanager
def drop_path(model: Sam2, rate: float, generator: torch.Generator) -> Iterator[None]:
    """Pass branches of the trunk's blocks over at random, image by image, as long as the context lasts.

    Each block has two branches, attention and feed-forward. What is kept is scaled up, so that the mean stays.

    ``rate``: chance for the branches of the last block, in [0, 1); it rises to this from 0 in the first.
    """
    blocks = list(model.image_encoder.trunk.blocks) if rate > 0 else []
    with ExitStack() as stack:
        for index, block in enumerate(blocks):
            assert isinstance(block, HieraBlock)
            for handle in _register(block, rate * index / max(len(blocks) - 1, 1), generator):
                stack.callback(handle.remove)
        yield


def _register(block: HieraBlock, rate: float, generator: torch.Generator) -> list[torch.utils.hooks.RemovableHandle]:
    images = 0

    def count(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal images
        images = len(arguments[0])

    def drop(_module: nn.Module, _arguments: tuple[Tensor, ...], branch: Tensor) -> Tensor:
        # Windows of one image share its fate.
        kept = (torch.rand(images, generator=generator) >= rate).to(branch) / (1 - rate)
        kept = kept.repeat_interleave(len(branch) // images)
        return branch * kept.reshape(-1, *[1] * (branch.ndim - 1))

    return [
        block.register_forward_pre_hook(count),
        block.attn.register_forward_hook(drop),
        block.mlp.register_forward_hook(drop),
    ]
