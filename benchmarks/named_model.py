"""The model that a benchmark's ``--model`` names."""

from __future__ import annotations

from napari_sam2 import load_model
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.catalog import CATALOG


def named_model(model: str) -> Sam2:
    """Load weights by their name in the catalogue, or from a file."""
    return load_model(model) if model in CATALOG else load_model(checkpoint=model)
