"""Presets (exact, balanced, fast): settings of a model that go together; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_sam2.model.config import DEFAULT_OPTIONS, InferenceOptions

# Below this, small objects are lost and a mask's grid is too coarse. Inputs are multiples of the step.
SMALLEST_INPUT, _STEP = 256, 32


@dataclass(frozen=True)
class Preset:
    """Settings that go together; any of them given by name wins."""

    # As the ``dtype`` of `load_model`.
    dtype: str
    # Side of the input as a share of the model's own, of which at least `SMALLEST_INPUT` pixels are left.
    input_share: float
    # What is attended to.
    options: InferenceOptions
    # Input size from which on memory maps are attended to by blocks of four cells. Those of smaller inputs are too
    # coarse for it.
    pooled_from: int | None = None

    def input_size(self, own: int) -> int:
        """Side of the input, in pixels, for a model whose own is given."""
        share = round(own * self.input_share / _STEP) * _STEP
        # Never larger than the model's own input, which may be small already.
        return min(own, max(share, SMALLEST_INPUT))

    def options_at(self, image_size: int) -> InferenceOptions:
        """What is attended to with an input of so many pixels a side."""
        if self.pooled_from is None or image_size < self.pooled_from:
            return self.options
        return replace(self.options, memory_cell=2)


PRESETS = {
    "exact": Preset("float32", 1.0, InferenceOptions("exact")),
    "balanced": Preset("auto", 1.0, DEFAULT_OPTIONS),
    "fast": Preset("auto", 0.5, InferenceOptions("fast", recent_memories=3, max_conditioning=4), pooled_from=512),
}
