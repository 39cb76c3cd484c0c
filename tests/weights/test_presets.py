"""What the presets are, and how far the faster ones are from exact."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2 import Session, load_model
from napari_sam2.model.precision import ARITHMETICS, precision_of
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.synthetic.samples import make_sample


def tracked(frames: np.ndarray, labels: np.ndarray, **options: str) -> list[FrameResult]:
    session = Session(load_model(device="cpu", **options), frames, zoom="off")
    ids, areas = np.unique(labels[0][labels[0] > 0], return_counts=True)
    for object_id in ids[np.argsort(-areas)][:2]:
        session.add_mask(0, int(object_id), labels[0] == object_id)
    return list(session.propagate())


def mean_iou(one: list[FrameResult], other: list[FrameResult]) -> float:
    ious = []
    for a, b in zip(one, other, strict=True):
        union = (a.masks | b.masks).sum((1, 2))
        ious.append(np.where(union > 0, (a.masks & b.masks).sum((1, 2)) / np.maximum(union, 1), 1.0))
    return float(np.mean(ious))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_presets_but_exact_take_the_arithmetic_that_was_chosen(
    arithmetic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CPU_DTYPE", arithmetic)
    assert precision_of(load_model(device="cpu")) == arithmetic
    assert precision_of(load_model(device="cpu", preset="fast")) == arithmetic
    assert precision_of(load_model(device="cpu", preset="exact")) == "float32"
    assert precision_of(load_model(device="cpu", dtype="float32")) == "float32"
    assert precision_of(load_model(device="cpu", preset="exact", dtype="mixed")) == "mixed"


@pytest.fixture(scope="module", params=["cells", "endoscope"])
def exact(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, list[FrameResult]]:
    """A few frames of a sample, their labels, and what the exact preset makes of them, which no arithmetic changes."""
    sample = make_sample(request.param)
    first = int(np.argmax(sample.labels.reshape(len(sample.labels), -1).any(1)))
    frames, labels = sample.frames[first : first + 4], sample.labels[first : first + 4]
    return frames, labels, tracked(frames, labels, preset="exact")


# Each of them, also where the CPU is not fast at it, which says nothing of the masks.
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_balanced_masks_are_those_of_exact(
    exact: tuple[np.ndarray, np.ndarray, list[FrameResult]], arithmetic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CPU_DTYPE", arithmetic)
    frames, labels, expected = exact
    balanced = tracked(frames, labels, preset="balanced")
    assert mean_iou(expected, balanced) >= 0.99
    assert any(not np.array_equal(a.low_res_logits, b.low_res_logits) for a, b in zip(expected, balanced, strict=True))
