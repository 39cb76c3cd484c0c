"""A model of a few thousand weights and a stack to track in, for tests in which masks need not be good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from napari_sam2.model.config import HieraConfig, Sam2Config
from napari_sam2.model.sam2 import Sam2, build_sam2

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


def build_small(seed: int, *, presence: float, config: Sam2Config = SMALL) -> Sam2:
    """Draw weights whose masks and object scores differ between prompts and frames; ``presence`` moves the scores."""
    torch.manual_seed(seed)
    model = build_sam2(config)
    decoder = model.sam_mask_decoder
    with torch.no_grad():
        # Freshly drawn, these heads say almost the same everywhere.
        for mlp in decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight *= 30
        decoder.pred_obj_score_head.layers[-1].weight *= 10
        decoder.pred_obj_score_head.layers[-1].bias.fill_(presence)
        for layer in model.memory_encoder.fuser.layers:
            layer.gamma.fill_(1.0)
    return model.requires_grad_(False)


def build_hiding() -> Sam2:
    """Build a small model whose objects come and go from frame to frame."""
    model = build_small(3, presence=0.0)
    # Freshly drawn, scores hardly differ between frames: their differences are stretched, about their usual value.
    head = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
    with torch.no_grad():
        head.weight *= 50
        head.bias.fill_(-50 * 1.06)
    return model


def drifting_textures() -> np.ndarray:
    """(12, 48, 56) uint8: smooth random textures that drift."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 1, 12, 14), np.float32))
    texture = torch.nn.functional.interpolate(coarse, (96, 112), mode="bicubic")[0, 0].numpy()
    stack = [np.roll(texture, (2 * t, 3 * t), (0, 1))[:48, :56] for t in range(12)]
    return np.clip(np.stack(stack) * 255, 0, 255).astype(np.uint8)


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one thread: tensors this small are slower on several, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
