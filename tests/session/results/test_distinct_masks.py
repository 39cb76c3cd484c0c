"""Masks that a session proposes for clicks."""

from __future__ import annotations

import numpy as np

from napari_sam2.session.results.distinct_masks import distinct_masks
from napari_sam2.session.session import Session
from small_model import build_small, drifting_textures


def test_masks_that_differ_come_the_surest_first_and_change_nothing() -> None:
    session = Session(build_small(3, presence=1.0), drifting_textures())
    assert session.candidates(0, 1) == []
    session.add_points(0, 1, [(20, 30)], [1])
    before = session.labels[0].copy()
    masks = session.candidates(0, 1)
    assert 1 <= len(masks) <= 6
    assert all(mask.shape == (48, 56) and mask.any() for mask in masks)
    np.testing.assert_array_equal(session.labels[0], before)
    session.add_mask(0, 1, masks[-1])
    assert session.candidates(0, 1) == []


def test_empty_masks_and_doubles_are_left_out() -> None:
    low_res = np.full((4, 8, 8), -5, np.float32)
    low_res[0, 2:6, 2:6] = low_res[1, 2:6, 2:6] = low_res[2, :4] = 5
    masks = distinct_masks(low_res, np.array([0.5, 0.9, 0.7, 0.99], np.float32), views=(None,) * 4, size=(32, 32))
    assert [mask.sum() for mask in masks] == [(masks[0]).sum(), (masks[1]).sum()]
    assert masks[0][16, 16]
    assert masks[1][2, 2]
