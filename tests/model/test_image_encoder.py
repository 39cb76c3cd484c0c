from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.image_encoder import FeaturePyramid
from napari_sam2.model.sam2 import Sam2, build_sam2


def test_the_pyramid_adds_the_coarsest_map_to_the_next_only() -> None:
    pyramid = FeaturePyramid(6, (2, 3, 4, 5)).requires_grad_(False)
    maps = [torch.randn(1, c, 16 // 2**i, 24 // 2**i) for i, c in enumerate((2, 3, 4, 5))]
    s4, s8, s16 = pyramid(maps)
    convs = [conv.conv for conv in pyramid.convs]
    np.testing.assert_allclose(s4, convs[3](maps[0]), atol=1e-6)
    np.testing.assert_allclose(s8, convs[2](maps[1]), atol=1e-6)
    coarse = convs[0](maps[3]).repeat_interleave(2, 2).repeat_interleave(2, 3)
    np.testing.assert_allclose(s16, convs[1](maps[2]) + coarse, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (64, 64), (96, 96), (32, 64), (160, 96), (320, 320)])
def test_any_multiple_of_32(small: Sam2, height: int, width: int) -> None:
    features = small.encode_image(torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8))
    assert features.s16_bchw.shape == (1, 64, height // 16, width // 16)
    assert features.s8_bchw.shape == (1, 16, height // 8, width // 8)
    assert features.s4_bchw.shape == (1, 8, height // 4, width // 4)
    assert all(torch.isfinite(x).all() for x in (features.s16_bchw, *features.high_res))


@pytest.mark.parametrize("name", ["sam2.1_hiera_tiny", "sam2.1_hiera_base_plus", "sam2.1_hiera_large", "sam2_nano"])
@pytest.mark.parametrize("size", [(1024, 1024), (512, 512), (256, 256), (320, 320), (512, 1024), (32, 32)])
def test_shapes_of_the_real_variants(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        encoder = build_sam2(CONFIGS[name]).image_encoder
        maps = encoder(torch.zeros(1, 3, *size))
    channels = CONFIGS[name].d_model
    assert [tuple(m.shape) for m in maps] == [(1, channels, size[0] // s, size[1] // s) for s in (4, 8, 16)]


def test_images_are_normalised(small: Sam2) -> None:
    grey = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((128 / 255 - mean) / std)[None, :, None, None].expand(1, 3, 64, 64)
    s4, _, s16 = small.image_encoder(normalised)
    features = small.encode_image(grey)
    np.testing.assert_allclose(features.s16_bchw, s16, atol=1e-5)
    np.testing.assert_allclose(features.s4_bchw, F.conv2d(s4, *small.sam_mask_decoder.conv_s0.parameters()), atol=1e-5)


def test_a_batch_is_its_images(small: Sam2) -> None:
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    together = small.encode_image(images)
    for item in range(3):
        single = small.encode_image(images[item : item + 1])
        np.testing.assert_allclose(together.s16_bchw[item], single.s16_bchw[0], atol=1e-4)
