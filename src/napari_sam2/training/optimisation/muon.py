"""Muon: momentum whose steps are made orthogonal, for weight matrices (Jordan et al. 2024; Liu et al. 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
# Of the iteration's polynomial, which brings all singular values near one in so many rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5
# An orthogonal step times this share of the longer side's root is as large as one of AdamW.
SIZE = 0.2


class Muon(torch.optim.Optimizer):
    """Muon in float32.

    PyTorch's own takes its products in bfloat16, and processors that have none take many times as long for them as for
    everything else in a training step.
    """

    def __init__(self, params: Iterable[dict[str, Any]], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step along the gradients that there are."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"]
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                # Nesterov's: the gradient is counted once more.
                update = orthogonal(weight.grad.lerp(momentum, MOMENTUM))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * SIZE * math.sqrt(max(weight.shape)))
        return loss


def orthogonal(matrix: Tensor) -> Tensor:
    """Bring the singular values of a matrix near one, by Newton-Schulz iteration."""
    linear, cubic, quintic = COEFFICIENTS
    # The smaller square is multiplied.
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.float().T if is_tall else matrix.float()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = linear * x + (cubic * square + quintic * square @ square) @ x
    return x.T if is_tall else x
