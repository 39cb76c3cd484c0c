"""Running out of memory is recognised whoever says it, and the widget and the command line agree."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch

from napari_sam2.data.files.out_of_memory import is_out_of_memory
from napari_sam2.job.errors import describe_error
from napari_sam2.plugin.error_text import explain


def raised(ask: type[np.ndarray] | type[torch.Tensor]) -> Exception:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        np.empty(2**60, np.uint8) if ask is np.ndarray else torch.empty(2**50)
    return caught.value


def caused_by(cause: Exception) -> ValueError:
    try:
        raise ValueError("frame 3 of scan.nii.gz cannot be read") from cause
    except ValueError as error:
        return error


OUT_OF_MEMORY = [
    MemoryError(),
    raised(np.ndarray),
    raised(torch.Tensor),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    OSError(errno.ENOMEM, "Nicht genügend Hauptspeicher verfügbar"),
    RuntimeError("mmap: Cannot allocate memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("MPS backend out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    RuntimeError("std::bad_alloc"),
    caused_by(MemoryError()),
    caused_by(OSError(errno.ENOMEM, "Mémoire insuffisante")),
]
OTHERS = [
    RuntimeError("no such operator"),
    ValueError("frame 3 holds 2 values that are NaN"),
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    caused_by(OSError(errno.EIO, os.strerror(errno.EIO))),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_out_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    line = describe_error(error)
    assert line is not None and line.startswith("out of memory (") and "--preset fast" in line
    assert explain(error).startswith("SAM 2 ran out of memory.")


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert "memory" not in (describe_error(error) or "")
    assert "memory" not in explain(error)
