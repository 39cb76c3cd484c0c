"""Building blocks shared by the modules: MLP, channel norm, attention, position codes (spec sections 3.3, 3.13)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cpu_kernels import Activation, Linear, attend, feed_forward, linear, runs_directly


def embedding(count: int, channels: int) -> nn.Embedding:
    """An embedding with the weights that `nn.Embedding` draws.

    Without memory to draw into, that one loads PyTorch's compiler, which takes a second.
    """
    return nn.Embedding(count, channels, _weight=torch.randn(count, channels))


class MLP(nn.Module):
    """Linear layers with an activation between them and none at the end."""

    def __init__(self, *widths: int, activation: Activation = "relu") -> None:
        super().__init__()
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., first width) to (..., last width)."""
        *hidden, before_last, last = (cast("Linear", layer) for layer in self.layers)
        for layer in hidden:
            x = linear(x, layer.weight, layer.bias, self.activation)
        return feed_forward(x, before_last, last, self.activation)


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of a BCHW map."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Normalise each pixel's channels; shape and dtype are kept."""
        # The fused kernel wants channels last; in half precision it accumulates in float32, which a hand-written
        # mean and variance would not.
        x_bhwc = F.layer_norm(x_bchw.movedim(1, -1), self.weight.shape, self.weight, self.bias, self.eps)
        return x_bhwc.movedim(-1, 1)


class Attention(nn.Module):
    """Multi-head attention with separate projections and an optionally narrower inside.

    ``num_heads``: heads, which divide ``inner_channels``.
    ``inner_channels``: channels inside; ``channels`` where not given.
    ``key_channels``: channels of keys and values; ``channels`` where not given.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        *,
        inner_channels: int | None = None,
        key_channels: int | None = None,
    ) -> None:
        super().__init__()
        inner = inner_channels or channels
        self.num_heads = num_heads
        self.q_proj = Linear(channels, inner)
        self.k_proj = Linear(key_channels or channels, inner)
        self.v_proj = Linear(key_channels or channels, inner)
        self.out_proj = Linear(inner, channels)

    def _split_heads(self, x_bnc: Tensor) -> Tensor:
        batch, tokens = x_bnc.shape[:2]
        return x_bnc.reshape(batch, tokens, self.num_heads, -1).transpose(1, 2)

    def forward(self, q_bnc: Tensor, k_bnc: Tensor, v_bnc: Tensor) -> Tensor:
        """Attend; keys and values share their tokens, the output has the queries' tokens.

        A batch of one broadcasts against a larger one on the other side.
        """
        q = self._split_heads(self.q_proj(q_bnc))
        k = self._split_heads(self.k_proj(k_bnc))
        v = self._split_heads(self.v_proj(v_bnc))
        out: Tensor = self.out_proj(attend(q, k, v).transpose(1, 2).flatten(2))
        return out


def _constant(build: Callable[[], Tensor], device: str) -> Tensor:
    # Constants made under inference mode could never take part in training later, whichever call came first.
    with torch.inference_mode(False), torch.no_grad():
        return build().to(device)


@lru_cache(maxsize=64)
def sine_position_map(channels: int, height: int, width: int, device: str) -> Tensor:
    """Two-dimensional sine code, rows before columns (spec 3.3).

    Result: (1, channels, height, width) float32 on ``device``.
    """

    def code(length: int) -> Tensor:
        half = channels // 2
        position = torch.arange(1, length + 1, dtype=torch.float32) / (length + 1e-6) * (2 * math.pi)
        k = torch.arange(half, dtype=torch.float32)
        angle = position[:, None] / 10000 ** (2 * torch.div(k, 2, rounding_mode="floor") / half)
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    def build() -> Tensor:
        rows = code(height)[:, None].expand(-1, width, -1)
        columns = code(width)[None].expand(height, -1, -1)
        return torch.cat((rows, columns), dim=2).permute(2, 0, 1)[None].contiguous()

    return _constant(build, device)


def sine_time_code(positions_n: Tensor, channels: int) -> Tensor:
    """One-dimensional sine code of relative time: all sines, then all cosines (spec 3.3).

    ``positions_n``: (n,) relative times.
    Result: (n, channels) in the dtype of ``positions_n``.
    """
    half = channels // 2
    k = torch.arange(half, dtype=positions_n.dtype, device=positions_n.device)
    angle = positions_n[:, None] / 10000 ** (2 * torch.div(k, 2, rounding_mode="floor") / half)
    return torch.cat((angle.sin(), angle.cos()), dim=1)


@lru_cache(maxsize=64)
def rotary_table(channels: int, height: int, width: int, device: str, cell: int = 1) -> Tensor:
    """Angles of the axial rotary code: half of the channel pairs turn with x, half with y (spec 3.3).

    Result: (height * width, channels / 2, 2) float32: cosine and sine per token and channel pair.
    """

    def build() -> Tensor:
        frequencies = 1.0 / 10000 ** (torch.arange(0, channels, 4, dtype=torch.float32) / channels)
        token = torch.arange(height * width, dtype=torch.float32)
        x, y = (cell * n + (cell - 1) / 2 for n in (token % width, torch.div(token, width, rounding_mode="floor")))
        angles = torch.cat((torch.outer(x, frequencies), torch.outer(y, frequencies)), dim=1)
        return torch.stack((angles.cos(), angles.sin()), dim=-1)

    return _constant(build, device)


def rotate(x_bhnc: Tensor, table: Tensor, *, plain: int = 0) -> Tensor:
    """Turn neighbouring channel pairs by the table's angles, repeating the table along the tokens.

    ``x_bhnc``: (batch, heads, r * tokens + plain, channels) where the table covers ``tokens``.
    Result: like ``x_bhnc``; the products are taken in float32 whatever its dtype.
    """
    tokens, last = len(table), x_bhnc.shape[2] - plain
    if runs_directly(x_bhnc):
        turned = torch.empty_like(x_bhnc)
        # One repetition at a time: it stays in the cache from one step to the next.
        for first in range(0, last, tokens):
            part = slice(first, first + tokens)
            turned[:, :, part] = _turn_complex(x_bhnc[:, :, part], table)
        turned[:, :, last:] = x_bhnc[:, :, last:]
        return turned
    shape = (*x_bhnc.shape[:2], -1, *table.shape)
    (even, odd), (cos, sin) = x_bhnc[:, :, :last].float().reshape(shape).unbind(-1), table.unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    turned = turned.flatten(-2).flatten(2, 3).to(x_bhnc.dtype)
    return torch.cat((turned, x_bhnc[:, :, last:]), dim=2) if plain else turned


def _turn_complex(x_bhnc: Tensor, table: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x_bhnc.float().reshape(*x_bhnc.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.view_as_complex(table)).flatten(-2)


def middle_of(map_bchw: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map, so many cells high and wide."""
    top, left = (map_bchw.shape[-2] - height) // 2, (map_bchw.shape[-1] - width) // 2
    return map_bchw[..., top : top + height, left : left + width]
