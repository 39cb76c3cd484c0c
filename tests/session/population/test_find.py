"""Finding without prompts: contrast, places, candidates, and the objects of a drawn frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from drawn_discs import SIZE, candidate, disc, picture
from napari_sam2.data.images.pixels.contrast import Window
from napari_sam2.session.population.finder import FindOptions
from napari_sam2.session.population.found_objects import paint_objects
from napari_sam2.session.population.newcomers import newcomers, passing
from napari_sam2.session.population.proposals.blobs import Blob, find_blobs
from napari_sam2.session.population.proposals.candidates import make_candidates, without_ground
from napari_sam2.session.population.proposals.dim_objects import show_dim
from napari_sam2.session.population.proposals.mask_proposals import MaskProposal, is_part, outline_contrast
from napari_sam2.session.session import Session
from napari_sam2.weights.load import load_model

NUCLEI = ((30, 40, 12, 60), (80, 50, 10, 120), (60, 110, 13, 200), (95, 130, 9, 25))


def test_dim_objects_are_lifted_on_a_dark_ground_only() -> None:
    frame = np.full((10, 10), 10, np.uint8)
    frame[:2] = 20, *[20] * 9
    dark = show_dim(frame, Window(0, 255))
    assert int(dark[0, 0, 0]) - int(dark[5, 5, 0]) > 25
    assert dark[5, 5, 0] > 50
    bright = show_dim(frame + 150, Window(0, 255))
    assert bright[5, 5, 0] == 160


def test_a_dim_nucleus_with_a_bright_spot_stands_out_of_the_noise() -> None:
    frame = np.random.default_rng(0).normal(100, 4, SIZE) + 4.0 * disc(60, 60, 20) + 600.0 * disc(55, 55, 5)
    shown = show_dim(frame.astype(np.uint16), Window(80, 700))[..., 0].astype(float)
    nucleus, ground = shown[disc(66, 66, 10)], shown[:, 100:]
    assert nucleus.mean() - ground.mean() > 2 * ground.std()
    assert shown[55, 55] > 240


def test_a_ground_with_dark_objects_and_bright_ones_is_not_shown_by_its_noise() -> None:
    frame = np.random.default_rng(0).normal(60, 4, SIZE) + 100.0 * disc(60, 40, 9) - 50.0 * disc(60, 80, 9)
    shown = show_dim(np.clip(frame, 0, 255).astype(np.uint8), Window(0, 255))[..., 0].astype(float)
    assert shown[60, 40] - shown[:, 100:].mean() > 80
    assert shown[:, 100:].mean() - shown[60, 80] > 50


def test_haze_is_not_lifted() -> None:
    """Where the ground varies by more than its noise, as under nuclei out of focus, it is shown as it was."""
    rng = np.random.default_rng(0)
    haze = gaussian_filter(rng.normal(0, 14, SIZE), 4) ** 2
    frame = rng.normal(20, 2, SIZE) + haze + 200.0 * disc(60, 60, 9)
    frame = np.clip(frame, 0, 255).astype(np.uint8)
    values = frame / 255
    shown = show_dim(frame, Window(0, 255))[..., 0] / 255
    # A function of each pixel alone, nothing is smoothed.
    assert all(np.ptp(shown[values == value]) == 0 for value in np.unique(values))


def test_blobs_are_found_with_their_size_bright_or_dark() -> None:
    image = picture(*NUCLEI).astype(float)
    for shown in (image, 255 - image):
        blobs = find_blobs(shown)
        for y, x, radius, _ in NUCLEI:
            near = [blob for blob in blobs if math.dist((blob.y, blob.x), (y, x)) < radius / 2]
            assert any(0.5 < blob.radius / radius < 2 for blob in near)


def test_an_even_ground_has_no_blobs() -> None:
    assert find_blobs(picture().astype(float)) == []


def proposal(y: float, x: float, radius: float, place: Blob) -> MaskProposal:
    one = candidate(y, x, radius)
    return MaskProposal(one.area, one.mask, 0.8, place)


def test_a_blob_on_a_patch_of_ground_is_looked_at_and_one_in_a_clear_object_is_not() -> None:
    spot, outside = Blob(60, 68, 5, 12.0), Blob(60, 118, 5, 12.0)
    mask = proposal(60, 60, 40, spot)
    shown = disc(60, 60, 40).astype(float)
    clear, patch = (outline_contrast(mask, step * shown) for step in (30, 2))
    assert (clear, patch) == (30, 2)
    assert is_part(spot, mask, lambda _: clear)
    assert not is_part(outside, mask, lambda _: clear)
    assert not is_part(spot, mask, lambda _: patch)


def test_masks_that_agree_become_one_candidate() -> None:
    places = [Blob(40, 40 + i, 12, 1.0) for i in range(3)]
    masks = [proposal(40, 40 + i / 2, 12, place) for i, place in enumerate(places)]
    first, second = make_candidates([*masks, proposal(40, 80, 12, places[0])], np.zeros(SIZE))
    assert math.dist(first.centre, (40, 40.5)) < 1
    assert first.weight > second.weight
    assert make_candidates([], np.zeros(SIZE)) == []


def test_a_halo_weighs_less_than_the_object_in_it() -> None:
    image = np.full(SIZE, 100.0)
    halo, cell = (np.hypot(*np.ogrid[-40 : SIZE[0] - 40, -40 : SIZE[1] - 40]) < radius for radius in (16, 9))
    image[halo], image[cell] = 104, 10
    places = [Blob(40, 40 + i, 12, 1.0) for i in range(3)]
    # All places but one lead to the halo.
    proposals = [*(proposal(40, 40, 16, place) for place in places), proposal(40, 40, 9, places[0])]
    assert make_candidates(proposals, image)[0].size == pytest.approx(np.count_nonzero(cell), rel=0.05)
    # Without the cell's darkness it is an object like any other, and so is a spot in it.
    image[cell] = 104
    assert make_candidates(proposals, image)[0].size == pytest.approx(np.count_nonzero(halo), rel=0.05)


def test_a_patch_of_ground_and_a_shade_are_next_to_nothing() -> None:
    view = picture((40, 40, 10, 120), (40, 100, 10, 60), (90, 40, 10, 12))
    cell, dim_cell = candidate(40, 40, 10, 4.0), candidate(40, 100, 10, 4.0)
    shade, ground = candidate(90, 40, 10), candidate(90, 100, 10)
    kept = {one.centre: one.weight for one in without_ground([cell, dim_cell, shade, ground], view)}
    assert kept[cell.centre] == kept[dim_cell.centre] == 4
    assert kept[shade.centre] < 0.5
    assert kept[ground.centre] < 0.05
    assert without_ground([], view) == []


def test_overlaps_go_to_the_surer_object() -> None:
    found = paint_objects(0, [candidate(40, 40, 10, 0.5), candidate(40, 52, 10, 2.0)], SIZE)
    assert found.labels[40, 46] == 1
    assert found.scores[0] > found.scores[1]
    assert found.take([2]).labels.max() == 1
    assert len(found.above(0.5)) == 1


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="min_area to max_area"):
        FindOptions(min_area=5, max_area=2)
    with pytest.raises(ValueError, match="region"):
        FindOptions(region=(3, 3, 1, 9))


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(load_model("sam2_nano"), picture(*NUCLEI)[None])


def test_all_nuclei_of_a_frame_are_found_and_added(session: Session) -> None:
    found = session.find_objects(0)
    for y, x, radius, _ in NUCLEI:
        label = found.labels[y, x]
        assert label
        mask, truth = found.labels == label, disc(y, x, radius)
        assert np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth) > 0.7
    # The ground is no object.
    assert max(found.areas) < 4 * math.pi * 13**2
    assert session.object_ids == ()
    for label, one in enumerate(found, 1):
        np.testing.assert_array_equal(one.mask, found.labels == label)
        assert (one.score, one.box) == (found.scores[label - 1], found.boxes[label - 1])
    assert len(found[1:]) == len(found) - 1
    ids = session.add_objects(0, found.take([found.labels[30, 40], found.labels[80, 50]]))
    assert session.object_ids == ids == (1, 2)
    alike = session.find_objects(0, like=1)
    assert all(0.5 <= area / session.scores.area[0] <= 2 for area in alike.areas)


def test_region_and_area_choose(session: Session) -> None:
    found = session.find_objects(0, region=(50, 90, 80, 140), min_area=200, max_area=900)
    assert len(found) >= 1
    assert all(50 <= (y0 + y1) / 2 <= 80 for y0, _, y1, _ in found.boxes)
    assert all(200 <= area <= 900 for area in found.areas)
    with pytest.raises(ValueError, match="no mask on any frame"):
        session.find_objects(0, like=77)


def test_newcomers_are_found_while_tracking() -> None:
    def frame(t: int) -> np.ndarray:
        late = ((80, 120, 11, 100),) if t >= 2 else ()
        return picture((40, 40 + 2 * t, 12, 120), *late, seed=t)

    session = Session(load_model("sam2_nano"), np.stack([frame(t) for t in range(5)]))
    frames = [result.frame for result in session.propagate_finding(every=2)]
    assert frames == list(range(5))
    first, late = session.labels[0][40, 40], session.labels[4][80, 120]
    assert session.labels[4][40, 48] == first != 0
    assert late not in {0, first}
    assert session.labels[0][80, 120] == 0
    with pytest.raises(ValueError, match="every is a number of frames"):
        session.propagate_finding(every=0)


def test_what_is_tracked_already_is_no_newcomer() -> None:
    found = paint_objects(0, [candidate(40, 40, 10), candidate(80, 100, 10, 0.5)], SIZE)
    tracked = np.where(disc(42, 42, 10), 7, 0)
    (only,) = newcomers(found, tracked).boxes
    assert only == candidate(80, 100, 10).box
    assert passing({1: 4, 2: 1}, 5) == [2]
