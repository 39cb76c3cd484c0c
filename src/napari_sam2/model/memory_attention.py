"""The current frame attends to what is remembered of earlier ones (spec section 3.4)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, cat, nn

from .layers import Attention, attend, rotary_table, rotate


class RotaryAttention(Attention):
    """Attention whose queries and spatial keys are turned by their place in the grid."""

    def attend_rotated(
        self, q_bnc: Tensor, k_bnc: Tensor, v_bnc: Tensor, *, grid: tuple[int, int], num_plain_keys: int
    ) -> Tensor:
        """Attend over a feature grid.

        Parameters
        ----------
        q_bnc : Tensor
            One token per grid cell.
        k_bnc, v_bnc : Tensor
            Whole grids one after the other, then ``num_plain_keys`` tokens without a place, which are not turned.
        grid : tuple of int
            Rows and columns.
        num_plain_keys : int
            Tokens at the end of the keys that have no place in the grid.
        """
        q = self._split_heads(self.q_proj(q_bnc))
        k = self._split_heads(self.k_proj(k_bnc))
        v = self._split_heads(self.v_proj(v_bnc))
        table = rotary_table(q.shape[-1], *grid, str(q.device))
        spatial = k.shape[2] - num_plain_keys
        placed = rotate(k[:, :, :spatial], table) if spatial else k[:, :, :0]
        k = cat((placed, k[:, :, spatial:]), dim=2) if num_plain_keys else placed
        out: Tensor = self.out_proj(attend(rotate(q, table), k, v).transpose(1, 2).flatten(2))
        return out


class MemoryAttentionLayer(nn.Module):
    """Self-attention, cross-attention to the memory, feed-forward; pre-norm."""

    def __init__(self, channels: int, memory_dim: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(channels, 1)
        self.cross_attn_image = RotaryAttention(channels, 1, key_channels=memory_dim)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(
        self,
        x_bnc: Tensor,
        keys_bnc: Tensor,
        values_bnc: Tensor,
        *,
        grid: tuple[int, int],
        num_pointer_tokens: int,
    ) -> Tensor:
        """Return conditioned tokens; ``x_bnc`` with a batch of one is shared by all memories until they differ."""
        n = self.norm1(x_bnc)
        x = x_bnc + self.self_attn.attend_rotated(n, n, n, grid=grid, num_plain_keys=0)
        x = x + self.cross_attn_image.attend_rotated(
            self.norm2(x), keys_bnc, values_bnc, grid=grid, num_plain_keys=num_pointer_tokens
        )
        out: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x))))
        return out


class MemoryAttention(nn.Module):
    """A stack of `MemoryAttentionLayer`."""

    def __init__(self, channels: int, memory_dim: int, *, depth: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(channels, memory_dim, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(channels)

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
            (batch, r * h * w + num_pointer_tokens, memory_dim): memory maps, then pointer tokens, and their codes.
        num_pointer_tokens : int
            Pointer tokens at the end of the memory.

        Returns
        -------
        Tensor
            (batch, channels, h, w).
        """
        grid = (features_bchw.shape[-2], features_bchw.shape[-1])
        x_bchw = features_bchw + 0.1 * feature_code_bchw.to(features_bchw.dtype)
        x = x_bchw.flatten(2).transpose(1, 2)
        keys = memory_bnc + memory_code_bnc
        for layer in self.layers:
            x = layer(x, keys, memory_bnc, grid=grid, num_pointer_tokens=num_pointer_tokens)
        conditioned: Tensor = self.norm(x).transpose(1, 2)
        return conditioned.reshape(*conditioned.shape[:2], *grid)
