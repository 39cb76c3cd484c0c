"""Choice of the number of threads on a CPU, by measurement."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import torch

from napari_sam2.model.sam2 import Sam2
from napari_sam2.model.timing.thread_plan import ThreadPlan

from .arithmetic import describe_conditions, keep_seconds, kept_path, read_seconds
from .frame_times import time_frames

# Set by users, or by programs that start several of this one.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Up to this input size, in pixels, products are so small that more threads may be slower.
SMALL_INPUT = 512
# More threads are taken only where they are quicker by this factor: they are worth more to other programs.
WORTH_IT = 0.95
# What is measured while others have more than this share of the machine says nothing of an idle one.
MOST_BUSY = 0.2


@dataclass(frozen=True)
class ThreadChoice:
    """The number of threads that a model's frames are computed on."""

    plan: ThreadPlan | None
    # Why, in a few words.
    reason: str


def choose_threads(model: Sam2) -> ThreadChoice:
    """Choose the number of threads for a model on the CPU: those of PyTorch where someone has set them.

    It is measured once for each processor, version, size and arithmetic of model, and stored in the cache folder.
    """
    usual = torch.get_num_threads()
    if given := [name for name in THREAD_VARIABLES if os.environ.get(name)]:
        return ThreadChoice(None, f"{given[0]} says so")
    if usual not in _defaults():
        return ThreadChoice(None, "torch.set_num_threads says so")
    if usual == 1:
        return ThreadChoice(None, "there is one core")
    if model.config.image_size > SMALL_INPUT:
        return ThreadChoice(None, f"products of more than {SMALL_INPUT} px keep all threads busy")
    counts = sorted({usual, *(2**power for power in range(usual.bit_length()) if 2**power < usual)})
    names = tuple(map(str, counts))
    about = describe_conditions(model) | {"threads": counts}
    path = kept_path("threads", about)
    seconds = read_seconds(path, about, names)
    if seconds is None:
        busy, begun = _busy_seconds(), time.perf_counter()
        seconds = {str(count): taken for count, taken in time_frames(model, counts).items()}
        others = (_busy_seconds() - busy) / ((time.perf_counter() - begun) * (os.cpu_count() or 1))
        if others > MOST_BUSY:
            return ThreadChoice(None, f"PyTorch's own: other programs had {others:.0%} of the machine when measured")
        keep_seconds(path, about, seconds)
    return fewest(seconds, usual)


def fewest(seconds: Mapping[str, float], usual: int) -> ThreadChoice:
    """Choose the fewest threads that are about as quick as the quickest number of them."""
    counts = sorted(map(int, seconds))
    quickest = min(seconds.values())
    best = next(count for count in counts if WORTH_IT * seconds[str(count)] <= quickest)
    shown = ", ".join(f"{count} {seconds[str(count)] / seconds[str(usual)]:.2f}" for count in counts)
    return ThreadChoice(ThreadPlan(best, usual), f"measured, a frame takes {shown} times as long as on {usual}")


def _defaults() -> set[int | None]:
    # What PyTorch begins with: the cores, or what the system lets this process have of them.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {psutil.cpu_count(logical=False), psutil.cpu_count(), allowed}


def _busy_seconds() -> float:
    """Processor time that other programs have had since the machine was started."""
    spent, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return float(sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - own.user - own.system)
