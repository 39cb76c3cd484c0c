"""The number of CPU threads for a piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class ThreadPlan:
    """How many threads a model's frames are quickest on."""

    best: int
    # What PyTorch had when that was found out; any other number has been set by someone, and stays.
    usual: int


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on so many threads until the context is left."""
    usual = torch.get_num_threads()
    if count == usual:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@contextmanager
def as_planned(plan: ThreadPlan | None) -> Iterator[None]:
    """Compute on as many threads as a plan says; on those there are without one, or where someone has set them."""
    usual = torch.get_num_threads()
    with on_threads(usual if plan is None or plan.usual != usual else plan.best):
        yield
