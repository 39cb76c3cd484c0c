"""Track objects through video and z-stacks with SAM 2, in napari and without it.

``load_model`` and ``Session`` are all it takes. They are imported when first asked for: napari imports this package at
its own start, which must not wait for torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session.results.frame_result import FrameResult
    from napari_sam2.session.session import Session
    from napari_sam2.weights.load import load_model, save_checkpoint

# PyTorch's threads wait for each other at every product, and would keep their cores busy while they wait: for up to 15
# milliseconds with GNU's OpenMP, 200 with Intel's and LLVM's. Beside other programs that makes a frame many times as
# long. What a user has set stays, and it counts only where PyTorch is not loaded yet.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
    os.environ |= {"GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "1"}

try:
    from ._version import __version__
except ModuleNotFoundError:  # a source tree that was never installed or built
    __version__ = "0+unknown"

__all__ = ["FrameResult", "Session", "__version__", "load_model", "save_checkpoint"]

_HOMES = {
    "FrameResult": "session.results.frame_result",
    "Session": "session.session",
    "load_model": "weights.load",
    "save_checkpoint": "weights.load",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
