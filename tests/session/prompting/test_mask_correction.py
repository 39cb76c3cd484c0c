"""A correction changes what it is about."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_sam2.session.prompting.mask_correction import MaskCorrection

Box = tuple[int, int, int, int]
OBJECT, LEAK, APART = (4, 4, 20, 20), (9, 26, 14, 33), (28, 28, 36, 36)


def grid(*boxes: Box) -> np.ndarray:
    mask = np.zeros((40, 40), dtype=bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def changed_elsewhere(mask: np.ndarray, earlier: np.ndarray, clicks: list) -> np.ndarray:
    return MaskCorrection(np.where(earlier, 4.0, -4.0).astype(np.float32), clicks).changed_elsewhere(mask)


@pytest.mark.parametrize(
    ("clicks", "kept"),
    [
        pytest.param([((32, 32), True)], [APART], id="what is clicked on comes, no other"),
        pytest.param([((27, 27), True)], [APART], id="a click may lie one cell beside the change"),
        pytest.param([((12, 12), True), ((11, 29), True)], [LEAK], id="followed clicks ask for nothing"),
        pytest.param([((12, 12), True)], [], id="where all are followed, the last one is meant"),
        pytest.param([((50, 3), True)], [], id="beyond the grid"),
    ],
)
def test_a_correction_changes_the_mask_where_it_was_clicked_on(clicks: list, kept: list[Box]) -> None:
    wide, object_alone = grid(OBJECT, LEAK, APART), grid(OBJECT)
    np.testing.assert_array_equal(changed_elsewhere(wide, object_alone, clicks), grid(LEAK, APART) & ~grid(*kept))
    # A "no" in the same places takes away what the "yes" would have brought.
    denied = [(cell, not positive) for cell, positive in clicks if cell != (12, 12)]
    if denied:
        np.testing.assert_array_equal(changed_elsewhere(object_alone, wide, denied), grid(LEAK, APART) & ~grid(*kept))


def test_an_outline_may_be_drawn_anew_all_round() -> None:
    y0, x0, y1, x1 = OBJECT
    grown = grid((y0 - 2, x0 - 2, y1 + 2, x1 + 2))
    assert not changed_elsewhere(grown, grid(OBJECT), [((32, 32), False)]).any()
    assert changed_elsewhere(grid((y0, x0, y1, x1 + 4)), grid(OBJECT), [((32, 32), False)]).any()


@pytest.mark.parametrize(("click", "left"), [((12, 19), [(6, 6, 18, 18)]), ((12, 12), [])])
def test_a_no_near_the_rim_is_not_meant_for_the_body(click: tuple[int, int], left: list[Box]) -> None:
    # The model gives up all of the object; half a cell from the rim, as far as one and a half are meant.
    np.testing.assert_array_equal(changed_elsewhere(grid(), grid(OBJECT), [(click, False)]), grid(*left))


@pytest.mark.parametrize(("click", "reach"), [((12, 20), 2), ((12, 21), 4), ((12, 24), 20)])
def test_a_yes_beside_the_rim_is_not_meant_for_all_of_the_ground(click: tuple[int, int], reach: int) -> None:
    # The model takes all that there is to the right; half a cell, one and a half and four from the rim.
    right = (4, 20, 20, 40)
    kept = changed_elsewhere(grid(OBJECT, right), grid(OBJECT), [(click, True)])
    np.testing.assert_array_equal(kept, grid((4, 20 + reach, 20, 40)))


@pytest.mark.parametrize(("click", "left"), [((0, 20), (2, 0, 18, 40)), ((10, 20), (0, 0, 0, 0))])
def test_a_no_at_the_edge_of_the_frame_is_meant_for_what_lies_along_it(click: tuple[int, int], left: Box) -> None:
    earlier = grid((0, 0, 20, 40))
    np.testing.assert_array_equal(changed_elsewhere(grid(), earlier, [(click, False)]), grid(left))


def test_where_nothing_was_a_yes_may_bring_anything() -> None:
    assert not changed_elsewhere(grid(OBJECT), grid(), [((12, 12), True)]).any()
    assert not changed_elsewhere(grid(), ~grid(), [((12, 12), False)]).any()


def test_depth_is_finer_than_cells() -> None:
    # The same edge a little farther to the right with each row.
    offsets = np.linspace(0, 1, 40)[:, None]
    ramp = np.clip(20.5 + offsets - np.arange(40)[None], -1, 1).astype(np.float32)
    depth = MaskCorrection(ramp, ()).depth
    assert (np.diff(depth[5:-5, 20]) >= 0).all() and depth[35, 20] - depth[5, 20] == pytest.approx(0.75, abs=0.26)
    np.testing.assert_allclose(MaskCorrection(-ramp, ()).depth, -depth, atol=0.51)


def test_a_click_is_aimed_where_it_lies_at_the_outline() -> None:
    earlier = gaussian_filter(np.where(grid(OBJECT), 4.0, -4.0).astype(np.float32), 1)
    assert MaskCorrection(earlier, [((12, 20), True)]).is_aimed
    assert not MaskCorrection(earlier, [((12, 24), True)]).is_aimed
    assert not MaskCorrection(earlier, [((12, 12), False)]).is_aimed
    # One that is followed asks for nothing beside one that is not.
    assert not MaskCorrection(earlier, [((12, 19), True), ((12, 12), False)]).is_aimed
