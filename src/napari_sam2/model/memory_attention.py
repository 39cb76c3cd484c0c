"""The current frame attends to what is remembered of earlier ones (spec section 3.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from .cpu_kernels import Linear, attend, feed_forward, runs_by_blocks
from .layers import Attention, rotary_table, rotate

# Objects whose maps take more than this go through the layers one after the other on a CPU, each within its cache.
TOGETHER_BYTES = 8 * 2**20


@dataclass(frozen=True)
class MemoryTokens:
    """What a frame attends to."""

    # (batch, r * rows * columns + pointers, memory_dim): whole maps one after the other, then pointer tokens.
    values_bnc: Tensor
    # Their position and time code, part of the keys and not of the values; may have a batch of one.
    codes_bnc: Tensor
    # Tokens at the end that have no place in the grid.
    pointers: int = 0
    # Side of the block of the frame's tokens that a token of the maps stands for.
    cell: int = 1

    def key_bias(self) -> Tensor | None:
        """What is added to the tokens' scores, so that each weighs as much as the cells that it stands for."""
        if self.cell == 1:
            return None
        count = self.values_bnc.shape[1]
        bias = torch.full((count,), math.log(self.cell**2), device=self.values_bnc.device)
        bias[count - self.pointers :] = 0
        return bias

    def of(self, objects: slice) -> MemoryTokens:
        """Those of some objects."""
        codes = self.codes_bnc if len(self.codes_bnc) == 1 else self.codes_bnc[objects]
        return replace(self, values_bnc=self.values_bnc[objects], codes_bnc=codes)


class RotaryAttention(Attention):
    """Self-attention whose queries and keys are turned by their place in the grid."""

    def _turned(self, x_bnc: Tensor, grid: tuple[int, int], *, plain: int = 0, cell: int = 1) -> Tensor:
        # Keys of pooled memories are turned by the middle of the cells that they stand for.
        x = self._split_heads(x_bnc)
        rows, columns = (side // cell for side in grid)
        return rotate(x, rotary_table(x.shape[-1], rows, columns, str(x.device), cell), plain=plain)

    def attend_grid(self, x_bnc: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend among tokens, one per cell of a grid of so many rows and columns."""
        x = x_bnc.to(self.q_proj.weight.dtype)
        q, k = self._turned(self.q_proj(x), grid), self._turned(self.k_proj(x), grid)
        out: Tensor = self.out_proj(attend(q, k, self._split_heads(self.v_proj(x))).transpose(1, 2).flatten(2))
        return out


class MemoryCrossAttention(RotaryAttention):
    """Attention to memory maps, whose keys are turned by their place in the grid, and to tokens without a place."""

    def attend_memory(self, x_bnc: Tensor, memory: MemoryTokens, grid: tuple[int, int]) -> Tensor:
        """Attend to what is remembered; ``x_bnc`` has a token for each cell of a grid of so many rows and columns."""
        # Position and time go into the keys alone, so that values stay what was seen.
        q = self._turned(self.q_proj(x_bnc), grid)
        keys = self.k_proj(memory.values_bnc + memory.codes_bnc)
        k = self._turned(keys, grid, plain=memory.pointers, cell=memory.cell)
        bias = memory.key_bias()
        if self.num_heads == 1 and runs_by_blocks(q, k):
            # The weights of a query add up to one, so the values can be averaged before they are projected, while they
            # are a quarter as wide.
            mean = self.v_proj(attend(q, k, memory.values_bnc[:, None].to(k.dtype), bias).squeeze(1))
        else:
            mean = attend(q, k, self._split_heads(self.v_proj(memory.values_bnc)), bias).transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(mean)
        return out


class MemoryAttentionLayer(nn.Module):
    """Self-attention, cross-attention to the memory, feed-forward; pre-norm."""

    def __init__(self, channels: int, memory_dim: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(channels, 1)
        self.cross_attn_image = MemoryCrossAttention(channels, 1, key_channels=memory_dim)
        self.linear1 = Linear(channels, hidden)
        self.linear2 = Linear(hidden, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def look_around(self, x_bnc: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend within the frame."""
        return x_bnc + self.self_attn.attend_grid(self.norm1(x_bnc), grid)

    def look_back(self, x_bnc: Tensor, memory: MemoryTokens, grid: tuple[int, int]) -> Tensor:
        """Attend to the memory; ``x_bnc`` with a batch of one is shared by all memories."""
        x = x_bnc + self.cross_attn_image.attend_memory(self.norm2(x_bnc), memory, grid)
        return x + feed_forward(self.norm3(x), self.linear1, self.linear2, "relu")


class MemoryAttention(nn.Module):
    """A stack of `MemoryAttentionLayer`."""

    def __init__(self, channels: int, memory_dim: int, *, depth: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(channels, memory_dim, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(channels)

    @property
    def _layers(self) -> list[MemoryAttentionLayer]:
        return [cast("MemoryAttentionLayer", layer) for layer in self.layers]

    def forward(self, features_bchw: Tensor, feature_code_bchw: Tensor, memory: MemoryTokens) -> Tensor:
        """Condition the current features on memory.

        ``features_bchw``: (1 or batch, channels, h, w) features of the current frame.
        Result: (batch, channels, h, w).
        """
        grid = (features_bchw.shape[-2], features_bchw.shape[-1])
        # The code is added weakly: it tells tokens apart without drowning what they show.
        x_bchw = features_bchw + 0.1 * feature_code_bchw.to(features_bchw.dtype)
        # All objects look at the same frame: what they see of it before they remember differs in nothing.
        x = self._layers[0].look_around(x_bchw.flatten(2).transpose(1, 2), grid)
        # Each group of objects goes through all layers while its maps are in the cache.
        batch = len(memory.values_bnc)
        together = _objects_together(x, batch)
        groups = [slice(first, first + together) for first in range(0, batch, together)]
        conditioned = [self._remember(x if len(x) == 1 else x[group], memory.of(group), grid) for group in groups]
        # Tokens become a map again, as the decoder takes it.
        out = torch.cat(conditioned).transpose(1, 2)
        return out.reshape(*out.shape[:2], *grid)

    def _remember(self, x_bnc: Tensor, memory: MemoryTokens, grid: tuple[int, int]) -> Tensor:
        for index, layer in enumerate(self._layers):
            x_bnc = layer.look_around(x_bnc, grid) if index else x_bnc
            x_bnc = layer.look_back(x_bnc, memory, grid)
        out: Tensor = self.norm(x_bnc)
        return out


def _objects_together(x_bnc: Tensor, batch: int) -> int:
    if x_bnc.device.type != "cpu":
        return batch
    return max(TOGETHER_BYTES // (x_bnc[0].numel() * x_bnc.element_size()), 1)
