"""Import of optional packages, with a message on how to install a missing one."""

from __future__ import annotations

import importlib
from typing import Any

# The extra of this package that brings each module, as in pyproject.toml.
_EXTRAS = {
    "av": "video",
    "bioimageio": "bioimageio",
    **dict.fromkeys(("bioio", "bioio_base", "bioio_czi", "bioio_lif", "bioio_nd2"), "bioio"),
    **dict.fromkeys(("dask", "distributed"), "distributed"),
    **dict.fromkeys(("geff", "geff_spec"), "geff"),
    "highdicom": "medical",
    "nibabel": "medical",
    **dict.fromkeys(("onnx", "onnxscript"), "onnx"),
    "openvino": "openvino",
    "pydicom": "medical",
    "transformers": "text",
    "zarr": "zarr",
}


class MissingExtraError(RuntimeError):
    """A package that is needed is not installed."""


def extra_of(module: str) -> str:
    """Name the extra of this package that installs a module."""
    return _EXTRAS[module.partition(".")[0]]


def load_extra(module: str, purpose: str) -> Any:
    """Import a module of an optional package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package, extra = module.partition(".")[0], extra_of(module)
        raise MissingExtraError(
            f'{purpose} takes the package {package}, which is not installed: pip install "napari-sam2[{extra}]"'
        ) from error
