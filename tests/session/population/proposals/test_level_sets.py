"""Firm regions and their parts, where the model vouches for them; no model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from drawn_discs import SIZE, disc, picture
from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.session.population.proposals.blobs import Blob
from napari_sam2.session.population.proposals.candidates import make_candidates
from napari_sam2.session.population.proposals.level_sets import firm_regions, level_proposals
from napari_sam2.session.population.proposals.mask_proposals import MaskProposal


def iou(one: MaskProposal, mask: np.ndarray) -> float:
    whole = np.zeros(mask.shape, bool)
    whole[one.area] = one.mask
    return float((whole & mask).sum() / (whole | mask).sum())


def nearest(found: list[MaskProposal], mask: np.ndarray) -> MaskProposal:
    assert found
    return max(found, key=lambda one: iou(one, mask))


def proposal(mask: np.ndarray, score: float, y: float, x: float) -> MaskProposal:
    area = bounding_box(mask)
    return MaskProposal(area, mask[area], score, Blob(y, x, 8.0, 50.0))


def blurred(image: np.ndarray) -> np.ndarray:
    return gaussian_filter(image.astype(np.float32), 1.5)


@pytest.mark.parametrize("is_bright", [True, False])
@pytest.mark.parametrize("shade", [0, 60])
def test_a_region_ends_at_its_outline_in_any_light(is_bright: bool, shade: int) -> None:
    image = blurred(picture((40, 40, 12, 100), (80, 120, 9, 40))) + np.linspace(0, shade, SIZE[1])
    found = firm_regions(image if is_bright else 255 - image)
    for where in ((40, 40, 12), (80, 120, 9)):
        one = nearest(found, disc(*where))
        assert iou(one, disc(*where)) > 0.8 and one.place.is_bright is is_bright and one.cut == 0


def test_what_touches_is_parted_at_its_neck() -> None:
    image = blurred(picture((60, 60, 10, 100), (60, 82, 10, 100)))
    found = firm_regions(image)
    for x in (60, 82):
        one = nearest(found, disc(60, x, 10))
        assert iou(one, disc(60, x, 10)) > 0.8 and one.cut > 0.2
    whole = nearest(found, disc(60, 60, 10) | disc(60, 82, 10))
    assert whole.cut == 0
    # One object alone has no parts; nor has a ring, which may surround something else.
    assert all(one.cut == 0 for one in firm_regions(blurred(picture((60, 60, 12, 100)))))
    ring = np.where(disc(60, 60, 20) & ~disc(60, 60, 13), 100, 0) + picture()
    assert all(one.cut == 0 for one in firm_regions(blurred(ring)))


def test_a_long_cut_through_one_object_is_none() -> None:
    """A dark band through the middle of a disc parts it into halves, but at full width."""
    image = picture((60, 60, 14, 100)).astype(np.float32)
    image[:, 59:62] -= np.where(disc(60, 60, 14)[:, 59:62], 40, 0)
    assert all(one.cut < 0.1 for one in firm_regions(blurred(image)))


def test_regions_count_where_the_model_has_masks_like_them() -> None:
    image = blurred(picture((40, 40, 12, 100), (80, 120, 12, 100)))
    seen = [proposal(disc(40, 40, 12), 0.8, 40, 40), proposal(disc(80, 120, 12), 0.8, 80, 120)]
    assert len(level_proposals(image, seen)) == 2
    # Not where it is unsure, sees only one of two, or sees something else.
    assert level_proposals(image, [replace(one, score=0.3) for one in seen]) == []
    assert level_proposals(image, seen[:1]) == []
    assert level_proposals(image, [proposal(disc(40, 60, 12), 0.8, 40, 60)]) == []
    assert level_proposals(image, []) == []
    assert level_proposals(np.zeros(SIZE, np.float32), seen) == []


def test_regions_of_which_the_model_sees_the_parts_count() -> None:
    image = blurred(picture((60, 60, 10, 100), (60, 82, 10, 100)))
    seen = [proposal(disc(60, x, 10), 0.8, 60, x) for x in (60, 82)]
    # The whole and its two parts.
    assert len(level_proposals(image, seen)) == 3
    assert level_proposals(image, seen[:1]) == []


def test_a_long_region_that_the_model_sees_in_halves_counts() -> None:
    rod = np.zeros(SIZE, bool)
    rod[40:50, 20:100] = True
    left = np.where(np.arange(SIZE[1]) < 60, rod, False)
    seen = [proposal(half, 0.8, 45, x) for half, x in ((left, 40), (rod & ~left, 80))]
    image = blurred(picture() + 100 * rod)
    assert len(level_proposals(image, seen)) == 1
    # Not for one half, nor for masks that reach as far beyond it as they lie in it.
    assert level_proposals(image, seen[:1]) == []
    wider = np.roll(rod, -5, axis=0) | rod
    assert level_proposals(image, [proposal(wider, 0.8, 45, 40)]) == []


def test_a_region_outweighs_the_halves_that_the_model_sees() -> None:
    rod = np.zeros(SIZE, bool)
    rod[40:50, 20:100] = True
    left = np.where(np.arange(SIZE[1]) < 60, rod, False)
    # From two places each.
    halves = [proposal(half, 0.8, 45, x) for half, x in ((left, 30), (left, 40), (rod & ~left, 80), (rod & ~left, 90))]
    image = blurred(picture() + 100 * rod)
    heaviest, *others = make_candidates(halves + level_proposals(image, halves), image)
    assert heaviest.size > 0.9 * rod.sum() and len(others) == 2
    assert heaviest.weight > 2 * others[0].weight


def test_a_whole_with_a_neck_weighs_less() -> None:
    image = blurred(picture((60, 60, 10, 100), (60, 82, 10, 100)))
    both = disc(60, 60, 10) | disc(60, 82, 10)
    # The model sees one object, from three places.
    seen = [proposal(both, 0.8, 60, x) for x in (60, 70, 82)]
    (alone,) = make_candidates(seen, image)
    made = make_candidates(seen + [one for one in firm_regions(image) if one.cut], image)
    (whole,) = (one for one in made if one.size > 1.5 * disc(60, 60, 10).sum())
    assert whole.weight < 0.95 * alone.weight
    assert len(made) == 3


def test_an_image_without_anything_has_no_regions() -> None:
    assert firm_regions(np.zeros(SIZE, np.float32)) == []
    assert len(firm_regions(picture())) <= 2
    assert firm_regions(np.zeros((3, 200), np.float32)) == []
