"""Geometry of the part of a frame that the model sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.session.zoom.crop import (
    BEYOND_LOGIT,
    Crop,
    ObjectLocation,
    align,
    align_logits,
    cut_off,
    place_of_box,
    place_of_mask,
    whole,
)


def ramp(view: Crop, side: int = 16) -> torch.Tensor:
    """A map over a view whose two channels are the frame coordinates of its cells' centres."""
    y = view.top + (torch.arange(side) + 0.5) / side * view.height
    x = view.left + (torch.arange(side) + 0.5) / side * view.width
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]


def test_a_map_stays_as_it_is_in_the_same_view() -> None:
    map_bchw = torch.randn(2, 3, 8, 8)
    assert align(map_bchw, Crop(3, 4, 32, 32), Crop(3, 4, 32, 32)) is map_bchw


def test_a_move_by_whole_cells_changes_no_value() -> None:
    map_bchw = torch.randn(2, 3, 16, 16)
    moved = align(map_bchw, Crop(0, 0, 64, 64), Crop(16, 8, 64, 64))
    torch.testing.assert_close(moved[:, :, :12, :14], map_bchw[:, :, 4:, 2:], rtol=0, atol=1e-5)
    # Beyond the old view, its border goes on.
    torch.testing.assert_close(moved[:, :, 12:, :14], map_bchw[:, :, 15:, 2:].expand(-1, -1, 4, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("target", [Crop(20, 30, 40, 40), Crop(11, 17, 60, 70), Crop(0, 0, 100, 120)])
def test_maps_of_any_views_agree_about_the_frame(target: Crop) -> None:
    source = Crop(10, 10, 80, 80)
    moved, wanted = align(ramp(source), source, target), ramp(target)
    half_cell = 80 / 16 / 2
    inside = (wanted > 10 + half_cell) & (wanted < 90 - half_cell)
    assert inside.all(dim=1).float().mean() > 0.4
    both = inside.all(dim=1, keepdim=True).expand_as(wanted)
    torch.testing.assert_close(moved[both], wanted[both], rtol=0, atol=1e-3)


def test_half_precision_maps_keep_their_type() -> None:
    map_bchw = torch.ones(1, 2, 4, 4, dtype=torch.bfloat16)
    assert align(map_bchw, Crop(0, 0, 8, 8), Crop(1, 1, 8, 8)).dtype == torch.bfloat16


def test_the_place_of_a_mask_is_in_frame_pixels() -> None:
    grid = np.zeros((64, 64), bool)
    grid[16:32, 8:16] = True
    place = place_of_mask(grid, Crop(100, 200, 128, 256))
    assert place is not None
    assert (place.y, place.x) == pytest.approx((100 + 48, 200 + 48), abs=1)
    assert place.extent == pytest.approx(32, abs=1)


def test_specks_do_not_move_a_place_and_nothing_has_none() -> None:
    grid = np.zeros((64, 64), bool)
    grid[10:30, 10:30] = True
    clean = place_of_mask(grid, whole((64, 64)))
    grid[60, 60] = True
    assert place_of_mask(grid, whole((64, 64))) == clean
    assert place_of_mask(np.zeros((8, 8), bool), whole((64, 64))) is None


def test_views_hold_and_meet() -> None:
    view = Crop(10, 20, 30, 40)
    assert view.holds(10, 20, 40, 60)
    assert not view.holds(9, 20, 40, 60)
    assert not view.holds(10, 20, 40, 61)
    assert view.meets(Crop(39, 59, 5, 5))
    assert not view.meets(Crop(40, 20, 5, 5))
    assert np.ones((100, 100))[view.crop].shape == view.size
    assert place_of_box(0, 10, 4, 30) == ObjectLocation(2, 20, 20)


def test_a_mask_is_cut_off_where_the_frame_goes_on() -> None:
    mask = np.zeros((16, 16), bool)
    mask[5:9, 0:8] = True
    assert cut_off(mask, Crop(10, 10, 32, 32), (100, 100))
    assert not cut_off(mask, Crop(10, 0, 32, 32), (100, 100))
    assert cut_off(mask[:, ::-1], Crop(10, 0, 32, 32), (100, 100))
    assert not cut_off(mask[:, ::-1], Crop(10, 68, 32, 32), (100, 100))
    assert not cut_off(np.roll(mask, 3, axis=1), Crop(10, 10, 32, 32), (100, 100))
    assert not cut_off(np.zeros((16, 16), bool), Crop(10, 10, 32, 32), (100, 100))


def test_a_speck_at_the_edge_is_not_cut_off() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:30, 10:30] = True
    mask[40, 63] = True
    assert not cut_off(mask, Crop(10, 10, 32, 32), (100, 100))


def test_a_mask_ends_where_its_view_does() -> None:
    logits = torch.full((1, 1, 8, 8), 3.0)
    shown = align_logits(logits, Crop(16, 16, 16, 16), Crop(0, 0, 32, 32))[0, 0]
    assert (shown[4:, 4:] == 3).all()
    assert int((shown > 0).sum()) == 16 and shown.min() == BEYOND_LOGIT
    assert align_logits(logits, Crop(0, 0, 8, 8), Crop(0, 0, 8, 8)) is logits
