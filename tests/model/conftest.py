"""Models without weights of note: what is tested here is shapes, formulas and broadcasting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from napari_sam2.model.config import HieraConfig, Sam2Config
from napari_sam2.model.sam2 import Sam2, build_sam2
from small_model import single_thread


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep the sums in one order, and a busy machine from slowing tensors this small."""
    with single_thread():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def small_config() -> Sam2Config:
    return Sam2Config(
        name="small_for_tests",
        generation="2.1",
        trunk=HieraConfig(16, 1, (1, 1, 2, 1), (3,), window_sizes=(8, 4, 14, 7)),
        image_size=128,
        d_model=64,
        memory_dim=16,
        memory_attention_layers=2,
        memory_attention_hidden=64,
        decoder_hidden=64,
        fuser_layers=1,
    )


@pytest.fixture(scope="session")
def small(small_config: Sam2Config) -> Sam2:
    torch.manual_seed(0)
    model = build_sam2(small_config).requires_grad_(False)
    with torch.no_grad():
        for layer in model.memory_encoder.fuser.layers:
            layer.gamma.fill_(1.0)
    return model
