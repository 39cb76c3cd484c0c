"""Mixed precision where a device does it well."""

from __future__ import annotations

import torch


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and torch.backends.mkldnn.enabled:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def autocast(device: torch.device, *, bfloat16: bool) -> torch.autocast:
    """Context in which a network on the device computes in bfloat16, if asked to."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
