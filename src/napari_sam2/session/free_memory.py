"""How much memory there is for tracking."""

from __future__ import annotations

import psutil
import torch


def free_memory(device: torch.device) -> int:
    """Say how many bytes of memory are free where a model runs.

    ``device``: of the model. Devices that share the main memory count as such.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
