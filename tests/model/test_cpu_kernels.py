"""Products and attention, however they are computed, give what PyTorch's own functions give."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from napari_sam2.model import cpu_kernels
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.cpu_kernels import (
    Linear,
    PointwiseConv,
    attend,
    feed_forward,
    has_onednn,
    in_succession,
    linear,
    runs_by_blocks,
    runs_directly,
    takes_bfloat16,
)
from napari_sam2.model.hiera import Hiera

ERROR = {torch.float32: 2e-5, torch.bfloat16: 4e-2}
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this build or CPU has no oneDNN to call")
in_each_dtype = pytest.mark.parametrize(
    "dtype",
    [
        torch.float32,
        pytest.param(
            torch.bfloat16,
            marks=pytest.mark.skipif(
                not (has_onednn() and takes_bfloat16()), reason="no bfloat16 products on this CPU"
            ),
        ),
    ],
    ids=str,
)


@pytest.mark.parametrize("dtype", ERROR)
@pytest.mark.parametrize("rows", [3, 130])
def test_activations(dtype: torch.dtype, rows: int) -> None:
    first, second = Linear(24, 40).to(dtype), Linear(40, 10).to(dtype)
    x = torch.randn(2, rows, 24, dtype=dtype)
    with torch.no_grad():
        hidden = F.linear(x, first.weight, first.bias)
        for activation, function in (("none", lambda y: y), ("relu", F.relu), ("gelu", F.gelu)):
            out = linear(x, first.weight, first.bias, activation)
            torch.testing.assert_close(out, function(hidden), rtol=0, atol=ERROR[dtype])
            out = feed_forward(x, first, second, activation)
            torch.testing.assert_close(out, second(function(hidden)), rtol=0, atol=ERROR[dtype])


def test_a_layer_computes_in_the_type_of_its_weight() -> None:
    layer = Linear(8, 4).to(torch.bfloat16)
    assert layer(torch.randn(2, 8)).dtype == torch.bfloat16
    # Under autocast, the type is the context's business.
    with torch.autocast("cpu", torch.bfloat16):
        assert Linear(8, 4)(torch.randn(2, 8)).dtype == torch.bfloat16


def test_a_convolution_of_one_pixel() -> None:
    layer, x = PointwiseConv(12, 5).requires_grad_(False), torch.randn(2, 12, 9, 11)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias), rtol=0, atol=1e-5)


@needs_onednn
@in_each_dtype
@pytest.mark.parametrize(("heads", "queries", "keys", "batches"), [(1, 300, 2000, (1, 3)), (4, 96, 512, (2, 2))])
def test_attention_by_blocks(dtype: torch.dtype, heads: int, queries: int, keys: int, batches: tuple[int, int]) -> None:
    # As layers make them: heads beside each other in the channels.
    q, k, v = (
        torch.randn(batch, tokens, heads * 16, dtype=dtype).unflatten(-1, (heads, 16)).transpose(1, 2)
        for batch, tokens in ((batches[0], queries), (batches[1], keys), (batches[1], keys))
    )
    with torch.no_grad():
        assert runs_by_blocks(q, k)
        out = attend(q, k, v)
        weights = (q.float() @ k.float().transpose(-1, -2) / math.sqrt(16)).softmax(-1)
        torch.testing.assert_close(out.float(), weights @ v.float(), rtol=0, atol=ERROR[dtype])
        bias = torch.linspace(-3, 3, keys)
        weights = (q.float() @ k.float().transpose(-1, -2) / math.sqrt(16) + bias).softmax(-1)
        torch.testing.assert_close(attend(q, k, v, bias).float(), weights @ v.float(), rtol=0, atol=ERROR[dtype])
        # Values may be narrower than keys.
        torch.testing.assert_close(attend(q, k, v[..., :4]), out[..., :4], rtol=0, atol=ERROR[dtype])


@pytest.mark.parametrize("dtype", ERROR)
@pytest.mark.parametrize(("queries", "keys"), [(300, 9), (9, 9), (64, 33)])
def test_attention_to_few_keys(dtype: torch.dtype, queries: int, keys: int) -> None:
    q, k, v = (torch.randn(2, 4, tokens, 16, dtype=dtype) for tokens in (queries, keys, keys))
    for bias in (None, torch.linspace(-3, 3, keys)):
        scores = q.float() @ k.float().transpose(-1, -2) / math.sqrt(16) + (0 if bias is None else bias)
        out = attend(q, k, v, bias)
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), scores.softmax(-1) @ v.float(), rtol=0, atol=ERROR[dtype])


@needs_onednn
@in_each_dtype
@pytest.mark.parametrize("keys", [700, 9000])
def test_sharp_attention(dtype: torch.dtype, keys: int) -> None:
    # Scores up to 30, as trained models have them: rounded to bfloat16, they would be off by a sixteenth.
    q, k, v = (torch.randn(1, 1, tokens, 64, dtype=dtype) for tokens in (96, keys, keys))
    q *= 6
    with torch.no_grad():
        scores = q.float() @ k.float().transpose(-1, -2) / 8
        assert scores.max() > 25
        torch.testing.assert_close(attend(q, k, v).float(), scores.softmax(-1) @ v.float(), rtol=0, atol=ERROR[dtype])


@needs_onednn
@in_each_dtype
@pytest.mark.parametrize(("row", "score"), [(5, 100.0), (590, -100.0)])
def test_scores_far_from_those_of_the_sample(dtype: torch.dtype, row: int, score: float) -> None:
    # One query that no sample has seen has scores far above, or far below, all others.
    q, k, v = (torch.randn(1, 1, tokens, 64, dtype=dtype) for tokens in (600, 700, 700))
    k[..., 0] = 8.0
    q[:, :, row, 0] = score
    with torch.no_grad():
        weights = (q.float() @ k.float().transpose(-1, -2) / 8).softmax(-1)
        out = attend(q, k, v).float()
    torch.testing.assert_close(out, weights @ v.float(), rtol=0, atol=0.1 if dtype == torch.bfloat16 else 1e-4)


@needs_onednn
@in_each_dtype
@pytest.mark.parametrize(("sum_power", "is_quick"), [(-24, True), (-27, True), (-31, False)])
def test_small_sums_are_good_enough(
    dtype: torch.dtype, sum_power: int, is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sums of weights of about these powers of ten: the slow way is gone only where something that counts is lost.
    score = math.log(10) * sum_power + cpu_kernels.SHIFT[dtype] - 5
    q, k, v = (torch.randn(1, 1, tokens, 64, dtype=dtype) for tokens in (600, 700, 700))
    k[..., 0] = 8.0
    q[..., 0] = 0.0
    q[:, :, 590, 0] = score
    slow: list[int] = []
    whole = cpu_kernels._attend_to_all_keys
    monkeypatch.setattr(cpu_kernels, "_attend_to_all_keys", lambda *a, **o: (slow.append(len(a[0])), whole(*a, **o)))
    with torch.no_grad():
        weights = (q.float() @ k.float().transpose(-1, -2) / 8).softmax(-1)
        out = attend(q, k, v).float()
    assert (not slow) is is_quick
    torch.testing.assert_close(out, weights @ v.float(), rtol=0, atol=ERROR[dtype])


@pytest.mark.parametrize("dtype", ERROR)
def test_two_convolutions_of_one_pixel(dtype: torch.dtype) -> None:
    first, second = (PointwiseConv(*sizes).requires_grad_(False).to(dtype) for sizes in ((12, 48), (48, 6)))
    x = torch.randn(1, 12, 20, 11)
    apart = second(first(x))
    with torch.no_grad():
        together = in_succession(x, first, second)
    torch.testing.assert_close(together, apart, rtol=0, atol=ERROR[dtype])
    x.requires_grad_()
    in_succession(x, first, second).float().sum().backward()
    assert x.grad is not None


def test_what_is_learned_or_recorded_goes_through_pytorch() -> None:
    x = torch.randn(1, 2, 600, 8)
    assert not runs_directly(x)
    with torch.no_grad():
        assert runs_directly(x) == has_onednn()
        assert not runs_directly(x.to("meta"))
        with torch.autocast("cpu", torch.bfloat16):
            assert not runs_directly(x)
    x.requires_grad_()
    attend(x, x, x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(("name", "size"), [("sam2.1_hiera_tiny", (160, 96)), ("sam2_nano", (224, 128))])
def test_strips_are_the_whole(name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    trunk = Hiera(CONFIGS[name].trunk).requires_grad_(False)
    image = torch.randn(2, 3, *size)
    whole = trunk(image)
    monkeypatch.setattr("napari_sam2.model.hiera.STRIP_BYTES", 1)
    with torch.no_grad():
        strips = trunk(image)
    for one, other in zip(whole, strips, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-4)
    assert trunk.leading == ((4, 8) if "tiny" in name else (4, 16))


def test_mixed_precision_without_bfloat16_kernels() -> None:
    """As on a laptop: oneDNN has no bfloat16 products for AVX2."""
    code = """
import torch
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.precision import halve_products
from napari_sam2.model.sam2 import build_sam2
model = build_sam2(CONFIGS["sam2_nano"].with_image_size(64)).requires_grad_(False)
halve_products(model)
with torch.inference_mode():
    features = model.encode_image(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
assert features.s16_bchw.isfinite().all()
"""
    laptop = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | laptop, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
