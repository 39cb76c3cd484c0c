"""Where the models in use were loaded from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from napari_sam2.model.sam2 import Sam2

from .arithmetic import ArithmeticChoice
from .thread_choice import ThreadChoice


@dataclass(frozen=True)
class ModelSource:
    """Where a model was loaded from."""

    # Its name in the catalogue, where it was asked for by that.
    name: str | None
    # The file.
    path: Path
    # ``"torch"`` or ``"openvino"``.
    backend: str = "torch"
    # What ``dtype="auto"`` came to, where it was left to the CPU.
    arithmetic: ArithmeticChoice | None = None
    # Of a model on a cluster: the cluster's address and the worker's device, and the hash of the file there.
    address: str | None = None
    sha256: str | None = None
    # How many threads its frames are tracked on, on a CPU.
    threads: ThreadChoice | None = None


# Beside the models and not on them: a module's attributes would be copied and saved with it.
_SOURCES: WeakKeyDictionary[Sam2, ModelSource] = WeakKeyDictionary()


def note_source(model: Sam2, source: ModelSource) -> None:
    """Note where a model was loaded from."""
    _SOURCES[model] = source


def source_of(model: Sam2) -> ModelSource | None:
    """Look up where a model was loaded from.

    Result: none for a model that was built, or copied for fine-tuning.
    """
    return _SOURCES.get(model)


def device_of(model: Sam2) -> str:
    """Name what a model runs on: a device here, or the address of a cluster."""
    source = source_of(model)
    return str(model.device) if source is None or source.address is None else source.address
