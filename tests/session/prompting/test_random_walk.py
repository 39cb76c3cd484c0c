"""Clicks spread along the edges of the picture, and no farther than the model's doubt lets them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_sam2.session.prompting.random_walk import spread_clicks

SIDE = 40
DISC = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 20)) < 10
LEFT = np.broadcast_to(np.arange(SIDE) < 20, (SIDE, SIDE))
EVEN = np.full((SIDE, SIDE, 3), 90, np.uint8)


def logits(mask: NDArray[np.bool_], sure: float) -> NDArray[np.float32]:
    return np.where(mask, sure, -sure).astype(np.float32)


def picture(mask: NDArray[np.bool_], *, noise: float = 0.0) -> NDArray[np.uint8]:
    grey = np.where(mask, 150, 90) + np.random.default_rng(0).normal(0, noise, mask.shape)
    return np.repeat(grey[..., None].clip(0, 255).astype(np.uint8), 3, axis=2)


def overlap(found: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    mask = found > 0
    return float((mask & truth).sum() / (mask | truth).sum())


def test_an_answer_that_follows_picture_and_clicks_stays() -> None:
    found = spread_clicks(logits(DISC, 4), picture(DISC, noise=5), [((20, 20), True), ((2, 2), False)])
    np.testing.assert_array_equal(found > 0, DISC)


def ring(width: float) -> NDArray[np.bool_]:
    """The disc, so many cells wider or narrower."""
    return np.hypot(*(np.mgrid[:SIDE, :SIDE] - 20)) < 10 + width


@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("width", [-2, 2])
def test_an_unsure_outline_goes_to_the_edge_of_the_picture(width: float, noise: float) -> None:
    given = logits(ring(width), 0.3)
    found = spread_clicks(given, picture(DISC, noise=noise), [((20, 20), True), ((2, 2), False)])
    assert overlap(given, DISC) < 0.75 < 0.95 < overlap(found, DISC)


def test_a_click_spreads_over_what_is_alike_and_not_across_an_edge() -> None:
    # The model knows nothing; a click beside the edge between two fields.
    found = spread_clicks(np.zeros((SIDE, SIDE), np.float32), picture(LEFT), [((20, 16), True), ((20, 24), False)])
    np.testing.assert_array_equal(found > 0, LEFT)


def test_a_click_is_followed_against_a_sure_model_and_changes_little_else() -> None:
    found = spread_clicks(logits(DISC, 9), picture(DISC), [((20, 20), False), ((3, 3), True)])
    assert found[20, 20] < 0 < found[3, 3]
    changed = np.argwhere((found > 0) != DISC)
    assert (np.minimum(*(np.hypot(*(changed - click).T) for click in ((20, 20), (3, 3)))) < 6).all()


def test_clicks_side_by_side_are_both_followed() -> None:
    found = spread_clicks(logits(DISC, 3), EVEN, [((20, 20), True), ((20, 21), False)])
    assert found[20, 21] < 0 < found[20, 20]


def test_clicks_beyond_the_grid_do_not_count() -> None:
    given = logits(DISC, 3)
    np.testing.assert_array_equal(
        spread_clicks(given, EVEN, [((-1, 5), True), ((5, SIDE), False)]), spread_clicks(given, EVEN, [])
    )


def test_the_same_picture_mirrored_has_the_same_answer_mirrored() -> None:
    given, shown = logits(LEFT | DISC, 1), picture(DISC, noise=5)
    clicks = [((20, 20), True), ((8, 4), False)]
    mirrored = [((y, SIDE - 1 - x), positive) for (y, x), positive in clicks]
    found = spread_clicks(given[:, ::-1], shown[:, ::-1], mirrored)[:, ::-1]
    np.testing.assert_allclose(found, spread_clicks(given, shown, clicks), atol=0.05)
