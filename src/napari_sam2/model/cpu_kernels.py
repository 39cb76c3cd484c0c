"""Matrix products and attention by the kernels that are fastest on the CPU at hand, with the same results.

PyTorch leaves float32 products to a library that uses half of what many CPUs can do, and its fused attention takes
bfloat16 products in float32. oneDNN, which comes with PyTorch as well, does better at both, and it adds an activation
for nothing. It is called where nothing has to be differentiated or recorded; everywhere else PyTorch's own ways are
taken.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["none", "relu", "gelu"]

# What one block of queries takes for its scores where all keys are taken at once. glibc takes what is above 32 MiB from
# the system anew each time, which costs as much as the products in it.
BLOCK_BYTES = 16 * 2**20
# What one group of rows takes on its way through a feed-forward net: they stay in the cache until they are done.
HIDDEN_BYTES = 12 * 2**20
BLOCK_ROWS = 256
# Weights are taken for so many keys, and so many queries of each dtype, at a time, which stay in the cache.
BLOCK_KEYS = 1024
BLOCK_QUERIES = {torch.float32: 2048, torch.bfloat16: 1024}
# Scores are shifted by as much, and by the largest of a sample. Weights in bfloat16 whose sum is below a thousandth are
# the exponential function to a thousandth; of sums above the least, nothing that counts has come out as zero.
SHIFT = {torch.float32: 0.0, torch.bfloat16: 30.0}
LEAST_SUM, LARGEST_SUM = 1e-29, {torch.float32: 1e30, torch.bfloat16: 1e-3}
QUERY_STEP, KEY_STEP = 8, 16
# Below this many rows, preparing the weights takes longer than is won.
FEWEST_ROWS = 64
# Up to this many keys, the whole map of weights is small; from that many on, oneDNN wins over the fused kernel.
FEW_KEYS, MANY_KEYS = 32, 512
LARGEST_PLAIN_MAP = 2**26


@lru_cache(maxsize=1)
def has_onednn() -> bool:
    """Whether oneDNN's products can be called directly: on x86 CPUs, with the usual builds of PyTorch."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return x86 and built and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@lru_cache(maxsize=1)
def takes_bfloat16() -> bool:
    """Whether oneDNN is there and has bfloat16 products for this CPU, quick or not: it has none for AVX2 alone."""
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _has_kernel(dtype: torch.dtype) -> bool:
    return dtype == torch.float32 or (dtype == torch.bfloat16 and takes_bfloat16())


def runs_directly(x: Tensor) -> bool:
    """Whether kernels that can neither be differentiated, converted nor traced may be used for a tensor."""
    return (
        x.device.type == "cpu"
        and has_onednn()
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._get_tracing_state()
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> Tensor:
    """Map (..., in) to (..., out), in the weight's dtype, and apply an activation."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        x = x.to(weight.dtype)
    if runs_directly(x) and x.numel() >= FEWEST_ROWS * x.shape[-1] and _has_kernel(x.dtype):
        return _onednn(x, weight, bias, activation)
    out = F.linear(x, weight, bias)
    return out if activation == "none" else F.relu(out) if activation == "relu" else F.gelu(out)


def _onednn(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation | Literal["sigmoid"] = "none"
) -> Tensor:
    # The last argument picks the exact form of GELU, with the error function.
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    return out


class Linear(nn.Linear):
    """A linear layer that computes in the dtype of its weight, whatever it is given; see `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return linear(x, self.weight, self.bias)


class PointwiseConv(nn.Conv2d):
    """A convolution of one pixel: a linear layer over the channels, which it is computed as; see `linear`."""

    bias: Tensor

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Map (batch, channels in, h, w) to (batch, channels out, h, w)."""
        return linear(x_bchw.movedim(1, -1), self.weight.flatten(1), self.bias).movedim(-1, 1)


def in_succession(x_bchw: Tensor, first: PointwiseConv, second: PointwiseConv) -> Tensor:
    """Two convolutions of one pixel; as a single one where nothing is learned: what lies between them is wide."""
    if not runs_directly(x_bchw):
        out: Tensor = second(first(x_bchw))
        return out
    last = second.weight.flatten(1).float()
    weight = (last @ first.weight.flatten(1).float()).to(first.weight.dtype)
    bias = (last @ first.bias.float() + second.bias.float()).to(first.weight.dtype)
    return linear(x_bchw.movedim(1, -1), weight, bias).movedim(-1, 1)


def feed_forward(x: Tensor, first: nn.Linear, second: nn.Linear, activation: Activation) -> Tensor:
    """Two layers with an activation between them, over (..., channels)."""
    if not runs_directly(x):
        return linear(linear(x, first.weight, first.bias, activation), second.weight, second.bias)
    rows = x.reshape(-1, x.shape[-1])
    together = max(HIDDEN_BYTES // (first.out_features * first.weight.element_size()), FEWEST_ROWS)
    parts = [
        linear(linear(part, first.weight, first.bias, activation), second.weight, second.bias)
        for part in torch.split(rows, together)
    ]
    out = parts[0] if len(parts) == 1 else torch.cat(parts)
    return out.reshape(*x.shape[:-1], second.out_features)


def attend(q_bhnc: Tensor, k_bhnc: Tensor, v_bhnc: Tensor, bias_n: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention whose batches of one broadcast (the fused kernels do not do that themselves).

    ``bias_n``: (keys,) float32, added to the scores of each key.
    """
    if runs_by_blocks(q_bhnc, k_bhnc):
        return _attend_by_blocks(q_bhnc, k_bhnc, v_bhnc, bias_n)
    batch = max(q_bhnc.shape[0], k_bhnc.shape[0])
    q, k, v = (x.expand(batch, -1, -1, -1) for x in (q_bhnc, k_bhnc, v_bhnc))
    if _plain_products_are_faster(q, k):
        return _attend_plainly(q, k, v, bias_n)
    mask = None if bias_n is None else bias_n.to(q.dtype)[None, None, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def runs_by_blocks(q_bhnc: Tensor, k_bhnc: Tensor) -> bool:
    """Whether `attend` goes through the queries by blocks; then values may have other channels than keys."""
    large = k_bhnc.shape[2] >= MANY_KEYS and q_bhnc.shape[2] >= FEWEST_ROWS
    return large and runs_directly(q_bhnc) and _has_kernel(q_bhnc.dtype)


def _plain_products_are_faster(q_bhnc: Tensor, k_bhnc: Tensor) -> bool:
    if q_bhnc.device.type != "cpu":
        return False
    # The fused kernel is made for many keys. In bfloat16 it is never fast, but plain products keep the whole map.
    if q_bhnc.dtype != torch.bfloat16:
        return k_bhnc.shape[2] <= FEW_KEYS
    return q_bhnc.shape[:3].numel() * k_bhnc.shape[2] <= LARGEST_PLAIN_MAP


def _attend_plainly(q_bhnc: Tensor, k_bhnc: Tensor, v_bhnc: Tensor, bias_n: Tensor | None) -> Tensor:
    scaled = q_bhnc * q_bhnc.shape[-1] ** -0.5
    if k_bhnc.shape[2] > FEW_KEYS:
        scores = scaled @ k_bhnc.transpose(-1, -2)
        weights: Tensor = (scores if bias_n is None else scores + bias_n).softmax(dim=-1)
        return weights.to(v_bhnc.dtype) @ v_bhnc
    # Keys before queries: along a short last axis, softmax takes five times as long.
    by_key = k_bhnc @ scaled.transpose(-1, -2)
    shares: Tensor = (by_key if bias_n is None else by_key + bias_n[:, None]).softmax(dim=-2)
    return shares.to(v_bhnc.dtype).transpose(-1, -2) @ v_bhnc


def _attend_by_blocks(q_bhnc: Tensor, k_bhnc: Tensor, v_bhnc: Tensor, bias_n: Tensor | None) -> Tensor:
    batch, heads, tokens = max(q_bhnc.shape[0], k_bhnc.shape[0]), q_bhnc.shape[1], q_bhnc.shape[2]
    scaled = q_bhnc * q_bhnc.shape[-1] ** -0.5
    # Tokens before heads, as the layer that follows wants them.
    out = v_bhnc.new_empty(batch, tokens, heads, v_bhnc.shape[-1])
    for item in range(batch):
        q, k, v = (x[item if len(x) > 1 else 0] for x in (scaled, k_bhnc, v_bhnc))
        for head in range(heads):
            # oneDNN has no fast kernel for rows that do not lie side by side.
            _attend_one_head(q[head], k[head].contiguous(), v[head].contiguous(), bias=bias_n, out=out[item, :, head])
    return out.transpose(1, 2)


def _attend_one_head(q_nc: Tensor, k_nc: Tensor, v_nc: Tensor, *, bias: Tensor | None, out: Tensor) -> None:
    """Attend without the largest score of each query, which would take all scores at once.

    All scores are shifted by the same number, which changes no weight once they are divided by their sum. The number
    is a guess; the sums say whether it was good enough.
    """
    some = _onednn(q_nc[::QUERY_STEP].contiguous(), k_nc[::KEY_STEP].contiguous())
    shift = k_nc.new_full((len(k_nc),), -(float(some.amax()) + SHIFT[q_nc.dtype]), dtype=torch.float32)
    shift = shift if bias is None else shift + bias
    ends = [*range(BLOCK_KEYS, len(k_nc) - BLOCK_KEYS // 2, BLOCK_KEYS), len(k_nc)]
    blocks = [slice(first, end) for first, end in pairwise((0, *ends))]
    together = BLOCK_QUERIES[q_nc.dtype]
    for q, part in zip(torch.split(q_nc, together), torch.split(out, together), strict=True):
        mean, total = q.new_zeros((), dtype=torch.float32), q.new_zeros((), dtype=torch.float32)
        for block in blocks:
            weights = _weights(q, k_nc[block], shift[block])
            total = total + weights.sum(dim=-1, keepdim=True)
            mean = mean + _onednn(weights, v_nc[block].t())
        if LEAST_SUM < total.amin() <= total.amax() < LARGEST_SUM[q.dtype]:
            part.copy_(mean / total)
        else:
            _attend_to_all_keys(q, k_nc, v_nc, bias=bias, out=part)


def _weights(q_nc: Tensor, k_nc: Tensor, shift_n: Tensor) -> Tensor:
    """Take the exponential function of scores, in bfloat16 before they are rounded.

    oneDNN adds a sigmoid to a product for nothing. Far below zero that is the exponential function.
    """
    if q_nc.dtype == torch.bfloat16:
        return _onednn(q_nc, k_nc, shift_n, "sigmoid")
    return _onednn(q_nc, k_nc, shift_n).exp_()


def _attend_to_all_keys(q_nc: Tensor, k_nc: Tensor, v_nc: Tensor, *, bias: Tensor | None, out: Tensor) -> None:
    rows = min(max(BLOCK_BYTES // (len(k_nc) * k_nc.element_size()) // 32 * 32, 32), BLOCK_ROWS)
    for q, part in zip(torch.split(q_nc, rows), torch.split(out, rows), strict=True):
        part.copy_(_onednn(_onednn(q, k_nc, bias).softmax(dim=-1), v_nc.t()))
