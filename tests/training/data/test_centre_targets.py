from __future__ import annotations

import numpy as np

from napari_sam2.training.data.centre_targets import centre_targets


def test_every_object_has_a_bump_where_it_is_thickest() -> None:
    labels = np.zeros((64, 96), np.uint8)
    labels[8:29, 10:31] = 1
    labels[40:52, 60:90] = 7
    heat, log_radius, weight = centre_targets(labels).numpy()
    assert heat.shape == (16, 24)
    assert np.argwhere(heat == 1).tolist()[0] == [4, 5]
    assert (heat == 1).sum() == 2
    assert abs(2 ** log_radius[4, 5] - 11) < 0.5
    assert (weight == 1).all()
    assert heat[4, 6] > 0.1
    assert heat[4, 12] < 0.01


def test_touching_objects_have_their_own_rims() -> None:
    labels = np.zeros((32, 64), np.uint8)
    labels[8:24, 8:32] = 1
    labels[8:24, 32:56] = 2
    heat, log_radius, _ = centre_targets(labels).numpy()
    centres = np.argwhere(heat == 1)
    assert len(centres) == 2
    assert all(2 ** log_radius[tuple(place)] < 9 for place in centres)


def test_what_has_no_label_is_not_judged_where_labels_are_few() -> None:
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 8:20] = 1
    weight = centre_targets(labels, complete=False).numpy()[2]
    assert weight.sum() == 9
    assert weight[2:5, 2:5].all()


def test_hairs_are_not_judged() -> None:
    labels = np.zeros((32, 32), np.uint8)
    labels[10, 4:28] = 1
    heat, _, weight = centre_targets(labels).numpy()
    assert not heat.any()
    assert not weight[2, 1:7].any()
    assert weight[4:].all()
