"""Points, boxes and masks become tokens and a dense map (spec section 3.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .cpu_kernels import PointwiseConv
from .layers import LayerNorm2d, embedding

PAD_LABEL = -1
NEGATIVE, POSITIVE, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = 0, 1, 2, 3


class FourierPositions(nn.Module):
    """Random Fourier features of coordinates; the matrix is part of the checkpoint."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, channels // 2))

    def forward(self, xy01: Tensor) -> Tensor:
        """Encode (..., 2) coordinates in [0, 1] as (..., channels) float32."""
        # In float32 always: the frequencies are high enough for half precision to move a point by pixels.
        angles = (2 * xy01.float() - 1) @ self.positional_encoding_gaussian_matrix.float() * (2 * math.pi)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """Code of the pixel centres of a grid: (1, channels, height, width) float32."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
        xy = torch.stack((x[None].expand(height, -1), y[:, None].expand(-1, width)), dim=-1)
        code: Tensor = self(xy).permute(2, 0, 1)[None]
        return code


class PromptEncoder(nn.Module):
    """Encode prompts for the mask decoder."""

    def __init__(self, channels: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.pe_layer = FourierPositions(channels)
        self.point_embeddings = nn.ModuleList(embedding(1, channels) for _ in range(4))
        self.not_a_point_embed = embedding(1, channels)
        self.no_mask_embed = embedding(1, channels)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2),
            LayerNorm2d(16),
            nn.GELU(),
            PointwiseConv(16, channels),
        )

    def encode_points(self, points_bpxy: Tensor, labels_bp: Tensor) -> Tensor:
        """Encode points as tokens, with the padding point the model expects after them.

        ``points_bpxy``: (batch, points, 2) as (x, y) in input pixels. Without points, one padding point stands in for
        them.
        ``labels_bp``: (batch, points): 0 negative, 1 positive, 2 and 3 a box's top left and bottom right, -1 no point.
        Result: (batch, points + 1, channels) in the weights' dtype.
        """
        # Points mean pixel centres; without a box the model expects a padding point at the end.
        batch = points_bpxy.shape[0]
        pads = 2 if points_bpxy.shape[1] == 0 else 1
        points = torch.cat((points_bpxy.float() + 0.5, points_bpxy.new_zeros(batch, pads, 2)), dim=1)
        labels = torch.cat((labels_bp, labels_bp.new_full((batch, pads), PAD_LABEL)), dim=1)

        # Row 0 of the table stands for "no point" and replaces the position code; the others add to it.
        table = torch.cat((self.not_a_point_embed.weight, *self.point_embeddings.parameters()))
        positions = self.pe_layer(points / self.image_size) * (labels != PAD_LABEL)[..., None]
        tokens: Tensor = (positions + table.float()[labels.long() + 1]).to(table.dtype)
        return tokens

    def encode_mask(self, mask_logits_b1hw: Tensor) -> Tensor:
        """Encode mask logits at a quarter of the input size as a (batch, channels, h / 4, w / 4) map."""
        out: Tensor = self.mask_downscaling(mask_logits_b1hw.to(self.no_mask_embed.weight.dtype))
        return out

    def no_mask(self) -> Tensor:
        """Dense code of "no mask given": (1, channels, 1, 1), to be broadcast."""
        return self.no_mask_embed.weight[..., None, None]
