"""Choice of float32 or mixed precision on a CPU, by measurement."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from napari_sam2.data.files.atomic_files import replacing
from napari_sam2.model.cpu_kernels import has_onednn, takes_bfloat16
from napari_sam2.model.precision import ARITHMETICS
from napari_sam2.model.sam2 import Sam2
from napari_sam2.model.timing.product_times import time_products

from .catalog import cache_dir

logger = logging.getLogger(__name__)

CPU_DTYPE_VARIABLE = "NAPARI_SAM2_CPU_DTYPE"
# What is measured to be quicker by less may as well be slower in the next run; then it is not worth any rounding.
WORTH_IT = 0.95


@dataclass(frozen=True)
class ArithmeticChoice:
    """The arithmetic that ``dtype="auto"`` chose on a CPU."""

    # ``"float32"`` or ``"mixed"``.
    dtype: str
    # Why, in a few words.
    reason: str
    # For the large products of a frame, by arithmetic; empty where nothing was measured.
    seconds: Mapping[str, float]


def choose_arithmetic(model: Sam2) -> ArithmeticChoice:
    """Choose the arithmetic of a model's large products.

    The environment variable ``NAPARI_SAM2_CPU_DTYPE`` decides where it is set; otherwise what is quickest. That is
    measured once for each processor, version and size of model, and stored in the cache folder.
    """
    given = os.environ.get(CPU_DTYPE_VARIABLE)
    if given:
        if given not in ARITHMETICS:
            raise ValueError(
                f"{CPU_DTYPE_VARIABLE} is one of {', '.join(ARITHMETICS)}, got {given!r}: set it so or unset it"
            )
        return ArithmeticChoice(given, f"{CPU_DTYPE_VARIABLE} says so", {})
    names = available_arithmetics()
    if len(names) == 1:
        return ArithmeticChoice(names[0], "PyTorch has no other quick products on this processor", {})
    # Measuring takes seconds: what was measured under the same conditions is read again.
    about = describe_conditions(model)
    path = kept_path("arithmetic", about)
    seconds = read_seconds(path, about, names)
    if seconds is None:
        seconds = time_products(model, names)
        keep_seconds(path, about, seconds)
    return quickest(seconds)


def available_arithmetics() -> tuple[str, ...]:
    """Return those that may be quick on this processor, float32 first."""
    # Without instructions for it, bfloat16 is emulated and many times slower: not worth measuring.
    quick = {"float32": True, "mixed": has_onednn() and takes_bfloat16()}
    return tuple(name for name in ARITHMETICS if quick[name])


def quickest(seconds: Mapping[str, float]) -> ArithmeticChoice:
    """Choose by seconds; float32 unless another is clearly quicker."""
    name = min(seconds, key=seconds.__getitem__)
    if seconds[name] > WORTH_IT * seconds["float32"]:
        name = "float32"
    # As ratios: other programs that were at work then changed the seconds more.
    shown = ", ".join(f"{other} {taken / seconds['float32']:.2f}" for other, taken in seconds.items())
    return ArithmeticChoice(
        name, f"measured, the large products of a frame take {shown} times as long as float32", seconds
    )


def describe_conditions(model: Sam2) -> dict[str, Any]:
    """Everything that the times depend on; the folder may be shared by machines."""
    # Before PyTorch 2.6, PyTorch does not list instructions in detail.
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    instructions = (torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA", ""))
    return {
        "processor": processor_name(),
        "instructions": [*instructions, *sorted(name for name, here in found.items() if here is True)],
        "versions": [version("napari-sam2"), torch.__version__],
        "model": [repr(model.config), repr(model.options)],
    }


@lru_cache(maxsize=1)
def processor_name() -> str:
    """Name of this machine's processor, by its maker where the system knows it."""
    # Python's own function gives only the architecture on Linux and macOS.
    table = Path("/proc/cpuinfo")
    if table.is_file():
        lines = (line.partition(":") for line in table.read_text(encoding="utf-8").splitlines())
        names = [value.strip() for key, _, value in lines if key.strip() == "model name"]
        if names:
            return names[0]
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def kept_path(kind: str, about: Mapping[str, Any]) -> Path:
    """Where seconds of a kind that were measured under some conditions are stored."""
    return cache_dir() / kind / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]}.json"


def read_seconds(path: Path, about: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float] | None:
    """Return the stored seconds; ``None`` where there are none for these conditions."""
    try:
        # The conditions are stored as well as hashed: a file from elsewhere is noticed.
        kept = json.loads(path.read_text(encoding="utf-8"))
        seconds = {name: float(kept["seconds"][name]) for name in names}
        fits = kept["about"] == about and all(math.isfinite(taken) and taken > 0 for taken in seconds.values())
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return seconds if fits else None


def keep_seconds(path: Path, about: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
    """Store seconds for these conditions, where that is possible."""
    content = {"about": about, "seconds": seconds}
    try:
        # Several programs may start and measure together.
        with replacing(path) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        logger.info("what was measured is not kept, and is measured again next time: %s", error)
