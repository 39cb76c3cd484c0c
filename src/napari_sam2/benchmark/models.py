"""Models of random weights, which take just as long as trained ones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.weights.load import load_model, save_checkpoint


def stand_in(variant: str, **options: Any) -> Sam2:
    """Load a model of random weights, the same every time, as `load_model` would load a real one."""
    if variant not in CONFIGS:
        raise ValueError(f"there is no variant {variant!r}; there are {', '.join(CONFIGS)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stand-in.pt")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_checkpoint(build_sam2(CONFIGS[variant]), path)
        # Through a file, so that whatever is done to a model on loading is done to this one.
        return load_model(checkpoint=path, **options)
