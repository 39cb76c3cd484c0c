from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_sam2.model.layers import (
    MLP,
    Attention,
    LayerNorm2d,
    attend,
    rotary_table,
    rotate,
    sine_position_map,
    sine_time_code,
)


def test_sine_position_map() -> None:
    code = sine_position_map(256, 64, 64, "cpu")
    assert code.shape == (1, 256, 64, 64)
    expected = [0.0980171, 0.9951847, 0.0849135, 0.9963883]
    np.testing.assert_allclose(code[0, :4, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(code[0, 128:132, 0, 0], expected, atol=1e-6)
    assert abs(code[0, 0, 63, 5]) < 2e-6
    # Rows first: the first half depends on y alone, the second on x alone.
    assert (code[0, :128] == code[0, :128, :, :1]).all()
    assert (code[0, 128:] == code[0, 128:, :1]).all()
    assert sine_position_map(64, 3, 5, "cpu").shape == (1, 64, 3, 5)


def test_sine_time_code() -> None:
    code = sine_time_code(torch.tensor([1 / 15, 0.0, -2.0]), 256)
    assert code.shape == (3, 256)
    np.testing.assert_allclose(code[0, [0, 1, 2, 128, 129]], [0.0666, 0.0666, 0.0577, 0.9978, 0.9978], atol=1e-4)
    assert (code[1, :128] == 0).all()
    assert (code[1, 128:] == 1).all()
    assert code[2, 0] == pytest.approx(math.sin(-2))


def test_rotary_table() -> None:
    cos, sin = rotary_table(256, 64, 64, "cpu").unbind(-1)
    assert cos.shape == (4096, 128)
    assert (cos[1, 0], sin[1, 0]) == (pytest.approx(0.5403, abs=1e-4), pytest.approx(0.8415, abs=1e-4))
    assert (cos[64, :64] == 1).all()
    assert (sin[64, :64] == 0).all()
    assert (cos[64, 64], sin[64, 64]) == (pytest.approx(0.5403, abs=1e-4), pytest.approx(0.8415, abs=1e-4))


def test_rotary_frequencies() -> None:
    cos, _ = rotary_table(256, 1, 2, "cpu").unbind(-1)
    frequencies = 1 / 10000 ** (4 * np.arange(64) / 256)
    np.testing.assert_allclose(cos[1, :64], np.cos(frequencies), atol=1e-6)


def test_rotation_is_multiplication_by_the_complex_table() -> None:
    x = torch.randn(2, 1, 2 * 12, 16)
    table = rotary_table(16, 3, 4, "cpu")
    pairs = torch.view_as_complex(x.reshape(2, 1, 2, 12, 8, 2))
    expected = torch.view_as_real(pairs * torch.view_as_complex(table)).reshape(x.shape)
    np.testing.assert_allclose(rotate(x, table), expected, atol=1e-6)
    # Where nothing is to be learned, it is computed in another way.
    with torch.no_grad():
        np.testing.assert_allclose(rotate(x, table), expected, atol=1e-6)
        np.testing.assert_allclose(rotate(x.bfloat16(), table).float(), expected, atol=3e-2)
    assert rotate(x.bfloat16(), table).dtype == torch.bfloat16
    np.testing.assert_allclose(rotate(x, table).norm(dim=-1), x.norm(dim=-1), rtol=1e-5)


def test_rotated_products_depend_on_the_offset_alone() -> None:
    table = rotary_table(32, 5, 5, "cpu")
    q, k = torch.randn(1, 1, 1, 32).expand(1, 1, 25, 32), torch.randn(1, 1, 1, 32).expand(1, 1, 25, 32)
    products = (rotate(q, table) @ rotate(k, table).transpose(-1, -2))[0, 0].reshape(5, 5, 5, 5)
    np.testing.assert_allclose(products[0, 0, 2, 1], products[2, 3, 4, 4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(products[3, 1, 1, 0], products[4, 4, 2, 3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [sine_position_map, rotary_table])
def test_constants_made_under_inference_mode_can_be_trained_with(build: object) -> None:
    with torch.inference_mode():
        table = build(20, 3, 7, "cpu")  # type: ignore[operator]
    weight = torch.ones((), requires_grad=True)
    (table * weight).sum().backward()
    assert weight.grad is not None
    assert build(20, 3, 7, "cpu") is table  # type: ignore[operator]


def test_layer_norm_over_channels() -> None:
    norm = LayerNorm2d(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 4) * 5 + 2
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    expected = (x - mean) / torch.sqrt(variance + 1e-6) * norm.weight[:, None, None] + norm.bias[:, None, None]
    np.testing.assert_allclose(norm(x).detach(), expected.detach(), atol=1e-5)


def test_mlp_has_no_activation_at_its_end() -> None:
    mlp = MLP(4, 8, 3)
    x = torch.randn(5, 4)
    first, last = mlp.layers
    np.testing.assert_allclose(mlp(x).detach(), last(first(x).relu()).detach(), atol=1e-6)
    assert (mlp(x) < 0).any()


def test_attention_against_the_formula_and_with_shared_batches() -> None:
    attention = Attention(16, 4, inner_channels=8, key_channels=6).requires_grad_(False)
    q, kv = torch.randn(1, 5, 16), torch.randn(3, 7, 6)
    out = attention(q, kv, kv)
    assert out.shape == (3, 5, 16)
    for item in range(3):
        heads = []
        for h in range(4):
            part = slice(2 * h, 2 * h + 2)
            a, b, c = attention.q_proj(q[0])[:, part], attention.k_proj(kv[item])[:, part], attention.v_proj(kv[item])
            heads.append((a @ b.T / math.sqrt(2)).softmax(-1) @ c[:, part])
        np.testing.assert_allclose(out[item], attention.out_proj(torch.cat(heads, -1)), atol=1e-5)
    np.testing.assert_allclose(out, attention(q.expand(3, -1, -1), kv, kv), atol=1e-6)
    many = attention(q.repeat(3, 1, 1), kv[:1], kv[:1])
    np.testing.assert_allclose(many[1], out[0], atol=1e-6)


def test_attend_keeps_the_larger_batch() -> None:
    q, k = torch.randn(4, 2, 3, 8), torch.randn(1, 2, 5, 8)
    assert attend(q, k, k).shape == (4, 2, 3, 8)
    assert attend(q[:1], k.expand(4, -1, -1, -1), k.expand(4, -1, -1, -1)).shape == (4, 2, 3, 8)
