"""What any tracker has to beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.baselines import Baselines
from napari_sam2.evaluation.grading import grade_object, mean_figures
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, read_sequences
from napari_sam2.evaluation.metrics import region_similarity


def drifting(axis: str) -> LabelledSequence:
    """A textured square that moves by two pixels down and three to the right on each of six frames of texture."""
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.normal(size=(120, 160)), 2)
    texture = np.clip(128 + 45 * texture / texture.std(), 0, 255).astype(np.uint8)
    labels = np.zeros((6, 120, 160), np.uint8)
    labels[0, 40:80, 50:90] = 5
    frames = np.stack([np.roll(texture, (2 * t, 3 * t), (0, 1)) for t in range(6)])
    labels = np.stack([np.roll(labels[0], (2 * t, 3 * t), (0, 1)) for t in range(6)])
    return LabelledSequence("drifting", axis, Stack.from_array(frames, axis), labels)


def test_optical_flow_carries_a_moving_square() -> None:
    sequence = drifting("t")
    baselines = Baselines(sequence)
    flow, copied = baselines.masks("optical_flow", 5), baselines.masks("copied", 5)
    assert sorted(flow) == [1, 2, 3, 4, 5]
    for t in range(1, 6):
        assert region_similarity(flow[t], sequence.truth(t, 5)) > 0.9
    assert region_similarity(copied[5], sequence.truth(5, 5)) == pytest.approx(30 * 25 / (2 * 1600 - 30 * 25))


def test_slices_are_carried_both_ways() -> None:
    sequence = drifting("z")
    sequence.labels[3, 40:95, 50:110] = 5
    assert sequence.prompt_frame(5) == 3
    assert sorted(Baselines(sequence).masks("optical_flow", 5)) == [0, 1, 2, 4, 5]


def test_large_frames_are_made_smaller_first() -> None:
    sequence = drifting("t")
    large = np.kron(sequence.labels, np.ones((1, 4, 4), np.uint8))
    frames = np.stack([np.kron(sequence.stack.read(t), np.ones((4, 4), np.uint8)) for t in range(6)])
    flow = Baselines(LabelledSequence("large", "t", Stack.from_array(frames, "t"), large)).masks("optical_flow", 5)
    assert flow[1].shape == (480, 640)
    assert region_similarity(flow[1], large[1] == 5) > 0.9


def test_without_flow() -> None:
    assert Baselines(drifting("t"), flow=False).names == ("copied",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("msd_hippocampus_001", {"copied": (0.27, 0.31), "optical_flow": (0.28, 0.32)}),
        ("sunnybrook_lv_hfni12", {"copied": (0.70, 0.51), "optical_flow": (0.86, 0.87)}),
    ],
)
def test_the_figures_that_come_with_the_sequences(
    data_dir: Path, name: str, expected: dict[str, tuple[float, float]]
) -> None:
    (sequence,) = read_sequences(data_dir, (name,))
    baselines = Baselines(sequence)
    for baseline, (j, f) in expected.items():
        masks = {i: baselines.masks(baseline, i) for i in sequence.objects()}
        figures = mean_figures([grade_object(sequence, i, masks[i]) for i in masks])
        assert figures["J"] == pytest.approx(j, abs=0.01)
        # a few pixels of an outline weigh much in frames as small as these
        assert figures["F"] == pytest.approx(f, abs=0.025)
