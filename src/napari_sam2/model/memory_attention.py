"""The current frame attends to what is remembered of earlier ones (spec section 3.4)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .layers import Attention, rotary_table, rotate
from .products import Linear, attend, feed_forward, runs_by_blocks

# Objects whose maps take more than this go through the layers one after the other on a CPU, each within its cache.
TOGETHER_BYTES = 8 * 2**20


class RotaryAttention(Attention):
    """Self-attention whose queries and keys are turned by their place in the grid."""

    def _turned(self, x_bnc: Tensor, grid: tuple[int, int], *, plain: int = 0) -> Tensor:
        x = self._split_heads(x_bnc)
        return rotate(x, rotary_table(x.shape[-1], *grid, str(x.device)), plain=plain)

    def attend_grid(self, x_bnc: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend among tokens, one per cell of a grid of so many rows and columns."""
        x = x_bnc.to(self.q_proj.weight.dtype)
        q, k = self._turned(self.q_proj(x), grid), self._turned(self.k_proj(x), grid)
        out: Tensor = self.out_proj(attend(q, k, self._split_heads(self.v_proj(x))).transpose(1, 2).flatten(2))
        return out


class MemoryCrossAttention(RotaryAttention):
    """Attention to memory maps, whose keys are turned by their place in the grid, and to tokens without a place."""

    def attend_memory(
        self, x_bnc: Tensor, memory_bnc: Tensor, code_bnc: Tensor, *, grid: tuple[int, int], num_plain_keys: int
    ) -> Tensor:
        """Attend to what is remembered.

        Parameters
        ----------
        x_bnc : Tensor
            One token per grid cell.
        memory_bnc : Tensor
            Whole grids one after the other, then ``num_plain_keys`` tokens without a place, which are not turned.
        code_bnc : Tensor
            Their position and time code; part of the keys, not of the values.
        grid : tuple of int
            Rows and columns.
        num_plain_keys : int
            Tokens at the end of the memory that have no place in the grid.
        """
        q = self._turned(self.q_proj(x_bnc), grid)
        k = self._turned(self.k_proj(memory_bnc + code_bnc), grid, plain=num_plain_keys)
        if self.num_heads == 1 and runs_by_blocks(q, k):
            # The weights of a query add up to one, so the values can be averaged before they are projected, while they
            # are a quarter as wide.
            mean = self.v_proj(attend(q, k, memory_bnc[:, None].to(k.dtype)).squeeze(1))
        else:
            mean = attend(q, k, self._split_heads(self.v_proj(memory_bnc))).transpose(1, 2).flatten(2)
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

    def look_back(
        self, x_bnc: Tensor, memory_bnc: Tensor, code_bnc: Tensor, *, grid: tuple[int, int], num_pointer_tokens: int
    ) -> Tensor:
        """Attend to the memory; ``x_bnc`` with a batch of one is shared by all memories."""
        x = x_bnc + self.cross_attn_image.attend_memory(
            self.norm2(x_bnc), memory_bnc, code_bnc, grid=grid, num_plain_keys=num_pointer_tokens
        )
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

    def forward(
        self,
        features_bchw: Tensor,
        feature_code_bchw: Tensor,
        *,
        memory_bnc: Tensor,
        memory_code_bnc: Tensor,
        num_pointer_tokens: int,
    ) -> Tensor:
        """Condition the current features on memory.

        Parameters
        ----------
        features_bchw : Tensor
            (1 or batch, channels, h, w) features of the current frame.
        feature_code_bchw : Tensor
            Their sine position code.
        memory_bnc, memory_code_bnc : Tensor
            (batch, r * h * w + num_pointer_tokens, memory_dim): memory maps, then pointer tokens, and their codes,
            which may have a batch of one.
        num_pointer_tokens : int
            Pointer tokens at the end of the memory.

        Returns
        -------
        Tensor
            (batch, channels, h, w).
        """
        grid = (features_bchw.shape[-2], features_bchw.shape[-1])
        x_bchw = features_bchw + 0.1 * feature_code_bchw.to(features_bchw.dtype)
        # All objects look at the same frame: what they see of it before they remember differs in nothing.
        x = self._layers[0].look_around(x_bchw.flatten(2).transpose(1, 2), grid)
        batch, frames = len(memory_bnc), len(x)
        together = _objects_together(x, batch)
        conditioned = torch.cat(
            [
                self._remember(
                    x if frames == 1 else x[first : first + together],
                    memory_bnc[first : first + together],
                    memory_code_bnc if len(memory_code_bnc) == 1 else memory_code_bnc[first : first + together],
                    grid=grid,
                    num_pointer_tokens=num_pointer_tokens,
                )
                for first in range(0, batch, together)
            ]
        ).transpose(1, 2)
        return conditioned.reshape(*conditioned.shape[:2], *grid)

    def _remember(
        self, x_bnc: Tensor, memory_bnc: Tensor, code_bnc: Tensor, *, grid: tuple[int, int], num_pointer_tokens: int
    ) -> Tensor:
        for index, layer in enumerate(self._layers):
            x_bnc = layer.look_around(x_bnc, grid) if index else x_bnc
            x_bnc = layer.look_back(x_bnc, memory_bnc, code_bnc, grid=grid, num_pointer_tokens=num_pointer_tokens)
        out: Tensor = self.norm(x_bnc)
        return out


def _objects_together(x_bnc: Tensor, batch: int) -> int:
    if x_bnc.device.type != "cpu":
        return batch
    return max(TOGETHER_BYTES // (x_bnc[0].numel() * x_bnc.element_size()), 1)
