"""Estimates how much memory tracking will take, and warns before it starts where that is much."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from napari_sam2.plugin.layers.labels_on_disk import is_in_memory

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam2.plugin.layers.layer_frames import LayerFrames

    from .controller import Controller

# Share of the free memory. A user wants to know when half of what is free is going to be taken.
_MUCH = 0.5
# Labels of this size are offered a place on disk.
_LARGE_LABELS = 2**30
# Bytes of a pixel in a new Labels layer, which is uint16 for all but very many objects.
_LABEL_BYTES = 2


@dataclass(frozen=True)
class Budget:
    """What tracking takes, and what there is."""

    # Bytes for tracking, where the model is.
    needed: int
    # Bytes free there.
    free: int
    # Bytes that the Labels layer can come to take in main memory; 0 where it is on disk.
    labels: int

    @property
    def text(self) -> str:
        """For the user; empty where there is enough of everything."""
        parts = []
        if self.needed > _MUCH * self.free:
            advice = "it may not be enough: track fewer objects, or choose a smaller model or preset"
            ends = advice if self.needed > self.free else "that is enough"
            parts.append(f"Tracking takes about {_size(self.needed)} of memory. {_size(self.free)} are free; {ends}.")
        if self.labels_are_large:
            parts.append(f"The labels of this stack take up to {_size(self.labels)}; they can be kept on disk.")
        return " ".join(parts)

    @property
    def labels_are_large(self) -> bool:
        """Whether a place on disk should be offered."""
        return self.labels >= _LARGE_LABELS


def budget_of(controller: Controller, space: LayerFrames, labels: Labels | None) -> Budget:
    """Estimate what tracking on a stack is going to take."""
    from napari_sam2.session.memory_estimate import estimate_memory, free_memory
    from napari_sam2.session.steps.history import MAX_STEPS
    from napari_sam2.weights.backends import is_address
    from napari_sam2.weights.source import device_of

    model, prompts = controller.model, controller.edits.prompts.drawings
    # Prompts are counted as they are in the layers, sent or not; the estimate assumes one object where there is none
    # yet.
    objects = len({place.object_id for place in prompts}) or 1
    frames = -(-len(prompts) // objects) or 1
    stack = controller.workspace.stacks[space][0]
    frame_bytes = stack.height * stack.width * stack.dtype.itemsize * (3 if stack.is_rgb else 1)
    estimate = estimate_memory(
        model, space.stack_shape, objects, frame_bytes=frame_bytes, prompted_frames=min(frames, space.n_frames)
    )
    in_memory = labels is None or is_in_memory(labels)
    # What a model elsewhere takes, it takes there.
    needed = 0 if is_address(device_of(model)) else estimate.with_undo(MAX_STEPS).total
    return Budget(needed, free_memory(model.device), _LABEL_BYTES * prod(space.shape) if in_memory else 0)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
