"""Whether int8 products pay: layers of real sizes in float32, bfloat16 and int8, in turns on one thread.

``python benchmarks/compare_products.py`` prints a table of times as multiples of float32; "int8, in parts" takes
as many rows at a time as stay in the cache; "int8, product alone" leaves out what turns activations into int8, a scale
for each token, and the result back. With ``ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI``, or ``AVX2_VNNI`` together with
``ATEN_CPU_CAPABILITY=avx2``, in the environment it measures what a lesser processor would do.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from napari_sam2.model.cpu_kernels import linear, takes_bfloat16

ROUNDS = 7
# Rows of so many bytes go together where they go in parts: they stay in the cache of one core.
PART_BYTES = 2**20
# Rows, channels in, channels out.
LAYERS = {
    "nano, encoder, stage 1": (9216, 48, 192),
    "nano, encoder, stage 2": (2304, 96, 384),
    "nano, encoder, stage 3": (576, 192, 768),
    "nano, encoder, stage 3, back": (576, 768, 192),
    "nano, memory keys": (4096, 64, 128),
    "nano, memory feed-forward": (576, 128, 512),
    "tiny, encoder, stage 1": (65536, 96, 384),
    "tiny, encoder, stage 2": (16384, 192, 768),
    "tiny, encoder, stage 3": (4096, 384, 1536),
    "tiny, encoder, stage 3, back": (4096, 1536, 384),
    "tiny, memory keys": (28736, 64, 256),
    "tiny, memory feed-forward": (4096, 256, 2048),
    "tiny, memory feed-forward, back": (4096, 2048, 256),
}


def products(rows: int, channels_in: int, channels_out: int) -> dict[str, Callable[[], Tensor]]:
    """The same layer in each arithmetic, from float32 to float32."""
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(*shape, generator=generator)
        for shape in ((rows, channels_in), (channels_out, channels_in), (channels_out,))
    )
    halved = weight.bfloat16(), bias.bfloat16()
    # One scale for each output channel; activations are unsigned, around 128.
    scales = weight.abs().amax(dim=1) / 127
    small = (weight / scales[:, None]).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(small, None)
    zeros = torch.zeros(channels_out, dtype=torch.long)

    def quantised(part: Tensor) -> tuple[Tensor, Tensor]:
        steps = part.abs().amax(dim=1, keepdim=True) / 127
        return steps, (part / steps).add_(128.5).to(torch.uint8)

    def product(counts: Tensor) -> Tensor:
        rest = (1.0, 128, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")
        return torch.ops.onednn.qlinear_pointwise(counts, *rest)

    def whole(together: int = rows) -> Tensor:
        parts = ((steps, product(counts)) for steps, counts in map(quantised, x.split(together)))
        outs = [torch.addcmul(bias, out, steps) for steps, out in parts]
        return outs[0] if len(outs) == 1 else torch.cat(outs)

    _, ready = quantised(x)
    together = max(PART_BYTES // (4 * max(channels_in, channels_out)), 64)
    made = {"float32": lambda: linear(x, weight, bias)}
    if takes_bfloat16():
        made["bfloat16"] = lambda: linear(x, *halved).float()
    return made | {
        "int8": whole,
        "int8, in parts": lambda: whole(together),
        "int8, product alone": lambda: product(ready),
    }


def main() -> None:
    torch.set_num_threads(1)
    kinds = ["float32", "bfloat16", "int8", "int8, in parts", "int8, product alone"]
    sys.stdout.write(f"| layer | {' | '.join(kinds)} | float32, ms |\n|---|{'---:|' * (len(kinds) + 1)}\n")
    with torch.inference_mode():
        for name, sizes in LAYERS.items():
            runs = products(*sizes)
            wanted, found = runs["float32"](), runs["int8"]()
            # Without VNNI, sums of two products of 8 bits overflow.
            wrong = set(kinds[2:]) if (wanted - found).norm() > 0.02 * wanted.norm() else set()
            seconds: dict[str, list[float]] = {kind: [] for kind in runs}
            for _ in range(ROUNDS):
                for kind, run in runs.items():
                    begun = time.thread_time()
                    run()
                    seconds[kind].append(time.thread_time() - begun)
            medians = {kind: statistics.median(taken) for kind, taken in seconds.items()}
            shown = (
                "wrong" if kind in wrong else f"{medians[kind] / medians['float32']:.2f}" if kind in medians else "-"
                for kind in kinds
            )
            sys.stdout.write(f"| {name} | {' | '.join(shown)} | {1000 * medians['float32']:.2f} |\n")


if __name__ == "__main__":
    main()
