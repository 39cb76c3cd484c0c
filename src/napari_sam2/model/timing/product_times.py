"""How long the products of a frame take in each arithmetic, from a little of every kind of them on the CPU at hand."""

from __future__ import annotations

import copy
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from napari_sam2.model.cpu_kernels import attend
from napari_sam2.model.hiera import HieraBlock
from napari_sam2.model.memory_attention import MemoryAttentionLayer, MemoryTokens
from napari_sam2.model.precision import ARITHMETICS
from napari_sam2.model.sam2 import Sam2

from .thread_plan import on_threads

Layer = TypeVar("Layer", bound=nn.Module)

# A block is tried on about so many operations, but on neither fewer nor more tokens than these.
BLOCK_OPERATIONS, FEWEST_TOKENS, MOST_TOKENS = 2.5e8, 128, 2048
# Attention is tried with so many queries, a square of tokens, and so many keys.
SQUARE, KEYS = 16, 4096
QUERIES = SQUARE**2
# Rounds go on for so long. The first one is always slow, as kernels are made.
SECONDS, FEWEST_ROUNDS = 0.08, 2
# Time that other programs have the core is not counted, where the system's clock of a thread ticks often enough.
CLOCK = time.perf_counter if sys.platform == "win32" else time.thread_time


@dataclass(frozen=True)
class ProductKind:
    """A kind of product."""

    # How many times as much of it a frame does.
    times: float
    # Does a little of it.
    run: Callable[[], object]


def time_products(model: Sam2, arithmetics: tuple[str, ...]) -> dict[str, float]:
    """Say how many seconds the large products of a frame take that is encoded and conditioned on a full memory."""
    # Threads wait for each other at every product; on a busy machine that would be all there is to measure.
    with torch.inference_mode(), on_threads(1):
        kinds = {name: list(product_kinds(model, name)) for name in arithmetics}
        best = {name: [float("inf")] * len(kinds[name]) for name in arithmetics}
        rounds, begun = 0, time.perf_counter()
        while rounds < FEWEST_ROUNDS or time.perf_counter() - begun < SECONDS:
            # They take turns at every kind: another program that disturbs the caches disturbs all of them.
            for index in range(len(kinds[arithmetics[0]])):
                for name in arithmetics:
                    best[name][index] = min(best[name][index], _seconds(kinds[name][index].run))
            rounds += 1
    return {
        name: sum(kind.times * seconds for kind, seconds in zip(kinds[name], best[name], strict=True))
        for name in arithmetics
    }


def _seconds(run: Callable[[], object]) -> float:
    begun = CLOCK()
    run()
    return CLOCK() - begun


def product_kinds(model: Sam2, arithmetic: str) -> Iterator[ProductKind]:
    """Return the large products of a frame, each kind once, made ready in an arithmetic."""
    yield from _encoder_kinds(model, arithmetic)
    yield from _memory_kinds(model, arithmetic)


def _encoder_kinds(model: Sam2, arithmetic: str) -> Iterator[ProductKind]:
    """One block of each shape, on a few windows, and what attending to the whole map adds."""
    side, alike = model.config.image_size // 4, defaultdict[tuple[int, ...], list[HieraBlock]](list)
    for block in cast("list[HieraBlock]", model.image_encoder.trunk.blocks):
        channels_in, channels = block.norm1.normalized_shape[0], block.norm2.normalized_shape[0]
        alike[channels_in, channels, block.window, side].append(block)
        if channels_in < channels:
            side //= 2
    for (channels_in, channels, window, side), blocks in alike.items():
        block = _copy_in(arithmetic, blocks[0])
        rows = window or SQUARE
        tokens = min(max(BLOCK_OPERATIONS / (24 * channels**2), FEWEST_TOKENS), MOST_TOKENS)
        x_bhwc = _numbers(1, rows, max(round(tokens / rows**2), 1) * rows, channels_in)
        yield ProductKind(len(blocks) * side**2 / x_bhwc[..., 0].numel(), partial(block, x_bhwc))
        if window == 0:
            heads, dtype = block.attn.num_heads, block.attn.qkv.weight.dtype
            width = channels // heads
            yield _attention(len(blocks) * heads * side**4, width, width, dtype)


def _memory_kinds(model: Sam2, arithmetic: str) -> Iterator[ProductKind]:
    """One layer on a small map with as small memories, and what attending from a whole map to whole ones adds."""
    config, options, layers = model.config, model.options, model.memory_attention.layers
    layer = _copy_in(arithmetic, cast("MemoryAttentionLayer", layers[0]))
    maps = config.num_memories if options.recent_memories is None else options.recent_memories + 1
    x_bnc, values_bnc = _numbers(1, QUERIES, config.d_model), _numbers(1, maps * QUERIES, config.memory_dim)
    memory, grid = MemoryTokens(values_bnc, values_bnc), (SQUARE, SQUARE)
    tokens = config.grid_size**2
    yield ProductKind(
        len(layers) * tokens / QUERIES, lambda: layer.look_back(layer.look_around(x_bnc, grid), memory, grid)
    )
    more_keys = max(tokens + maps * tokens // options.memory_cell**2 - (maps + 1) * QUERIES, 0)
    dtype = layer.self_attn.q_proj.weight.dtype
    yield _attention(len(layers) * tokens * more_keys, config.d_model, config.memory_dim, dtype)


def _attention(pairs: float, channels: int, value_channels: int, dtype: torch.dtype) -> ProductKind:
    """So many pairs of a query and a key, in one head."""
    q, k, v = (
        _numbers(1, 1, count, width).to(dtype)
        for count, width in ((QUERIES, channels), (KEYS, channels), (KEYS, value_channels))
    )
    return ProductKind(pairs / (QUERIES * KEYS), partial(attend, q, k, v))


def _copy_in(arithmetic: str, layer: Layer) -> Layer:
    own = copy.deepcopy(layer)
    ARITHMETICS[arithmetic](own)
    return own


def _numbers(*shape: int) -> Tensor:
    # From a generator of its own: loading a model leaves the user's random numbers alone.
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))
