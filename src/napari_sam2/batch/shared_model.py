"""A cache of loaded models, shared by the jobs of a process."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from napari_sam2.job.options import ModelOptions

if TYPE_CHECKING:
    from napari_sam2.model.sam2 import Sam2

# The threads of a worker would otherwise each load their own at the start.
_ONE_AT_A_TIME = Lock()


def shared_model(options: ModelOptions) -> Sam2:
    """Load a model, or give the one that was loaded with these options before, unless its file has changed."""
    with _ONE_AT_A_TIME:
        changed = options.file.stat().st_mtime_ns if options.file.exists() else 0
        return _load(options, changed)


# Two, for tables that alternate between models; more would fill the memory of a GPU.
@lru_cache(maxsize=2)
def _load(options: ModelOptions, _changed: int) -> Sam2:
    return options.load()
