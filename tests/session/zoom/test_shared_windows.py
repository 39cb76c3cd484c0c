"""Windows that several objects share: which ones, how long they stay, and what a session makes of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.zoom.crop import Crop, ObjectLocation, shift_cells
from napari_sam2.session.zoom.crop_size import LEAST_ROOM, MOST_ROOM, window_around
from napari_sam2.session.zoom.shared_windows import OwnWindow, share_windows

FRAME = (600, 800)
SIDE = 96


def own(y: float, x: float, extent: float = 24.0, *, side: int = SIDE, last: Crop | None = None) -> OwnWindow:
    place = ObjectLocation(y, x, extent)
    return OwnWindow(window_around(place, side, FRAME), place, last)


def scattered(count: int, seed: int = 0) -> list[OwnWindow]:
    rng = np.random.default_rng(seed)
    extents = rng.uniform(SIDE / MOST_ROOM, SIDE / LEAST_ROOM, count)
    return [
        own(y, x, e) for y, x, e in zip(rng.uniform(0, 600, count), rng.uniform(0, 800, count), extents, strict=True)
    ]


def test_those_near_each_other_share_a_window_and_those_apart_do_not() -> None:
    near, far = [own(300, 400), own(310, 440), own(330, 405)], own(300, 600)
    views = share_windows([*near, far], FRAME)
    assert views[0] == views[1] == views[2] and views[0].size == (SIDE, SIDE)
    assert views[3] == far.view
    # Alone, an object stays in the middle of its own.
    assert share_windows(near[:1], FRAME) == [near[0].view]
    assert share_windows([], FRAME) == []


@pytest.mark.parametrize("count", [2, 30, 200])
def test_a_shared_window_shows_as_much_around_each_object_as_its_narrowest_own(count: int) -> None:
    crowd = scattered(count)
    for window, view in zip(crowd, share_windows(crowd, FRAME), strict=True):
        y0, x0, y1, x1 = ObjectLocation(window.place.y, window.place.x, LEAST_ROOM * window.place.extent).box
        # Whole pixels: the window may lie half a pixel beside its place.
        assert view.size == window.view.size
        assert view.holds(*(max(y0 + 0.5, 0), max(x0 + 0.5, 0), min(y1 - 0.5, FRAME[0]), min(x1 - 0.5, FRAME[1])))


def test_a_dense_crowd_takes_few_windows() -> None:
    crowd = [own(y, x, 20) for y, x in itertools.product(range(100, 340, 30), range(100, 340, 30))]
    assert len(set(share_windows(crowd, FRAME))) <= len(crowd) / 4


def test_sizes_do_not_mix() -> None:
    views = share_windows([own(300, 400), own(302, 402, side=136)], FRAME)
    assert [view.size for view in views] == [(96, 96), (136, 136)]


def test_the_order_of_objects_does_not_matter() -> None:
    crowd = scattered(40, seed=3)
    views = share_windows(crowd, FRAME)
    assert share_windows(crowd[::-1], FRAME) == views[::-1]


def test_who_shared_a_window_stays_together() -> None:
    # From the left, the first two would share and leave the third alone; the last frame had it otherwise.
    before = window_around(ObjectLocation(300, 450, 1), SIDE, FRAME)
    crowd = [own(300, 400), own(300, 435, last=before), own(300, 470, last=before)]
    views = share_windows(crowd, FRAME)
    assert views[1] == views[2] != views[0]
    # Once they are too far apart, they part.
    views = share_windows([own(300, 435, last=before), own(300, 535, last=before)], FRAME)
    assert views[0] != views[1]


def test_who_comes_later_joins_a_window_that_has_room() -> None:
    there = [window_around(ObjectLocation(300, 400, 1), SIDE, FRAME)]
    assert share_windows([own(310, 410)], FRAME, there=there) == there
    outside, wider = own(310, 460), own(300, 400, side=136)
    assert share_windows([outside, wider], FRAME, there=there) == [outside.view, wider.view]


def test_maps_are_moved_by_whole_cells() -> None:
    cells = torch.arange(36.0).reshape(1, 1, 6, 6)
    source, target = Crop(10, 20, 60, 60), Crop(20, 20, 60, 60)
    # What it shows has gone as far as the window: nothing moves.
    assert shift_cells(cells, source, target, moved=(10, 0)) is cells
    # It stayed: one row of cells goes up, and the last one is repeated.
    moved = shift_cells(cells, source, target, moved=(0, 0))
    np.testing.assert_array_equal(moved[0, 0, :-1], cells[0, 0, 1:])
    np.testing.assert_array_equal(moved[0, 0, -1], cells[0, 0, -1])
    # Less than half a cell is nothing.
    assert shift_cells(cells, source, source, moved=(4.9, -4.9)) is cells


def crowd_frames() -> tuple[np.ndarray, list[np.ndarray]]:
    """(6, 160, 200) frames with nine discs that drift, and their masks on the first one."""
    y, x = np.mgrid[:160, :200]
    homes = [(40 + 16 * i, 60 + 16 * j) for i in range(3) for j in range(3)]
    frames, masks = [], []
    for t in range(6):
        drawn = [(y - row - t) ** 2 + (x - column - 2 * t) ** 2 <= 5**2 for row, column in homes]
        frames.append(np.where(np.any(drawn, axis=0), 200, 60))
        masks = masks or drawn
    noise = np.random.default_rng(0).normal(0, 5, (6, 160, 200))
    return np.clip(np.stack(frames) + noise, 0, 255).astype(np.uint8), masks


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, list[np.ndarray]]:
    return crowd_frames()


def crowded(model: Sam2, crowd: tuple[np.ndarray, list[np.ndarray]]) -> Session:
    frames, masks = crowd
    session = Session(model, frames, zoom="auto")
    for object_id, mask in enumerate(masks, start=1):
        session.add_mask(0, object_id, mask)
    return session


@pytest.mark.usefixtures("one_thread")
def test_a_crowd_is_encoded_window_by_window(model: Sam2, crowd: tuple[np.ndarray, list[np.ndarray]]) -> None:
    session = crowded(model, crowd)
    before = session.encoder.frames_encoded
    (result,) = itertools.islice(session.propagate(1, max_frames=1), 1)
    assert len(result.object_ids) == 9
    views = {track.bank[1].view for track in session._objects.tracks.values()}
    assert len(views) < 9
    # The windows of the prompted frame, those of this one, and a few that were too narrow.
    assert session.encoder.frames_encoded - before < 2 * 9


@pytest.mark.usefixtures("one_thread")
def test_a_crowd_that_is_interrupted_ends_as_one_that_is_not(
    model: Sam2, crowd: tuple[np.ndarray, list[np.ndarray]]
) -> None:
    whole, halted = crowded(model, crowd), crowded(model, crowd)
    wanted = list(whole.propagate())
    got = list(itertools.islice(halted.propagate(), 3))
    # All that is not saved is forgotten.
    halted.encoder.clear()
    got += list(halted.resume())
    assert len(got) == len(wanted) == 6
    for one, other in zip(wanted, got, strict=True):
        assert one.views == other.views
        np.testing.assert_array_equal(one.low_res_logits, other.low_res_logits)
