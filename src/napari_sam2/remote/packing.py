"""Arrays, memories and prompts as they go over the line: compressed without loss, laid out on arrival as they were."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.tracking.memory_bank import FrameMemory

# Less is sent as it is.
_LEAST_BYTES = 1024


@dataclass(frozen=True)
class PackedArray:
    """An array, compressed where that is worth it."""

    shape: tuple[int, ...]
    dtype: str
    data: bytes
    is_compressed: bool

    @classmethod
    def of(cls, array: NDArray[Any]) -> PackedArray:
        """Pack an array."""
        raw = np.ascontiguousarray(array)
        small = raw.nbytes < _LEAST_BYTES
        data = raw.tobytes() if small else _compressed(raw)
        return cls(array.shape, raw.dtype.str, data, is_compressed=not small)

    def unpack(self) -> NDArray[Any]:
        """The array, the caller's to change."""
        data = imagecodecs.blosc_decode(self.data) if self.is_compressed else self.data
        return np.frombuffer(data, np.dtype(self.dtype)).reshape(self.shape).copy()


def _compressed(array: NDArray[Any]) -> bytes:
    # The bytes of equal weight together: exponents compress, the last bits of fractions do not. As fast as copying.
    return bytes(
        imagecodecs.blosc_encode(array.tobytes(), level=1, compressor="lz4", shuffle=1, typesize=array.itemsize)
    )


@dataclass(frozen=True)
class PackedTensor:
    """A tensor."""

    array: PackedArray
    # Of the numbers; NumPy does not know all types.
    dtype: str
    # Whether channels are last in memory: with the same numbers in another order, kernels sum in another order.
    channels_last: bool

    @classmethod
    def of(cls, tensor: Tensor) -> PackedTensor:
        """Pack a tensor."""
        plain = tensor.is_contiguous()
        last = tensor.ndim == 4 and not plain and tensor.is_contiguous(memory_format=torch.channels_last)
        laid = (tensor.permute(0, 2, 3, 1) if last else tensor).detach().cpu().contiguous()
        numbers = laid.view(torch.int16) if laid.dtype == torch.bfloat16 else laid
        return cls(PackedArray.of(numbers.numpy()), str(tensor.dtype).removeprefix("torch."), last)

    def unpack(self, device: torch.device) -> Tensor:
        """The tensor on a device."""
        # A copy of torch's own: where numbers begin, kernels may take another order of sums than where theirs do.
        numbers = torch.from_numpy(self.array.unpack()).view(getattr(torch, self.dtype))
        laid = numbers.to(device, copy=True)
        return laid.permute(0, 3, 1, 2) if self.channels_last else laid


def pack(value: FrameMemory | Prompt) -> dict[str, Any]:
    """The fields of a memory or prompt, tensors and arrays packed; how a prompt was drawn stays here."""
    names = [field.name for field in fields(value) if field.name != "drawing"]
    return {name: _packed(getattr(value, name)) for name in names}


def _packed(part: Any) -> Any:
    if isinstance(part, Tensor):
        return PackedTensor.of(part)
    return PackedArray.of(part) if isinstance(part, np.ndarray) else part


def unpack_memory(packed: dict[str, Any], device: torch.device) -> FrameMemory:
    """The memory of packed fields."""
    parts: dict[str, Any] = {name: x.unpack(device) if isinstance(x, PackedTensor) else x for name, x in packed.items()}
    return FrameMemory(**parts)


def unpack_prompt(packed: dict[str, Any]) -> Prompt:
    """The prompt of packed fields."""
    parts: dict[str, Any] = {name: x.unpack() if isinstance(x, PackedArray) else x for name, x in packed.items()}
    return Prompt(**parts)
