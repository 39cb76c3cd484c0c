"""How near the encoder and the memory attention come to the products they are made of.

``python benchmarks/near_machine.py [--variant VARIANT] [--dtype float32] [--turns 3] [--threads 1]`` prints the time of
both as a multiple of what their own products would take at the speed of the best one measured in the same turn: of one
thread the processor time, of more the time by the clock, which only an idle machine tells. With
``ONEDNN_MAX_CPU_ISA`` and ``ATEN_CPU_CAPABILITY`` in the environment it measures what a lesser processor would do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_sam2.benchmark.models import stand_in
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.cpu_kernels import linear
from napari_sam2.model.sam2 import PointerMemory, Sam2, SpatialMemory

# Rows, channels in, channels out: layers of the encoder and of the memory attention, and a large square.
PRODUCTS = ((4096, 1536, 384), (2048, 384, 1536), (4096, 2048, 256), (2048, 2048, 2048))


def steps(model: Sam2) -> dict[str, Callable[[], object]]:
    """The encoder, and the attention to seven maps and sixteen pointers."""
    config = model.config
    size, grid, generator = config.image_size, config.grid_size, torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8, generator=generator)
    maps = torch.randn(config.num_memories, 1, config.memory_dim, grid, grid, generator=generator)
    pointers = torch.randn(config.max_object_pointers, 1, config.d_model, generator=generator)
    return {
        "encoder": partial(model.encode_image, image),
        "memory attention": partial(
            model.condition,
            model.encode_image(image),
            [SpatialMemory(one, slot) for slot, one in enumerate(maps)],
            pointers=[PointerMemory(one, distance + 1) for distance, one in enumerate(pointers)],
        ),
    }


def operations(step: Callable[[], object]) -> int:
    """Count what the products of a step multiply and add, two for each pair."""

    def of_linear(x: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
        return 2 * x.numel() * weight[0]

    def of_attention(q_bhnc: torch.Size, k_bhnc: torch.Size, *_: Any, **__: Any) -> int:
        return 4 * q_bhnc.numel() * k_bhnc[2]

    counted = {
        torch.ops.mkldnn._linear_pointwise: of_linear,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: of_attention,
    }
    with FlopCounterMode(display=False, custom_mapping=counted) as counter:
        step()
    return counter.get_total_flops()


def seconds_of(run: Callable[[], object]) -> float:
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    run()
    return clock() - begun


def best_product(dtype: torch.dtype) -> float:
    """Operations a second of the quickest of some layers."""
    speeds = []
    for rows, channels_in, channels_out in PRODUCTS:
        x, weight = (torch.ones(n, channels_in, dtype=dtype) for n in (rows, channels_out))
        taken = min(seconds_of(partial(linear, x, weight, None)) for _ in range(3))
        speeds.append(2 * rows * channels_in * channels_out / taken)
    return max(speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="sam2.1_hiera_tiny", choices=CONFIGS)
    parser.add_argument("--dtype", default="float32", choices=("float32", "mixed"))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = stand_in(options.variant, preset="exact", dtype=options.dtype, device="cpu")
    dtype = torch.bfloat16 if options.dtype == "mixed" else torch.float32
    with torch.inference_mode():
        runs = steps(model)
        counts = {name: operations(run) for name, run in runs.items()}
        turns = [
            (best_product(dtype), {name: seconds_of(run) for name, run in runs.items()}) for _ in range(options.turns)
        ]
    speed = statistics.median(best for best, _ in turns)
    sys.stdout.write(f"{options.variant}, {options.dtype}; best product {speed / 1e9:.0f} GFLOP/s\n")
    for name, count in counts.items():
        ratio = statistics.median(taken[name] * best / count for best, taken in turns)
        middle = statistics.median(taken[name] for _, taken in turns)
        sys.stdout.write(f"{name}: {count / 1e9:.0f} GFLOP, {1000 * middle:.0f} ms, {ratio:.2f} times its products\n")


if __name__ == "__main__":
    main()
