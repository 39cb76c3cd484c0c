"""J and F of tracking into the held-out frames of labelled stacks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from napari_sam2.evaluation.metrics import boundary_accuracy, region_similarity
from napari_sam2.generators import StepsWithResult
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session

from .examples import Example

Figures = Mapping[str, float]


def measure(
    model: Sam2, examples: Sequence[Example], *, zoom: str | float | None = None, memory: str = "auto"
) -> Generator[float, None, Figures | None]:
    """Track from the last training frame of each example, prompted with its masks, and grade the held-out frames.

    ``zoom``, ``memory``: as for `Session`.

    Returns ``"J"``, ``"F"`` and ``"J&F"``, averaged over the frames of each object, then over objects, then over
    examples; ``None`` if no example has held-out frames.
    """
    measured = [example for example in examples if example.held_out]
    total = sum(example.held_out[-1] - example.start + 1 for example in measured)
    done, grades = 0, []
    for example in measured:
        tracking = StepsWithResult(_track(model, example, zoom=zoom, memory=memory))
        for _ in tracking:
            done += 1
            yield done / total
        grades.append(tracking.result)
    if not grades:
        return None
    j, f = np.mean(grades, axis=0)
    return {"J": float(j), "F": float(f), "J&F": float((j + f) / 2)}


def _track(
    model: Sam2, example: Example, *, zoom: str | float | None, memory: str
) -> Generator[None, None, tuple[float, float]]:
    start, objects = example.start, example.measured_objects()
    session = Session(model, example.stack, contrast_limits=example.contrast_limits, zoom=zoom, memory=memory)
    # Prompted with the last masks that were learned from.
    shown = example.label_frame(start)
    for object_id in objects:
        session.add_mask(start, object_id, shown == object_id)
    grades = []
    for result in session.propagate(start=start, max_frames=example.held_out[-1] - start + 1):
        if result.frame in example.held_out:
            truth = example.label_frame(result.frame)
            pairs = [(result.masks[result.row(i)], truth == i) for i in objects]
            grades.append([(region_similarity(*pair), boundary_accuracy(*pair)) for pair in pairs])
        yield
    j, f = np.mean(grades, axis=(0, 1))
    return float(j), float(f)
