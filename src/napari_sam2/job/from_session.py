"""Job options from a saved session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2.weights.catalog import CATALOG

from .options import InputOptions, JobOptions, ModelOptions

if TYPE_CHECKING:
    from napari_sam2.storage.folder.schema import ModelRecord
    from napari_sam2.storage.read_job import SavedJob


def replayed(asked: JobOptions, saved: SavedJob) -> JobOptions:
    """Fill in a session's image, prompts and settings, and its model where no other was asked for."""
    return replace(
        asked,
        input=saved.image,
        given=saved.prompts,
        spans=tuple(saved.spans.items()),
        classes=tuple(saved.classes.items()),
        model=saved_model(asked.model, saved.model),
        part=InputOptions.of(saved.selection),
        # With several channels, the windows of the selection take the place of limits.
        contrast_limits=None if saved.selection.windows else saved.settings.get("contrast_limits"),
        fill_holes=saved.settings["fill_hole_area"],
        zoom=saved.settings["zoom"],
        memory=saved.settings["memory"],
    )


def saved_model(asked: ModelOptions, record: ModelRecord) -> ModelOptions:
    """Choose the model: what was asked for, else the session's own; ValueError if that came from no file."""
    if asked.model is not None or asked.checkpoint is not None:
        return asked
    from napari_sam2.storage.locate_inputs import model_arguments

    # Options at their defaults count as not chosen, and take the session's value.
    known = model_arguments(record)
    return replace(
        asked,
        model=known.name if known.name in CATALOG else None,
        checkpoint=None if known.name in CATALOG else known.file,
        dtype=known.dtype if asked.dtype == "auto" else asked.dtype,
        preset=known.preset if asked.preset == "balanced" else asked.preset,
        image_size=asked.image_size or known.image_size,
        # OpenVINO is for the CPU only: whoever asks for another device now does not want it.
        backend=known.backend if asked.backend == "auto" and asked.device in ("auto", "cpu") else asked.backend,
    )
