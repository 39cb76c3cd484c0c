from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.evaluation.metrics import boundary_accuracy, contour, region_similarity, roc_auc


def square(top: int, left: int, side: int, *, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_j_by_hand() -> None:
    assert region_similarity(square(0, 0, 10), square(0, 5, 10)) == pytest.approx(50 / 150)
    assert region_similarity(square(0, 0, 10), square(30, 30, 10)) == 0


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((20, 20), dtype=bool)
    assert region_similarity(empty, empty) == 1
    assert boundary_accuracy(empty, empty) == 1


def test_an_empty_mask_never_matches_an_object() -> None:
    empty = np.zeros((60, 80), dtype=bool)
    assert boundary_accuracy(empty, square(10, 10, 10)) == 0
    assert boundary_accuracy(square(10, 10, 10), empty) == 0


def test_contour_of_a_square() -> None:
    drawn = contour(square(2, 2, 3, shape=(8, 8)))
    # the square's right and lower rim, and the pixels above and left of it
    expected = np.zeros((8, 8), dtype=bool)
    expected[1:5, 1:5] = True
    expected[2:4, 2:4] = False
    assert np.array_equal(drawn, expected)


def test_f_forgives_the_tolerance_and_no_more() -> None:
    # a diagonal of 100 pixels: 0.008 of it, rounded up, is one pixel
    truth = square(10, 10, 30)
    assert boundary_accuracy(square(10, 11, 30), truth) == 1
    shifted = boundary_accuracy(square(10, 13, 30), truth)
    # the two vertical sides are lost, the horizontal ones but for their ends are kept
    assert 0.4 < shifted < 0.6
    assert boundary_accuracy(square(10, 13, 30), truth, tolerance=3) == 1


def test_f_is_the_harmonic_mean() -> None:
    truth = square(10, 10, 20) | square(10, 50, 20)
    # every drawn pixel lies on a contour, half of the contours are drawn
    assert boundary_accuracy(square(10, 10, 20), truth) == pytest.approx(2 * 0.5 / 1.5)


def test_auc_by_hand() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    # of four pairs three are in order and one is tied
    assert roc_auc(scores, np.array([False, False, True, True])) == pytest.approx(3.5 / 4)
    assert roc_auc(scores, np.array([False, True, False, True])) == pytest.approx(3.5 / 4)
    assert roc_auc(scores, np.array([True, False, False, False])) == 0
    assert np.isnan(roc_auc(scores, np.ones(4, dtype=bool)))
