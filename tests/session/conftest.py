"""A model of a few thousand weights: what is tested here is the session, not the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2.model.config import CONFIGS, HieraConfig, Sam2Config
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.weights.load import save_checkpoint

SMALL = Sam2Config(
    name="small_for_tests",
    generation="2.1",
    trunk=HieraConfig(8, 1, (1, 1, 2, 1), (3,), window_sizes=(4, 4, 4, 4)),
    image_size=64,
    d_model=64,
    memory_dim=16,
    memory_attention_layers=1,
    memory_attention_hidden=64,
    decoder_hidden=64,
    fuser_layers=1,
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Sam2]:
    """Build a small model with random weights."""

    def make(seed: int = 0, *, presence: float = 0.5, config: Sam2Config = SMALL) -> Sam2:
        torch.manual_seed(seed)
        model = build_sam2(config)
        decoder = model.sam_mask_decoder
        with torch.no_grad():
            # Freshly drawn, these heads say almost the same everywhere; scaled up, masks and scores differ
            # between prompts and frames.
            for mlp in decoder.output_hypernetworks_mlps:
                mlp.layers[-1].weight *= 30
            decoder.pred_obj_score_head.layers[-1].weight *= 10
            decoder.pred_obj_score_head.layers[-1].bias.fill_(presence)
            for layer in model.memory_encoder.fuser.layers:
                layer.gamma.fill_(1.0)
        return model.requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def model(make_model: Callable[..., Sam2]) -> Sam2:
    """Small model whose objects are visible almost always; shared, as sessions do not change it."""
    return make_model(3)


@pytest.fixture(scope="session")
def flickering_model(make_model: Callable[..., Sam2]) -> Sam2:
    """Small model whose objects are hidden on some frames."""
    return make_model(1)


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """(12, 48, 56) uint8: smooth random textures that drift."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 1, 12, 14), np.float32))
    texture = torch.nn.functional.interpolate(coarse, (96, 112), mode="bicubic")[0, 0].numpy()
    stack = [np.roll(texture, (2 * t, 3 * t), (0, 1))[:48, :56] for t in range(12)]
    return np.clip(np.stack(stack) * 255, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a model that has learned nothing."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(build_sam2(CONFIGS["sam2_nano"]), path)
    return path
