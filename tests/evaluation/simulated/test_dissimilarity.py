"""Which frame looks least like those that were clicked on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2 import Session, load_model
from napari_sam2.evaluation.simulated.dissimilarity import look_of, most_dissimilar_first


def test_the_order_by_hand() -> None:
    angles = {0: 0.0, 1: 0.1, 2: 1.5, 3: 0.7}
    looks = {t: np.array([np.cos(a), np.sin(a)], np.float32) for t, a in angles.items()}
    assert most_dissimilar_first(looks, [0]) == [2, 3, 1]
    # By the most similar of several.
    assert most_dissimilar_first(looks, [0, 2]) == [3, 1]
    assert most_dissimilar_first(looks, [7]) == [0, 1, 2, 3]


def test_a_look_goes_by_the_mask() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 64, 80)).astype(np.uint8)
    encoder = Session(load_model(device="cpu", image_size=64), frames).encoder
    mask = np.zeros(frames.shape[1:3], bool)
    assert look_of(encoder, 0, mask) is None
    mask[10:30, 10:30] = True
    look, other = look_of(encoder, 0, mask), look_of(encoder, 0, ~mask)
    assert look is not None and other is not None
    assert np.linalg.norm(look) == pytest.approx(1)
    assert float(look @ other) < 0.9999
