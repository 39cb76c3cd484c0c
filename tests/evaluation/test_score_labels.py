"""Grading of labels that are there: which label is compared, and with what result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam2.evaluation.score_labels import match_objects, score_labels


def truth() -> np.ndarray:
    labels = np.zeros((3, 20, 20), np.uint16)
    labels[:, 2:8, 2:8] = 4
    labels[:, 10:18, 10:18] = 9
    return labels


def test_labels_of_the_same_ids_are_compared_as_they_are() -> None:
    swapped = np.zeros_like(truth())
    swapped[truth() == 4], swapped[truth() == 9] = 9, 4
    assert match_objects(swapped, truth()) == {4: 4, 9: 9}
    assert score_labels(swapped, truth())["J"] == 0


def test_labels_of_other_ids_are_matched_by_overlap() -> None:
    labels = np.zeros_like(truth())
    labels[:, 2:8, 3:9] = 1
    labels[:, 10:18, 10:18] = 2
    report = score_labels(labels, truth(), {1: [0]})
    assert report["objects"][4] == {"J": 0.7143, "F": 1.0, "J&F": 0.8571, "label": 1, "frames": 2}
    assert report["objects"][9]["J"] == 1


def test_an_object_that_nothing_overlaps_counts_as_not_found() -> None:
    labels = np.where(truth() == 9, 1, 0)
    report = score_labels(labels, truth())
    assert report["objects"][4]["label"] is None
    assert report["J"] == 0.5


@pytest.mark.parametrize(
    ("labels", "true", "message"),
    [
        (truth()[:2], truth(), "results of 2 frames of \\(20, 20\\) cannot be compared with a truth of 3 frames"),
        (truth()[:, :9], truth(), "\\(9, 20\\)"),
        (truth(), truth() * 0, "no object in the truth"),
    ],
)
def test_what_cannot_be_compared(labels: np.ndarray, true: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_labels(labels, true)


@given(arrays(np.uint8, (2, 6, 6), elements=st.integers(0, 4)), st.permutations(range(1, 5)))
def test_renumbered_labels_are_found_again(true: np.ndarray, order: list[int]) -> None:
    renumbered = np.array([0, *(i + 10 for i in order)])[true]
    found = match_objects(renumbered, true)
    assert found == {int(i): order[i - 1] + 10 for i in np.unique(true) if i}
