"""A model on a worker, for a session here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from weakref import finalize

import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.precision import halve_products
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.model_parts import ModelParts, PartsSettings, tracking_rules
from napari_sam2.weights.catalog import BUNDLED_NAME, get_entry
from napari_sam2.weights.source import ModelSource, note_source

from .line import Line
from .model_actor import Loader
from .protocol import ModelThere
from .remote_parts import RemoteEncoder, RemoteFinder, RemotePredictor, RemoteTracker


class RemoteModel(Sam2):
    """Says what a model is like that is on a worker; its own parameters have no numbers."""

    def __init__(self, line: Line, there: ModelThere) -> None:
        with torch.device("meta"):
            super().__init__(there.config, there.options)
        mixed = there.dtype == "mixed"
        self.to(torch.float32 if mixed else getattr(torch, there.dtype)).requires_grad_(False)
        if mixed:
            halve_products(self)
        self.line, self.there = line, there
        finalize(self, line.close)

    @property
    def device(self) -> torch.device:
        """Where what comes from the worker is kept: in the main memory."""
        return torch.device("cpu")

    def parts(self, stack: Stack, settings: PartsSettings) -> ModelParts:
        """Make the parts of a session."""
        policy, zoom = tracking_rules(self, stack, settings)
        encoder = RemoteEncoder(self, stack, settings, self.line)
        tracker = RemoteTracker(encoder, policy, fill_hole_area=settings.fill_hole_area, zoom=zoom)
        return ModelParts(encoder, tracker, RemotePredictor(tracker), RemoteFinder(encoder))

    def __deepcopy__(self, _memo: object) -> NoReturn:
        """Refuse: the weights are not here."""
        raise ValueError(f"the model's weights are at {self.line.address}: load it on this computer to teach it")


def load_there(
    loader: Loader, address: str, name: str | None, checkpoint: Path | None, how: Mapping[str, Any]
) -> RemoteModel:
    """Load a model on a worker of a cluster.

    ``loader``: `napari_sam2.load_model`, which takes all the rest. ``checkpoint``: sent where the worker lacks it.
    """
    # A catalogued model has to be there.
    entry = get_entry(name or BUNDLED_NAME)
    named = {"name": entry.name} if checkpoint is None else {}
    line = Line(address, loader, {**named, **how}, checkpoint)
    model = RemoteModel(line, line.connect())
    source = ModelSource(
        name=entry.name if checkpoint is None else None,
        path=checkpoint or entry.path,
        backend=model.there.backend,
        address=address,
        sha256=model.there.sha256,
    )
    note_source(model, source)
    return model
