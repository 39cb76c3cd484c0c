"""Data-parallel training: each process has batches of its own, gradients are averaged once per step."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import nn


def join() -> None:
    """Join the other processes where ``torchrun`` started several; do nothing otherwise."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        # Gradients are averaged where they are, single numbers on the CPU.
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    """Leave the group again, if there is one."""
    if dist.is_initialized():
        # Together: a process whose peers are gone while it still listens to them is ended by an error.
        dist.barrier()
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process; 0 where there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def from_first(value: float) -> float:
    """Return the first process's value in all of them."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)


def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over the processes."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
