"""Figures of objects by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.grading import (
    grade_object,
    identity_switches,
    mean_figures,
    mean_known,
    similarity_after_return,
    similarity_where_seen,
)
from napari_sam2.evaluation.labelled_sequences import LabelledSequence

GONE = range(4, 12)


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


@pytest.fixture
def sequence() -> LabelledSequence:
    """Object 1 is gone on frames 4 to 11, object 2 stays."""
    labels = np.zeros((20, 32, 32), np.uint8)
    labels[:, 4:12, 4:12] = 1
    labels[list(GONE)] = 0
    labels[:, 20:28, 20:28] = 2
    return LabelledSequence("two", "t", Stack.from_array(labels, "t"), labels)


def test_only_frames_after_the_absence_count(sequence: LabelledSequence) -> None:
    truth = {t: sequence.truth(t, 1) for t in range(20)}
    assert similarity_after_return(sequence, 1, truth) == 1
    # Lost on the first half of the frames after the return.
    assert similarity_after_return(sequence, 1, {t: truth[t] for t in (0, 1, *range(16, 20))}) == 0.5
    # What was before does not count, and who was never gone has not returned.
    assert similarity_after_return(sequence, 1, {t: truth[t] for t in range(12, 20)}) == 1
    assert similarity_after_return(sequence, 2, {}) is None


def test_a_track_that_goes_over_and_comes_back(sequence: LabelledSequence) -> None:
    own, other = (sequence.truth(0, object_id) for object_id in (1, 2))
    nothing = np.zeros_like(own)
    assert identity_switches(sequence, 1, dict.fromkeys(range(4), own)) == 0
    over = {0: own, 1: other, 2: nothing, 3: other}
    assert identity_switches(sequence, 1, over) == 1
    assert identity_switches(sequence, 1, over | {12: own}) == 2
    # Background, and a mask that only touches another object, are no object.
    corner = np.zeros_like(own)
    corner[20:22, 20:22] = True
    assert identity_switches(sequence, 1, {1: ~(own | other), 2: corner}) == 0
