"""Time a piece of work, repeatedly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Patience:
    """When to stop repeating."""

    # Most repetitions.
    rounds: int
    # No further one is begun after so long.
    seconds: float


def synchronise(device: torch.device) -> None:
    """Wait until a GPU is done with what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that one run takes."""
    synchronise(device)
    begun = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - begun


def repeat(work: Callable[[], object], device: torch.device, *, patience: Patience) -> list[float]:
    """Run at least once, and return the seconds of each run. What a first run takes longer is the caller's business."""
    taken: list[float] = []
    while not taken or (len(taken) < patience.rounds and sum(taken) < patience.seconds):
        taken.append(seconds_of(work, device))
    return taken
