"""A mask and the frame it lies on become a memory map (spec section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cpu_kernels import Linear, PointwiseConv, feed_forward
from .layers import LayerNorm2d


class MaskDownsampler(nn.Module):
    """Four stride-2 convolutions from one mask channel to the features' stride and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        width = 1
        for _ in range(4):
            steps += [nn.Conv2d(width, 4 * width, kernel_size=3, stride=2, padding=1)]
            width *= 4
            steps += [LayerNorm2d(width), nn.GELU()]
        self.encoder = nn.Sequential(*steps, PointwiseConv(width, channels))

    def forward(self, mask_b1hw: Tensor) -> Tensor:
        """Map (batch, 1, H, W) to (batch, channels, H / 16, W / 16)."""
        out: Tensor = self.encoder(mask_b1hw)
        return out


class ConvNextBlock(nn.Module):
    """Depth-wise convolution and a per-pixel MLP, scaled and added to the input (Liu et al. 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
        self.norm = LayerNorm2d(channels)
        self.pwconv1 = Linear(channels, 4 * channels)
        self.pwconv2 = Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return a map of the same shape."""
        # Channels last for the MLP, which is a plain product there.
        x_bhwc = self.norm(self.dwconv(x_bchw)).permute(0, 2, 3, 1)
        x_bhwc = self.gamma * feed_forward(x_bhwc, self.pwconv1, self.pwconv2, "gelu")
        out: Tensor = x_bchw + x_bhwc.permute(0, 3, 1, 2)
        return out


class Fuser(nn.Module):
    """A few `ConvNextBlock` in a row."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNextBlock(channels) for _ in range(depth))

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return a map of the same shape."""
        for layer in self.layers:
            x_bchw = layer(x_bchw)
        return x_bchw


class MemoryEncoder(nn.Module):
    """Fuse the unconditioned stride-16 features with a mask at input size."""

    def __init__(self, channels: int, memory_dim: int, fuser_layers: int) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(channels)
        self.pix_feat_proj = PointwiseConv(channels, channels)
        self.fuser = Fuser(channels, fuser_layers)
        self.out_proj = PointwiseConv(channels, memory_dim)

    def forward(self, features_bchw: Tensor, mask_b1hw: Tensor) -> Tensor:
        """Encode masks scaled to [-10, 10]; features with a batch of one are shared by all masks."""
        # One sum joins what is seen and where the object is; the fuser lets neighbours talk.
        x = self.pix_feat_proj(features_bchw) + self.mask_downsampler(mask_b1hw)
        out: Tensor = self.out_proj(self.fuser(x))
        return out
