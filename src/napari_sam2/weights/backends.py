"""Names of backends and of what they run on; imports no torch, so that menus can list them at once."""

from __future__ import annotations

import importlib.util

BACKENDS = ("auto", "torch", "openvino")


# How the address of a cluster begins, in the place of a device.
_ADDRESSES = ("tcp://", "tls://")


def is_address(device: str) -> bool:
    """Whether a device is the address of a Dask cluster."""
    return device.startswith(_ADDRESSES)


def available_backends() -> tuple[str, ...]:
    """Return what `napari_sam2.load_model` takes as its ``backend`` on this machine."""
    return tuple(name for name in BACKENDS if name != "openvino" or importlib.util.find_spec(name) is not None)


def choose_backend(backend: str, device: str) -> tuple[str, str]:
    """Resolve ``"auto"``, which is torch, and the device that a backend takes: (backend, device)."""
    if backend not in BACKENDS:
        raise ValueError(f"backend is one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend != "openvino":
        return "torch", device
    if device.partition(":")[0] not in ("auto", "cpu"):
        raise ValueError(f"backend 'openvino' runs on the CPU, not on {device!r}: take backend 'torch' there")
    return backend, "cpu" if device == "auto" else device
