"""Compile, load and run networks with OpenVINO."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from napari_sam2.data.files.optional_packages import load_extra

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Keep the part of OpenVINO out that reports to its makers, by way of the network, how it is used."""
    modules: dict[str, Any] = sys.modules
    if _TELEMETRY in modules:
        yield
        return
    # Python takes what is None here for a package that is not installed, and OpenVINO does without that one.
    modules[_TELEMETRY] = None
    try:
        yield
    finally:
        del modules[_TELEMETRY]


class Network:
    """A compiled network with one input and fixed shapes, to be called with a tensor from any thread."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        self.input_shape = torch.Size(compiled.input(0).shape)

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs, in the dtype of the input."""
        pixels = x.detach().float().contiguous().numpy()
        with self._lock:
            # The answers lie in memory that the next call writes to, so they are copied before the lock is given up.
            answers = self._request.infer([pixels], share_inputs=True, share_outputs=True)
            return tuple(torch.from_numpy(array).to(x.dtype, copy=True) for array in answers.values())

    def export(self) -> bytes:
        """Give the network as bytes; what it was compiled from need not be at hand to read them."""
        content: bytes = self._compiled.export_model().getvalue()
        return content


class Compiler:
    """Compiles networks for this machine's CPU, to run with as many threads as PyTorch."""

    def __init__(self, dtype: torch.dtype) -> None:
        with without_telemetry():
            self._openvino = load_extra("openvino", 'backend="openvino"')
        self._core = self._openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Threads bound to cores get in the way of PyTorch's, and of other programs that bind theirs to the same.
            "ENABLE_CPU_PINNING": False,
        }

    @property
    def version(self) -> str:
        """Version of OpenVINO, to the build."""
        return str(self._openvino.get_version())

    def compile(self, module: nn.Module, example: Tensor) -> Network:
        """Convert and compile a module with float32 weights, for inputs of the example's shape."""
        # The converter is loaded when it is first called.
        with without_telemetry(), warnings.catch_warnings(), torch.no_grad():
            # What the converter calls is about to change in PyTorch; nobody who runs this can do anything about it.
            warnings.simplefilter("ignore")
            converted = self._openvino.convert_model(torch.export.export(module, (example,)))
        converted.reshape(list(example.shape))
        return Network(self._core.compile_model(converted, "CPU", self._settings))

    def load(self, content: bytes) -> Network | None:
        """Read what `Network.export` gave; ``None`` if another version, or one for another kind of CPU, wrote it."""
        try:
            return Network(self._core.import_model(content, "CPU", self._settings))
        except RuntimeError:
            return None
