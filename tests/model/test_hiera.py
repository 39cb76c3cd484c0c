from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sam2.model.config import CONFIGS, HieraConfig
from napari_sam2.model.hiera import (
    Hiera,
    HieraBlock,
    PatchEmbed,
    StageEntryBlock,
    WindowAttention,
    merge_windows,
    partition_windows,
    pool_2x2,
)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24), (7, 9), (1, 1), (14, 15), (3, 30)])
@pytest.mark.parametrize("side", [7, 4, 14])
def test_windows_and_back(height: int, width: int, side: int) -> None:
    x = torch.randn(2, height, width, 3)
    windows = partition_windows(x, side)
    rows, columns = -(-height // side), -(-width // side)
    assert windows.shape == (2 * rows * columns, side, side, 3)
    np.testing.assert_array_equal(merge_windows(windows, height, width), x)
    assert windows.abs().sum() == pytest.approx(float(x.abs().sum()), rel=1e-5)
    # The last window's corner is padding wherever the side does not divide the map.
    if height % side or width % side:
        assert (windows[-1, -1, -1] == 0).all()


def test_windows_are_squares_of_the_map() -> None:
    x = torch.arange(36.0).reshape(1, 6, 6, 1)
    windows = partition_windows(x, 3)
    np.testing.assert_array_equal(windows[1, ..., 0], x[0, :3, 3:, 0])
    np.testing.assert_array_equal(windows[2, ..., 0], x[0, 3:, :3, 0])


def test_pooling() -> None:
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(pool_2x2(x)[0, ..., 0], [[5, 7], [13, 15]])


# spec 3.1: window side and output channels by block; 0 attends over everything, * enters a stage
TABLES = {
    "sam2_hiera_tiny": (
        [8, 8, 4, 4, 14, 0, 14, 0, 14, 0, 14, 7],
        [96, 192, 192, *[384] * 7, 768, 768],
        {1, 3, 10},
    ),
    "sam2_hiera_large": (
        [8, 8, 8, 4, 4, 4, 4, 4, 4, *[16] * 14, 0, *[16] * 9, 0, *[16] * 9, 0, 16, 8, 8, 8],
        [*[144] * 2, *[288] * 6, *[576] * 36, *[1152] * 4],
        {2, 8, 44},
    ),
    "sam2_hiera_base_plus": (
        [8, 8, 8, 4, 4, 4, *[14] * 6, 0, 14, 14, 14, 0, 14, 14, 14, 0, 14, 7, 7],
        [*[112] * 2, *[224] * 3, *[448] * 16, *[896] * 3],
        {2, 5, 21},
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_blocks(name: str) -> None:
    with torch.device("meta"):
        trunk = Hiera(CONFIGS[name].trunk)
    windows, channels, entries = TABLES[name]
    assert [block.norm2.normalized_shape[0] for block in trunk.blocks] == channels
    assert {i for i, block in enumerate(trunk.blocks) if isinstance(block, StageEntryBlock)} == entries
    assert [block.window for block in trunk.blocks] == windows
    heads = [block.attn.num_heads for block in trunk.blocks]
    assert len({channel // head for channel, head in zip(channels, heads, strict=True)}) == 1
    assert trunk.stage_ends == tuple(sorted({i - 1 for i in entries} | {len(channels) - 1}))
    assert {block.norm1.eps for block in trunk.blocks} == {1e-6}


def small_trunk() -> Hiera:
    trunk = Hiera(HieraConfig(16, 1, (1, 1, 2, 1), (3,), window_sizes=(8, 4, 14, 7)))
    torch.nn.init.normal_(trunk.pos_embed)
    torch.nn.init.normal_(trunk.pos_embed_window)
    return trunk.requires_grad_(False)


def test_position_map() -> None:
    trunk = small_trunk()
    code = trunk.position_map(16, 24)
    assert code.shape == (1, 16, 24, 16)
    background = F.interpolate(trunk.pos_embed, (16, 24), mode="bicubic", align_corners=False)
    tiled = torch.cat([torch.cat([trunk.pos_embed_window] * 3, dim=3)] * 2, dim=2)
    np.testing.assert_allclose(code.permute(0, 3, 1, 2), background + tiled, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (160, 64), (32, 32)])
def test_strides_and_channels(height: int, width: int) -> None:
    maps = small_trunk()(torch.randn(2, 3, height, width))
    strides = [(m.shape[1], height // m.shape[2], width // m.shape[3]) for m in maps]
    assert strides == [(16, 4, 4), (32, 8, 8), (64, 16, 16), (128, 32, 32)]


def test_images_of_a_batch_do_not_see_each_other() -> None:
    trunk, images = small_trunk(), torch.randn(3, 3, 64, 96)
    together = trunk(images)
    for item in range(3):
        for batch, single in zip(together, trunk(images[item : item + 1]), strict=True):
            np.testing.assert_allclose(batch[item], single[0], atol=1e-5)


def test_padding_takes_part_in_attention_as_zeros_after_the_norm() -> None:
    """A block on a padded map equals attention over windows that hold the normed tokens and zeros."""
    block = HieraBlock(16, 2, 4).requires_grad_(False)
    torch.nn.init.normal_(block.attn.qkv.bias)
    x = torch.randn(1, 3, 5, 16)
    padded = F.pad(block.norm1(x), (0, 0, 0, 3, 0, 1))
    attention: WindowAttention = block.attn
    out = torch.cat([attention(padded[:, :, c : c + 4]) for c in (0, 4)], dim=2)[:, :3, :5]
    expected = x + out
    expected = expected + block.mlp(block.norm2(expected))
    np.testing.assert_allclose(block(x), expected, atol=1e-5)


@torch.no_grad()
def test_a_batch_of_one_may_lie_in_any_way() -> None:
    embed = PatchEmbed(16)
    image_bhwc = torch.rand(1, 32, 32, 3)
    plain = image_bhwc.permute(0, 3, 1, 2)
    # The stride of a batch of one says nothing, but PyTorch chooses the kernel by it.
    unusual = image_bhwc[0].permute(2, 0, 1)[None]
    assert plain.stride() != unusual.stride()
    torch.testing.assert_close(embed(plain), embed(unusual), rtol=0, atol=0)
    assert embed(unusual).is_contiguous()
