"""Describe the machine and the versions of libraries."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import psutil
import torch

from napari_sam2.weights.arithmetic import processor_name

# Those that decide how fast it is; what is not installed is left out.
LIBRARIES = ("napari-sam2", "torch", "openvino", "transformers", "numpy")


def describe_machine() -> dict[str, Any]:
    """Name the processor, its memory, a GPU and the versions, for the head of a report."""
    processor = {
        "processor": processor_name(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
    }
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    system = {"system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    return processor | gpu | system | {"versions": _versions()}


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
