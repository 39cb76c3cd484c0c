"""What was measured on: the machine and the versions."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

# Those that decide how fast it is; what is not installed is left out.
LIBRARIES = ("napari-sam2", "torch", "openvino", "transformers", "numpy")


def describe_machine() -> dict[str, Any]:
    """Name the processor, its memory, a GPU and the versions, for the head of a report."""
    processor = {
        "processor": _processor(),
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


def _processor() -> str:
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
