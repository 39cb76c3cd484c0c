"""Presets: settings of a model that go together. No torch, so that they can be listed before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.model.config import DEFAULT_OPTIONS, InferenceOptions


@dataclass(frozen=True)
class Preset:
    """Settings that go together; any of them given by name wins.

    Attributes
    ----------
    dtype : str
        As the ``dtype`` of `load_model`.
    largest_input : int or None
        Upper bound of the input size.
    options : InferenceOptions
        What is attended to.
    """

    dtype: str
    largest_input: int | None
    options: InferenceOptions


PRESETS = {
    "exact": Preset("float32", None, InferenceOptions("exact")),
    "balanced": Preset("auto", None, DEFAULT_OPTIONS),
    "fast": Preset("auto", 512, InferenceOptions("fast", recent_memories=3, max_conditioning=4)),
}
