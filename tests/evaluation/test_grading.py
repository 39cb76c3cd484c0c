"""Figures of objects by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.grading import grade_object, mean_figures, mean_known, similarity_where_seen
from napari_sam2.evaluation.labelled_sequences import LabelledSequence


@pytest.fixture
def hiding() -> LabelledSequence:
    """Object 5 on frames 0, 1 and 3 of four."""
    labels = np.zeros((4, 20, 20), np.uint8)
    labels[[0, 1, 3], 4:12, 4:12] = 5
    return LabelledSequence("hiding", "t", Stack.from_array(labels, "t"), labels)


def test_hidden_frames_count_in_one_figure_only(hiding: LabelledSequence) -> None:
    half = hiding.truth(0, 5).copy()
    half[8:] = False
    masks = {0: half, 1: half, 2: half}
    # half of it on frame 1, too much on frame 2, nothing on frame 3; frame 0 has the prompt
    assert grade_object(hiding, 5, masks)["J"] == pytest.approx(0.5 / 3)
    assert similarity_where_seen(hiding, 5, masks) == 0.25
    # to call it hidden everywhere is right once
    assert grade_object(hiding, 5, {})["J"] == pytest.approx(1 / 3)
    assert similarity_where_seen(hiding, 5, {}) == 0


def test_an_object_that_never_comes_back_has_no_such_figure(hiding: LabelledSequence) -> None:
    hiding.labels[1:] = 0
    assert similarity_where_seen(hiding, 5, {}) is None


def test_means_by_hand() -> None:
    pairs = [{"J": 0.2, "F": 0.4, "J&F": 0.3}, {"J": 0.6, "F": 1.0, "J&F": 0.8}]
    assert mean_figures(pairs) == {"J": 0.4, "F": 0.7, "J&F": 0.55}
    assert mean_known([0.2, None, 0.4]) == 0.3
    assert mean_known([None]) is None
    with pytest.raises(ValueError, match="nothing was measured"):
        mean_figures([])
