"""Hiera plus feature pyramid: a frame becomes features at strides 4, 8 and 16 (spec sections 2.3, 3.2)."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from .config import HieraConfig
from .cpu_kernels import PointwiseConv, in_succession
from .hiera import Hiera

Narrowing = tuple[PointwiseConv, PointwiseConv]


class FeaturePyramid(nn.Module):
    """Project the trunk's maps to one width; add the stride-32 map into the stride-16 one."""

    def __init__(self, d_model: int, stage_channels: tuple[int, ...]) -> None:
        super().__init__()
        # Coarse to fine, each wrapped under the name the checkpoints use.
        self.convs = nn.ModuleList(
            nn.Sequential(OrderedDict(conv=PointwiseConv(channels, d_model))) for channels in reversed(stage_channels)
        )

    def _conv(self, index: int) -> PointwiseConv:
        return cast("PointwiseConv", self.convs[index].get_submodule("conv"))

    def forward(self, maps: list[Tensor], narrow: Narrowing | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Map the trunk's four maps (fine to coarse) to BCHW features at strides 4, 8 and 16; see `ImageEncoder`."""
        s4, s8, s16, s32 = maps
        # Only the two coarsest levels take part in the top-down path, and the sum is taken in float32.
        coarse = F.interpolate(self.convs[0](s32).float(), scale_factor=2.0, mode="nearest")
        lateral = self.convs[1](s16)
        merged = (lateral + coarse).to(lateral.dtype)
        # The finer maps serve the mask decoder only: what it projects them to is projected here at once.
        fine = [(s4, self._conv(3)), (s8, self._conv(2))]
        if narrow is None:
            s4, s8 = (conv(x) for x, conv in fine)
        else:
            s4, s8 = (in_succession(x, conv, last) for (x, conv), last in zip(fine, narrow, strict=True))
        return s4, s8, merged


class ImageEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, config: HieraConfig, d_model: int) -> None:
        super().__init__()
        self.trunk = Hiera(config)
        self.neck = FeaturePyramid(d_model, config.stage_channels)

    def forward(self, image_bchw: Tensor, narrow: Narrowing | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Encode images.

        ``image_bchw``: (batch, 3, H, W), normalised; H and W are multiples of 32.
        Result: (batch, d_model, H / s, W / s) for s = 4, 8, 16; the first two with as many channels as ``narrow``
        leaves.
        """
        features: tuple[Tensor, Tensor, Tensor] = self.neck(self.trunk(image_bchw), narrow)
        return features
