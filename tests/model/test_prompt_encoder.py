from __future__ import annotations

import numpy as np
import torch

from napari_sam2.model.sam2 import Sam2


def test_points_get_half_a_pixel_and_a_padding_point(small: Sam2) -> None:
    encoder = small.sam_prompt_encoder
    points = torch.tensor([[[0.0, 0.0], [127.0, 40.0], [10.0, 20.0], [90.0, 80.0]]])
    tokens = encoder.encode_points(points, torch.tensor([[2, 3, 1, 0]]))
    assert tokens.shape == (1, 5, 64)
    for index, label in enumerate((2, 3, 1, 0)):
        position = encoder.pe_layer((points[:, index] + 0.5) / 128)[0]
        expected = position + encoder.point_embeddings[label].weight[0]
        np.testing.assert_allclose(tokens[0, index], expected, atol=1e-5)
    np.testing.assert_array_equal(tokens[0, 4], encoder.not_a_point_embed.weight[0])


def test_no_points_are_two_padding_points(small: Sam2) -> None:
    encoder = small.sam_prompt_encoder
    tokens = encoder.encode_points(torch.zeros(3, 0, 2), torch.zeros(3, 0, dtype=torch.long))
    np.testing.assert_array_equal(tokens, encoder.not_a_point_embed.weight.expand(3, 2, -1))


def test_padding_labels_ignore_the_position(small: Sam2) -> None:
    encoder = small.sam_prompt_encoder
    points = torch.tensor([[[5.0, 6.0], [70.0, 80.0]]])
    tokens = encoder.encode_points(points, torch.tensor([[-1, -1]]))
    np.testing.assert_array_equal(tokens[0, 0], tokens[0, 1])


def test_fourier_positions(small: Sam2) -> None:
    layer = small.sam_prompt_encoder.pe_layer
    matrix = layer.positional_encoding_gaussian_matrix
    xy = torch.rand(4, 2)
    angles = 2 * np.pi * ((2 * xy - 1) @ matrix)
    np.testing.assert_allclose(layer(xy), torch.cat((angles.sin(), angles.cos()), -1), atol=1e-4)
    # x comes first, and cells are named by their centres.
    grid = layer.grid(2, 4)
    assert grid.shape == (1, 64, 2, 4)
    np.testing.assert_allclose(grid[0, :, 1, 2], layer(torch.tensor([[2.5 / 4, 1.5 / 2]]))[0], atol=1e-5)


def test_masks(small: Sam2) -> None:
    encoder = small.sam_prompt_encoder
    assert encoder.encode_mask(torch.randn(3, 1, 32, 32)).shape == (3, 64, 8, 8)
    assert encoder.encode_mask(torch.randn(1, 1, 32, 48)).shape == (1, 64, 8, 12)
    np.testing.assert_array_equal(encoder.no_mask()[0, :, 0, 0], encoder.no_mask_embed.weight[0])
