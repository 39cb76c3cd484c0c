"""The free memory of the device that a model runs on."""

from __future__ import annotations

import psutil
import torch


def free_memory(device: torch.device) -> int:
    """Measure how many bytes of memory are free where a model runs.

    ``device``: of the model. Devices that share the main memory count as such.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    # Also right for devices that share the main memory, as Apple's do; available counts what the system can give back.
    return int(psutil.virtual_memory().available)
