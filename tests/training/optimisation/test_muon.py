"""Steps of matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_sam2.training.optimisation.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (48, 48)])
def test_steps_are_those_of_pytorch_but_for_rounding(shape: tuple[int, int]) -> None:
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon to compare with")
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(shape, generator=generator)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    mine = Muon([{"params": [ours]}], lr=1e-2, weight_decay=0.1)
    known = torch.optim.Muon([theirs], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        gradient = torch.randn(shape, generator=generator)
        for weight, optimiser in ((ours, mine), (theirs, known)):
            weight.grad = gradient.clone()
            optimiser.step()
    assert (ours - first).norm() > 0.1
    # Theirs are computed in bfloat16.
    assert (ours - theirs).norm() < 0.02 * (ours - first).norm()


def test_singular_values_come_near_one() -> None:
    matrix = torch.randn(32, 80, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.6 < values.min() <= values.max() < 1.3
