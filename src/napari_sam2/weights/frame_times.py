"""How long a frame takes on some numbers of CPU threads."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from napari_sam2.model.sam2 import PointerMemory, Sam2, SpatialMemory
from napari_sam2.model.timing.thread_plan import on_threads

# Rounds go on for so long, after one that makes the kernels.
SECONDS, FEWEST_ROUNDS = 0.3, 2


def time_frames(model: Sam2, counts: Sequence[int]) -> dict[int, float]:
    """Encode a frame and condition it on a full memory, on some numbers of threads in turns: best seconds of each."""
    best, begun, rounds = dict.fromkeys(counts, float("inf")), time.perf_counter(), 0
    while rounds < FEWEST_ROUNDS or time.perf_counter() - begun < SECONDS:
        for count in counts:
            with on_threads(count):
                best[count] = min(best[count], _frame_seconds(model))
        rounds += 1
    return best


@torch.inference_mode()
def _frame_seconds(model: Sam2) -> float:
    config, device = model.config, model.device
    numbers = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, config.image_size, config.image_size), generator=numbers, dtype=torch.uint8)
    memory = torch.randn(1, config.memory_dim, config.grid_size, config.grid_size, generator=numbers)
    recent = config.num_memories - 1 if model.options.recent_memories is None else model.options.recent_memories
    memories = [SpatialMemory(memory.to(device, model.dtype), slot) for slot in range(recent + 1)]
    pointers = [PointerMemory(torch.zeros(1, config.d_model), 1)]
    begun = time.perf_counter()
    model.condition(model.encode_image(image.to(device)), memories, pointers=pointers)
    return time.perf_counter() - begun
