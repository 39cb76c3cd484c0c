"""The parts of a session that run the model: made here, or by a model that runs elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.population.finder import ObjectFinder
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.tracking.frame_tracker import FrameTracker
from napari_sam2.session.tracking.memory.choice import memory_rule
from napari_sam2.session.tracking.memory.policies import make_policy
from napari_sam2.session.tracking.memory.policy import MemoryPolicy
from napari_sam2.session.zoom.crop_size import Zoom, make_zoom


@dataclass(frozen=True)
class PartsSettings:
    """What the parts have to know beside the model and the frames; plain values."""

    contrast_limits: Sequence[float] | None = None
    fill_hole_area: int = 8
    zoom: str | float = "auto"
    memory: str = "standard"
    cache_bytes: int | None = None
    cache_folder: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class ModelParts:
    """From frames to masks; each uses the one before."""

    # Features of frames, tracking with memories, answers to prompts, and objects without prompts.
    encoder: FrameEncoder
    tracker: FrameTracker
    answerer: PromptPredictor
    finder: ObjectFinder


@runtime_checkable
class RunsElsewhere(Protocol):
    """A model that is not in this process."""

    def parts(self, stack: Stack, settings: PartsSettings) -> ModelParts:
        """Make parts that hand over what there is to be computed."""


def tracking_rules(model: Sam2, stack: Stack, settings: PartsSettings) -> tuple[MemoryPolicy, Zoom | None]:
    """Which memories a frame attends to, and how crops are chosen; ``ValueError`` where the settings name none."""
    zoom = make_zoom(settings.zoom, model.config.image_size)
    return make_policy(settings.memory, memory_rule(model), axis=stack.axis), zoom


def make_parts(model: Sam2, stack: Stack, settings: PartsSettings) -> ModelParts:
    """Make the parts for a stack."""
    if isinstance(model, RunsElsewhere):
        return model.parts(stack, settings)
    # Settings are checked before a folder is made.
    policy, zoom = tracking_rules(model, stack, settings)
    encoder = FrameEncoder(
        model,
        stack,
        contrast_limits=settings.contrast_limits,
        cache_bytes=settings.cache_bytes,
        cache_folder=settings.cache_folder,
    )
    tracker = FrameTracker(encoder, policy, fill_hole_area=settings.fill_hole_area, zoom=zoom)
    return ModelParts(encoder, tracker, PromptPredictor(tracker), ObjectFinder(encoder))
