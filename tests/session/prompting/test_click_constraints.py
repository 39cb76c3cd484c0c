"""What clicks say is not the object is taken out, whatever the model makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.session.prompting.click_constraints import rejected_part, stray_regions


def grid(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((40, 40), dtype=bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


OBJECT, NECK, LEAK, APART = (4, 4, 20, 20), (10, 20, 13, 26), (9, 26, 14, 33), (28, 28, 36, 36)


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        pytest.param([], [], grid(), id="no clicks"),
        pytest.param([(10, 10)], [(38, 2), (60, -3)], grid(), id="clicks that are followed, or beyond the grid"),
        pytest.param([], [(32, 32)], grid(APART), id="the region that is clicked on goes, no other"),
        pytest.param([], [(12, 12)], grid(OBJECT, NECK, LEAK), id="in the middle: all of the region"),
    ],
)
def test_what_clicks_deny(positive: list, negative: list, expected: np.ndarray) -> None:
    mask = grid(OBJECT, NECK, LEAK, APART)
    np.testing.assert_array_equal(rejected_part(mask, positive, negative), expected)


@pytest.mark.parametrize("positive", [[], [(12, 8)]])
def test_a_leak_is_cut_off_where_it_is_narrow(positive: list) -> None:
    # Without a "yes" the deepest place of the region stands for it.
    mask = grid(OBJECT, NECK, LEAK)
    gone = rejected_part(mask, positive, [(11, 29)])
    assert gone[9:14, 26:33].all() and not gone[4:20, 4:20].any()


def test_a_no_beside_the_body_leaves_the_body_to_a_yes_on_the_head() -> None:
    head, throat, leak = (0, 14, 3, 17), (3, 15, 8, 16), (30, 8, 33, 12)
    body = (8, 4, 28, 26)
    gone = rejected_part(grid(head, throat, body, (28, 9, 30, 11), leak), [(1, 15)], [(31, 10)])
    assert gone[30:33, 8:12].all()
    assert not gone[8:27, 4:26].any() and not gone[:8].any()


@pytest.mark.parametrize(
    ("waist", "left"),
    [
        pytest.param((10, 16, 14, 24), (4, 4, 20, 16), id="two objects taken for one"),
        pytest.param((5, 16, 19, 24), None, id="one that is a little thinner in the middle"),
    ],
)
def test_a_no_in_the_middle_of_one_of_two_objects_leaves_the_other(
    waist: tuple[int, int, int, int], left: tuple[int, int, int, int] | None
) -> None:
    mask = grid((4, 4, 20, 16), waist, (4, 24, 20, 36))
    gone = rejected_part(mask, [], [(12, 30)])
    assert gone[4:20, 24:36].all()
    assert gone.sum() == mask.sum() if left is None else not (gone & grid(left)).any()


def test_no_and_yes_side_by_side_both_count() -> None:
    gone = rejected_part(grid(OBJECT), [(12, 11)], [(12, 13)])
    assert gone[12, 13] and not gone[12, 11]


def test_an_object_that_reaches_beyond_the_grid_is_deep_there() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[:20] = True
    np.testing.assert_array_equal(rejected_part(mask, [], [(2, 20)]), mask)


PART, CORNER, SPECK = (28, 26, 38, 36), (20, 20, 24, 24), (24, 4, 27, 7)


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        pytest.param([(10, 10)], grid(SPECK), id="a speck goes, a large part and one that hangs on by a corner stay"),
        pytest.param([(10, 10), (25, 5)], grid(), id="a speck that was clicked on"),
        pytest.param([(32, 32)], grid(SPECK), id="the rest, which is larger, is not a speck"),
        pytest.param([(25, 5)], grid(), id="nothing is small beside a speck"),
        pytest.param([], grid(), id="no click"),
        pytest.param([(2, 2), (-1, 50)], grid(), id="clicks off the mask"),
    ],
)
def test_specks_apart_from_what_was_clicked_on_go(positive: list, expected: np.ndarray) -> None:
    mask = grid(OBJECT, CORNER, PART, SPECK)
    np.testing.assert_array_equal(stray_regions(mask, positive), expected)
