from __future__ import annotations

import torch

from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, NEGATIVE, PAD_LABEL, POSITIVE
from napari_sam2.training.data.simulated_prompts import boxes_of, click_in, correction, first_prompts


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring_and_speck() -> torch.Tensor:
    masks = torch.zeros(2, 32, 40, dtype=torch.bool)
    masks[0, 4:28, 4:36] = True
    masks[0, 10:22, 10:30] = False
    masks[1, 31, 39] = True
    return masks


def test_clicks_lie_inside_the_region() -> None:
    masks = ring_and_speck()
    for seed in range(50):
        x, y = click_in(masks, generator(seed)).long().unbind(1)
        assert masks[torch.arange(2), y, x].all()


def test_clicks_prefer_the_interior() -> None:
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, 5:35, 5:35] = True
    clicks = click_in(mask.expand(400, -1, -1), generator())
    rim = ((clicks < 9) | (clicks > 30)).any(dim=1).float().mean()
    # the four outermost rings are 46 % of the square
    assert rim < 0.4


def test_careful_clicks_lie_near_the_middle() -> None:
    masks = torch.zeros(2, 96, 96, dtype=torch.bool)
    masks[0, 10:82, 20:92] = True
    masks[1, 40:48, 8:88] = True
    middles = torch.tensor([[55.5, 45.5], [47.5, 43.5]])
    for object_, mask in enumerate(masks):
        same = mask.expand(300, -1, -1)
        any_, careful = (click_in(same, generator(), middle_share=share) for share in (0.0, 1.0))
        x, y = careful.long().unbind(1)
        assert mask[y, x].all()
        off = [(clicks - middles[object_]).norm(dim=1).mean() for clicks in (any_, careful)]
        assert off[1] < 0.6 * off[0]


def test_corrections_lie_in_the_error_region_with_the_right_sign() -> None:
    truth = torch.zeros(1, 32, 32, dtype=torch.bool)
    truth[0, 8:24, 8:24] = True
    shifted = truth.roll(6, dims=2)
    signs = set()
    for seed in range(40):
        points, labels = correction(shifted, truth, generator(seed))
        x, y = points[0, 0].long().tolist()
        assert shifted[0, y, x] != truth[0, y, x]
        assert labels.item() == (POSITIVE if truth[0, y, x] else NEGATIVE)
        signs.add(labels.item())
    assert signs == {POSITIVE, NEGATIVE}


def test_a_perfect_prediction_gets_no_click() -> None:
    truth = ring_and_speck()
    _, labels = correction(truth, truth, generator())
    assert (labels == PAD_LABEL).all()


def test_boxes_enclose_the_mask_by_pixel_centres() -> None:
    boxes = boxes_of(ring_and_speck())
    assert boxes[0].tolist() == [[4, 4], [35, 27]]
    assert boxes[1].tolist() == [[39, 31], [39, 31]]


def test_hurried_boxes_stay_close_and_inside_the_image() -> None:
    masks = ring_and_speck()
    exact = boxes_of(masks)
    hurried = boxes_of(masks, generator())
    assert not torch.equal(exact, hurried)
    assert (hurried - exact).abs()[0].max() <= 3.2
    assert hurried.min() >= 0
    assert (hurried[..., 0].max(), hurried[..., 1].max()) <= (39, 31)


def test_first_prompts_are_clicks_or_boxes() -> None:
    masks = ring_and_speck()[:1].expand(200, -1, -1)
    points, labels = first_prompts(masks, generator())
    assert points.shape == (200, 2, 2)
    kinds = {tuple(row) for row in labels.tolist()}
    assert kinds == {(BOX_TOP_LEFT, BOX_BOTTOM_RIGHT), (POSITIVE, PAD_LABEL)}
    clicked = labels[:, 0] == POSITIVE
    x, y = points[clicked, 0].long().unbind(1)
    assert masks[0, y, x].all()


def test_some_clicks_land_anywhere_on_the_object() -> None:
    truth = torch.zeros(500, 32, 32, dtype=torch.bool)
    truth[:, 4:28, 4:28] = True
    missed = truth.clone()
    missed[:, 20:28, 20:28] = False
    points, labels = correction(missed, truth, generator(), truth_share=0.1)
    assert (labels == POSITIVE).all()
    elsewhere = (points[:, 0] < 20).any(dim=1).float().mean()
    # a tenth of the clicks, of which most of the object is elsewhere
    assert 0.05 < elsewhere < 0.15
    _, labels = correction(truth, truth, generator(), truth_share=1.0)
    assert (labels == POSITIVE).all()
    _, labels = correction(~truth, torch.zeros_like(truth), generator(), truth_share=1.0)
    assert (labels == NEGATIVE).all()


def test_boxes_of_large_objects_are_off_by_twenty_pixels_at_most() -> None:
    masks = torch.zeros(50, 400, 400, dtype=torch.bool)
    masks[:, 50:350, 50:350] = True
    off = (boxes_of(masks, generator()) - boxes_of(masks)).abs()
    assert off.max() == 20
