"""Hiera, the hierarchical vision transformer that encodes a frame (spec section 3.1; Ryali et al. 2023)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn, zeros

from .config import HieraConfig
from .cpu_kernels import Linear, attend, runs_directly
from .layers import MLP

# The first blocks look no further than a window. On a CPU they take the map by strips of so many bytes, which stay in
# its cache through all of them, while the whole map with what is made of it would not.
STRIP_BYTES = 3 * 2**20
LARGEST_SPAN = 16


def partition_windows(x_bhwc: Tensor, side: int) -> Tensor:
    """Cut a map into square windows, zero-padding bottom and right.

    Result: (batch * windows, side, side, channels).
    """
    height, width = x_bhwc.shape[1:3]
    x = F.pad(x_bhwc, (0, 0, 0, -width % side, 0, -height % side))
    # Rows and columns of windows come before those inside a window, so that a batch item is a window.
    batch, rows, columns, channels = x.shape
    x = x.reshape(batch, rows // side, side, columns // side, side, channels)
    return x.transpose(2, 3).reshape(-1, side, side, channels)


def merge_windows(windows_bhwc: Tensor, height: int, width: int) -> Tensor:
    """Undo `partition_windows` for a map of the given height and width, dropping the padding."""
    side, channels = windows_bhwc.shape[2:]
    rows, columns = -(-height // side), -(-width // side)
    x = windows_bhwc.reshape(-1, rows, columns, side, side, channels).transpose(2, 3)
    return x.reshape(-1, rows * side, columns * side, channels)[:, :height, :width]


def pool_2x2(x_bhwc: Tensor) -> Tensor:
    """Max-pool a map by two in both directions."""
    # By hand, as the pooling kernels want the channels first, or miscompute a permuted view.
    batch, height, width, channels = x_bhwc.shape
    pairs = x_bhwc.reshape(batch, height // 2, 2, width // 2, 2, channels)
    upper, lower = pairs.unbind(2)
    left, right = torch.maximum(upper, lower).unbind(3)
    return torch.maximum(left, right)


class WindowAttention(nn.Module):
    """Self-attention among the tokens of each window."""

    def __init__(self, channels_in: int, channels_out: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(channels_in, 3 * channels_out)
        self.proj = Linear(channels_out, channels_out)

    def pool_queries(self, q_bhwc: Tensor) -> Tensor:
        """Leave the queries as they are; `PooledWindowAttention` shrinks them."""
        return q_bhwc

    def forward(self, windows_bhwc: Tensor) -> Tensor:
        """Attend within (windows, rows, columns, channels); the output has the pooled queries' shape."""
        # Queries may be pooled before the heads are split: the output then has fewer tokens than the keys.
        q, k, v = self.qkv(windows_bhwc).chunk(3, dim=-1)
        q = self.pool_queries(q)
        shape = q.shape
        q, k, v = (x.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
        out = attend(q, k, v).transpose(1, 2).reshape(shape)
        result: Tensor = self.proj(out)
        return result


class PooledWindowAttention(WindowAttention):
    """Window attention whose queries are max-pooled by two, so that the map shrinks."""

    def pool_queries(self, q_bhwc: Tensor) -> Tensor:
        """Halve the queries' rows and columns."""
        return pool_2x2(q_bhwc)


class HieraBlock(nn.Module):
    """Pre-norm transformer block on a BHWC map."""

    def __init__(self, channels: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = WindowAttention(channels, channels, num_heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MLP(channels, 4 * channels, channels, activation="gelu")

    def _attend(self, normed_bhwc: Tensor, height: int, width: int) -> Tensor:
        # Padding comes after the norm: padded tokens are exact zeros that take part in the softmax, as in training.
        if self.window == 0:
            out: Tensor = self.attn(normed_bhwc)
            return out
        return merge_windows(self.attn(partition_windows(normed_bhwc, self.window)), height, width)

    def forward(self, x_bhwc: Tensor) -> Tensor:
        """Return a map of the same shape."""
        height, width = x_bhwc.shape[1:3]
        x = x_bhwc + self._attend(self.norm1(x_bhwc), height, width)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class StageEntryBlock(HieraBlock):
    """First block of a stage: doubles the channels and halves the map.

    The shortcut is projected from the normed input, and the windows are those of the stage before.
    """

    def __init__(self, channels_in: int, channels: int, num_heads: int, window: int) -> None:
        super().__init__(channels, num_heads, window)
        self.norm1 = nn.LayerNorm(channels_in, eps=1e-6)
        self.attn = PooledWindowAttention(channels_in, channels, num_heads)
        self.proj = Linear(channels_in, channels)

    def forward(self, x_bhwc: Tensor) -> Tensor:
        """Map (batch, h, w, channels_in) to (batch, h / 2, w / 2, channels)."""
        normed = self.norm1(x_bhwc)
        shortcut = pool_2x2(self.proj(normed))
        height, width = shortcut.shape[1:3]
        # In the type of the input: the sum goes on through all blocks, and must not be rounded with the products.
        x = shortcut.to(x_bhwc.dtype) + self._attend(normed, height, width)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbed(nn.Module):
    """Overlapping 7 x 7 patches, one token for every 4 x 4 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, kernel_size=7, stride=4, padding=3)

    def forward(self, image_bchw: Tensor) -> Tensor:
        """Map (batch, 3, H, W) to (batch, H / 4, W / 4, channels)."""
        # With the channels last the convolution is faster, and its output lies as all that follows wants it. A copy:
        # a batch of one may lie so already, with strides that PyTorch does not take for it.
        out: Tensor = self.proj(image_bchw.clone(memory_format=torch.channels_last)).permute(0, 2, 3, 1)
        return out


class Hiera(nn.Module):
    """The trunk: four stages at strides 4, 8, 16 and 32."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        channels = config.embed_dim
        self.patch_embed = PatchEmbed(channels)
        self.pos_embed = nn.Parameter(zeros(1, channels, *config.background_size))
        self.pos_embed_window = nn.Parameter(zeros(1, channels, config.window_sizes[0], config.window_sizes[0]))
        blocks = _build_blocks(config)
        self.blocks = nn.ModuleList(blocks)
        self.stage_ends = _stage_ends(config)
        self.leading = _leading_blocks(config, [block.window for block in blocks])

    def position_map(self, height: int, width: int, rows: slice = slice(None)) -> Tensor:
        """Learned position code of rows of a (height, width) token grid, BHWC: a coarse map plus a tiled window."""
        # Interpolated in float32: half precision would quantise the coordinates' weights.
        coarse = self.pos_embed[0].float().movedim(0, -1)
        down, across = (_bicubic_weights(coarse[:, :, 0], size, axis) for axis, size in enumerate((height, width)))
        # The coarse map says where in the frame a token is, the window where in its window.
        background = across @ torch.tensordot(down[rows], coarse, dims=1)
        window = self.pos_embed_window[0].permute(1, 2, 0)
        side = len(window)
        lines = window.tile(1, -(-width // side), 1)[:, :width]
        places = torch.arange(height, device=window.device)[rows] % side
        code: Tensor = background + lines[places]
        return code.to(self.pos_embed.dtype)[None]

    def forward(self, image_bchw: Tensor) -> list[Tensor]:
        """Encode (batch, 3, H, W) into four BCHW maps, fine to coarse."""
        x = self.patch_embed(image_bchw)
        height, width = x.shape[1:3]
        # The first blocks work strip by strip, each with its part of the position code.
        count, span = self.leading
        rows = _strip_rows(x, span)
        strips = [
            self._run(
                x[:, first : first + rows] + self.position_map(height, width, slice(first, first + rows)), 0, count
            )
            for first in range(0, height, rows)
        ]
        # Each strip gave its part of the maps at the stage ends that it passed, and of the map that goes on.
        *maps, x = (parts[0] if len(strips) == 1 else torch.cat(parts, dim=1) for parts in zip(*strips, strict=True))
        maps += self._run(x, count, len(self.blocks))[:-1]
        return [m.permute(0, 3, 1, 2) for m in maps]

    def _run(self, x_bhwc: Tensor, first: int, last: int) -> list[Tensor]:
        """Go through some blocks: the maps at the stage ends among them, then the last map."""
        maps = []
        for index in range(first, last):
            x_bhwc = self.blocks[index](x_bhwc)
            if index in self.stage_ends:
                maps.append(x_bhwc)
        return [*maps, x_bhwc]


def _bicubic_weights(coarse_hw: Tensor, size: int, axis: int) -> Tensor:
    """What each of ``size`` places along an axis takes from the cells of a coarse map: (size, cells)."""
    cells = coarse_hw.shape[axis]
    basis = torch.eye(cells, device=coarse_hw.device)[None, :, :, None]
    return F.interpolate(basis, (size, 1), mode="bicubic")[0, :, :, 0].T


def _stage_ends(config: HieraConfig) -> tuple[int, ...]:
    return tuple(sum(config.stages[: stage + 1]) - 1 for stage in range(len(config.stages)))


def _leading_blocks(config: HieraConfig, windows: list[int]) -> tuple[int, int]:
    """How many blocks see no further than a few rows of tokens of the first stage, and how many rows those are."""
    count, span, side = 0, 1, 1
    for stage, depth in enumerate(config.stages):
        for position in range(depth):
            # A stage's first block still looks at the map of the stage before.
            side = 2 ** max(stage - 1, 0) if position == 0 else 2**stage
            needed = math.lcm(span, max(windows[count] * side, 2**stage))
            if windows[count] == 0 or needed > LARGEST_SPAN:
                return count, span
            count, span = count + 1, needed
    return count, span


def _strip_rows(x_bhwc: Tensor, span: int) -> int:
    rows = x_bhwc.shape[1]
    if not runs_directly(x_bhwc):
        return rows
    row_bytes = x_bhwc[:, :1].numel() * x_bhwc.element_size()
    return min(max(STRIP_BYTES // row_bytes // span * span, span), rows)


def _build_blocks(config: HieraConfig) -> list[HieraBlock]:
    blocks: list[HieraBlock] = []
    for stage, depth in enumerate(config.stages):
        channels = config.stage_channels[stage]
        heads = config.num_heads * 2**stage
        for position in range(depth):
            if stage > 0 and position == 0:
                window = config.window_sizes[stage - 1]
                blocks.append(StageEntryBlock(channels // 2, channels, heads, window))
            else:
                window = 0 if len(blocks) in config.global_blocks else config.window_sizes[stage]
                blocks.append(HieraBlock(channels, heads, window))
    return blocks
