"""Presets: settings of a model that go together. No torch, so that they can be listed before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    pooled_from : int or None
        Input size from which on memory maps are attended to by blocks of four cells. Those of smaller inputs are too
        coarse for it.
    """

    dtype: str
    largest_input: int | None
    options: InferenceOptions
    pooled_from: int | None = None

    def options_at(self, image_size: int) -> InferenceOptions:
        """What is attended to with an input of so many pixels a side."""
        if self.pooled_from is None or image_size < self.pooled_from:
            return self.options
        return replace(self.options, memory_cell=2)


PRESETS = {
    "exact": Preset("float32", None, InferenceOptions("exact")),
    "balanced": Preset("auto", None, DEFAULT_OPTIONS),
    "fast": Preset("auto", 512, InferenceOptions("fast", recent_memories=3, max_conditioning=4), pooled_from=512),
}
