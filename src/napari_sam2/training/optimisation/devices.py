"""Device and precision of a run."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from napari_sam2.model.cpu_kernels import takes_bfloat16
from napari_sam2.weights.load import choose_device


def training_device(name: str) -> torch.device:
    """Resolve a device's name; of several GPUs, each process that ``torchrun`` started takes its own."""
    device = choose_device(name)
    if device.type == "cuda":
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        # What the processes exchange goes by the current device.
        torch.cuda.set_device(device)
    return device


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device; to a GPU without waiting for what it is doing."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and takes_bfloat16()


def autocast(device: torch.device, *, bfloat16: bool) -> torch.autocast:
    """Context in which a network on the device computes in bfloat16, if asked to and where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16 and fast_bfloat16(device))
