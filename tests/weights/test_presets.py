"""What the presets are, and how far the faster ones are from exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2 import Session, load_model
from napari_sam2.model.cpu_kernels import has_fast_bfloat16
from napari_sam2.model.precision import precision_of
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.synthetic.samples import make_sample


def tracked(frames: np.ndarray, labels: np.ndarray, **options: str) -> list[FrameResult]:
    session = Session(load_model(device="cpu", **options), frames, zoom="off")
    ids, areas = np.unique(labels[0][labels[0] > 0], return_counts=True)
    for object_id in ids[np.argsort(-areas)][:3]:
        session.add_mask(0, int(object_id), labels[0] == object_id)
    return list(session.propagate())


def mean_iou(one: list[FrameResult], other: list[FrameResult]) -> float:
    ious = []
    for a, b in zip(one, other, strict=True):
        union = (a.masks | b.masks).sum((1, 2))
        ious.append(np.where(union > 0, (a.masks & b.masks).sum((1, 2)) / np.maximum(union, 1), 1.0))
    return float(np.mean(ious))


def test_balanced_takes_the_type_that_the_cpu_is_fast_at() -> None:
    expected = "mixed" if has_fast_bfloat16() else "float32"
    assert precision_of(load_model(device="cpu")) == expected
    assert precision_of(load_model(device="cpu", preset="fast")) == expected
    assert precision_of(load_model(device="cpu", preset="exact")) == "float32"
    assert precision_of(load_model(device="cpu", dtype="float32")) == "float32"
    assert precision_of(load_model(device="cpu", preset="exact", dtype="mixed")) == "mixed"


# Also where the CPU is not fast at it, which says nothing of the masks.
@pytest.mark.parametrize(("name", "frames"), [("cells", 8), ("endoscope", 8)])
def test_balanced_masks_are_those_of_exact(name: str, frames: int) -> None:
    sample = make_sample(name)
    first = int(np.argmax(sample.labels.reshape(len(sample.labels), -1).any(1)))
    part = slice(first, first + frames)
    exact, balanced = (
        tracked(sample.frames[part], sample.labels[part], preset=preset, dtype=dtype)
        for preset, dtype in (("exact", "float32"), ("balanced", "mixed"))
    )
    assert mean_iou(exact, balanced) >= 0.99
    assert any(
        not torch.equal(torch.from_numpy(a.low_res_logits), torch.from_numpy(b.low_res_logits))
        for a, b in zip(exact, balanced, strict=True)
    )
