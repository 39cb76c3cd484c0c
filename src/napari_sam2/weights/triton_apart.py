"""Triton, which PyTorch's compiler brings on Linux, beside a window that Mesa draws."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


def load_triton_apart() -> None:
    """Import Triton so that it keeps to its own LLVM.

    Mesa brings another one. Where a window was drawn first, Triton would call that, and the whole program would end.
    PyTorch imports Triton by itself, such as for an optimiser.
    """
    has_window = any(name in sys.modules for name in _QT_BINDINGS)
    if sys.platform != "linux" or not has_window or "triton" in sys.modules or find_spec("triton") is None:
        return
    usual = sys.getdlopenflags()
    sys.setdlopenflags(usual | os.RTLD_DEEPBIND)
    try:
        # PyTorch does without one that is broken.
        with suppress(ImportError):
            import_module("triton")
    finally:
        sys.setdlopenflags(usual)
