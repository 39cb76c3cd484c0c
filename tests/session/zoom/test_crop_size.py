"""Windows around small objects: how they are chosen, and what a session makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_sam2 import Session, load_model
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT, Sam2
from napari_sam2.session.prompting.click_voting import VotingRule
from napari_sam2.session.tracking.crop_follower import CropChoice
from napari_sam2.session.zoom.crop import Crop, ObjectLocation, place_of_mask, whole
from napari_sam2.session.zoom.crop_size import Zoom, hidden_place, make_zoom, steady_place
from session_state import RecordingTracker

FRAME = (1000, 1400)
AUTO = Zoom(None, 256)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def nano() -> Sam2:
    """The bundled model."""
    return load_model("sam2_nano", device="cpu")


@pytest.fixture(scope="module")
def speck() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Frames of 480 x 640 pixels with a bright disc of 12 pixels that moves over dim blobs, and its masks."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:480, :640]
    coarse = rng.random((16, 16))
    ground = 60 + 40 * np.kron(coarse, np.ones((30, 40)))
    frames, masks = [], []
    for t in range(8):
        mask = (y - 240 - 4 * t) ** 2 + (x - 300 - 6 * t) ** 2 <= 6**2
        frames.append(np.where(mask, 210, ground) + rng.normal(0, 6, ground.shape))
        masks.append(mask)
    return np.clip(np.stack(frames), 0, 255).astype(np.uint8), np.stack(masks)


def overlap(mask: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero((mask > 0) & truth) / np.count_nonzero((mask > 0) | truth))


def test_what_users_say_about_zoom() -> None:
    assert make_zoom("off", 256) is None
    assert make_zoom("auto", 256) == AUTO
    assert make_zoom(2, 256) == Zoom(2.0, 256)
    for wrong in ("near", 0.5, -1, float("nan"), True, float("inf")):
        with pytest.raises(ValueError, match="zoom is 'auto'"):
            make_zoom(wrong, 256)


def test_large_objects_need_no_window() -> None:
    assert AUTO.fresh(ObjectLocation(500, 700, 500), FRAME) is None
    assert AUTO.fresh(ObjectLocation(20, 20, 30), (64, 64)) is None
    assert Zoom(2.0, 256).fresh(ObjectLocation(500, 700, 700), FRAME) is None


@pytest.mark.parametrize("zoom", [AUTO, Zoom(4.0, 256), Zoom(None, 1024)])
@pytest.mark.parametrize(
    "place",
    [ObjectLocation(500, 700, 20), ObjectLocation(3, 1396, 7), ObjectLocation(990, 5, 60), ObjectLocation(400, 600, 1)],
)
def test_a_window_lies_in_the_frame_and_holds_its_object(zoom: Zoom, place: ObjectLocation) -> None:
    view = zoom.fresh(place, FRAME)
    assert view is not None
    assert view.height == view.width >= max(2 * place.extent, zoom.input_size / 8)
    assert view.top >= 0 and view.left >= 0
    assert view.top + view.height <= FRAME[0] and view.left + view.width <= FRAME[1]
    y0, x0, y1, x1 = place.box
    assert view.holds(max(y0, 0), max(x0, 0), min(y1, FRAME[0]), min(x1, FRAME[1]))


def test_a_click_is_looked_at_through_windows_half_as_wide_each() -> None:
    views = AUTO.close_ups(500, 700, FRAME)
    assert 0.3 <= views[0].height / max(FRAME) <= 0.55
    sides = [max(view.size) for view in views]
    assert len(views) == 3 and sides[1:] == [pytest.approx(side / 2, abs=4) for side in sides[:-1]]
    assert {(v.top + v.height / 2, v.left + v.width / 2) for v in views} == {(500, 700)}
    corner, *_ = AUTO.close_ups(3, 1399, FRAME)
    assert corner.size == views[0].size and (corner.top, corner.left + corner.width) == (0, 1400)
    # None is magnified for nothing, and a factor that the user gave is kept to.
    assert AUTO.close_ups(10, 10, (40, 40)) == [] and len(AUTO.close_ups(60, 60, (128, 128))) == 2
    assert Zoom(4.0, 256).close_ups(500, 700, FRAME) == [Crop(324, 524, 352, 352)]


def test_a_window_goes_with_its_object_and_keeps_its_size() -> None:
    place = ObjectLocation(500.0, 700.0, 30.0)
    view = AUTO.fresh(place, FRAME)
    assert view is not None
    for _ in range(60):
        place = ObjectLocation(place.y + 3, place.x - 2, 30.0)
        last, view = view, AUTO.follow(view, place, FRAME)
        assert view is not None
        assert view.size == last.size
        assert abs(view.top + view.height / 2 - place.y) <= 1
        assert abs(view.left + view.width / 2 - place.x) <= 1


def test_the_whole_frame_is_kept_as_long_as_a_window_is() -> None:
    # Four, five, six extents fit into the frame's longer side: a window would only blur what is remembered.
    assert AUTO.fresh(ObjectLocation(120, 120, 45), (240, 240)) is not None
    for extent in (60, 48, 41):
        assert AUTO.follow(None, ObjectLocation(120, 120, extent), (240, 240)) is None
    shrunk = AUTO.follow(None, ObjectLocation(120, 120, 39), (240, 240))
    assert shrunk is not None and shrunk.height <= 180


def test_a_window_grows_with_its_object_and_gives_way_to_the_frame() -> None:
    place, view = ObjectLocation(500.0, 700.0, 30.0), AUTO.fresh(ObjectLocation(500, 700, 30), FRAME)
    sides = []
    for _ in range(40):
        place = ObjectLocation(500, 700, place.extent * 1.1)
        view = AUTO.follow(view, place, FRAME)
        sides.append(max(FRAME) if view is None else view.height)
    assert sides == sorted(sides)
    assert 3 <= len(set(sides)) <= 12
    assert view is None


def test_a_hidden_object_is_looked_for_in_an_ever_wider_window() -> None:
    place, view = ObjectLocation(500.0, 700.0, 40.0), AUTO.fresh(ObjectLocation(500, 700, 40), FRAME)
    assert view is not None
    first = view.height
    for _ in range(4):
        place = hidden_place(place, FRAME)
        view = AUTO.follow(view, place, FRAME)
    assert view is None or view.height > first
    for _ in range(40):
        place = hidden_place(place, FRAME)
    assert place.extent == max(FRAME)
    assert AUTO.follow(view, place, FRAME) is None


def test_a_leak_does_not_count_at_once() -> None:
    last = ObjectLocation(100, 100, 20)
    steady = steady_place(ObjectLocation(300, 90, 400), last)
    assert (steady.y, steady.x, steady.extent) == (120, 90, 25)


def test_a_small_object_is_tracked_better(nano: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]]) -> None:
    frames, masks = speck
    figures = {}
    for zoom in ("off", "auto"):
        session = Session(nano, frames, zoom=zoom)
        session.add_mask(0, 1, masks[0])
        results = list(session.propagate())
        figures[zoom] = np.mean([overlap(r.label_image(), masks[r.frame]) for r in results[1:]])
        views = {view for result in results for view in result.views}
        assert (views == {None}) == (zoom == "off")
    assert figures["auto"] > 0.8
    assert figures["auto"] > figures["off"]


@pytest.mark.parametrize("prompt", ["box", "click"])
def test_boxes_and_clicks_find_their_window(
    nano: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]], prompt: str
) -> None:
    # Five pixels of the model's input could be anything to a click: here they are thirteen.
    frames, masks = (stack[:, 160:320, 200:440] for stack in speck)
    session = Session(nano, frames, zoom="auto")
    clicked = prompt == "click"
    result = session.add_points(0, 1, [[80, 100]], [1]) if clicked else session.add_box(0, 1, (74, 94, 87, 107))
    assert overlap(result.masks[0], masks[0]) > 0.7
    (view,) = result.views
    assert view is not None and view.holds(74, 94, 87, 107)
    outside = np.ones(frames.shape[1:], bool)
    outside[view.crop] = False
    assert (result.logits[0][outside] == NO_OBJECT_LOGIT).all()


def test_a_correction_outside_the_window_is_seen(
    nano: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> None:
    frames, masks = speck
    session = Session(nano, frames, zoom="auto")
    session.add_mask(0, 1, masks[0])
    list(session.propagate(max_frames=4))
    result = session.add_points(3, 1, [[30, 600]], [1])
    (view,) = result.views
    assert view is None or view.holds(30, 252, 258, 600)


def test_one_window_is_encoded_once(nano: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]]) -> None:
    frames, masks = speck
    session = Session(nano, frames, zoom="auto")
    session.add_mask(0, 1, masks[0])
    session.add_points(0, 1, [[240, 300]], [1])
    assert session.encoder.frames_encoded == 1
    session.add_mask(0, 2, np.roll(masks[0], -200, axis=1))
    assert session.encoder.frames_encoded == 2


def test_objects_in_windows_go_through_the_model_together_as_they_would_alone(
    speck: tuple[NDArray[np.uint8], NDArray[np.bool_]],
) -> None:
    frames, masks = speck
    nano = load_model("sam2_nano", device="cpu", preset="exact")
    # Five specks in windows of their own, and a large object that is looked at in the whole frame.
    given = [np.roll(masks[0], (dy, dx), axis=(0, 1)) for dy, dx in ((0, 0), (90, 60), (-90, 60), (60, -90), (0, 200))]
    given.append(np.pad(np.ones((400, 500), bool), ((40, 40), (70, 70))))
    together = Session(nano, frames, zoom="auto")
    for object_id, mask in enumerate(given, start=1):
        together.add_mask(0, object_id, mask)
    work = RecordingTracker(together)
    results = list(together.propagate(max_frames=3))
    assert work.groups[:2] == [[1, 2, 3, 4, 5], [6]]
    for object_id, mask in enumerate(given, start=1):
        alone = Session(nano, frames, zoom="auto")
        alone.add_mask(0, object_id, mask)
        for one, all_of_them in zip(alone.propagate(max_frames=3), results, strict=True):
            row = all_of_them.row(object_id)
            assert one.views[0] == all_of_them.views[row]
            np.testing.assert_allclose(one.low_res_logits[0], all_of_them.low_res_logits[row], rtol=0, atol=1e-3)


def test_a_mask_cut_off_by_its_window_is_looked_at_again(model: Sam2) -> None:
    session = Session(model, np.zeros((2, 400, 400), np.uint8), zoom="auto")
    crop = CropChoice(Crop(100, 100, 64, 64), ObjectLocation(132, 132, 20))
    logits = torch.full((16, 16), -3.0)
    logits[6:10, 6:10] = 3
    crops = session._tracker.crops
    assert crops.wider(crop, logits) is None
    logits[2:14, 6:] = 3
    wider = crops.wider(crop, logits)
    assert wider is not None and wider.view is not None
    # 48 pixels high: a window twice as wide, at the same place for all that the object can have moved.
    assert wider.view.height > 64 and wider.view.holds(108, 124, 156, 164)
    assert wider.place == crop.place
    # The frame ends there: there is nothing more to see.
    assert crops.wider(CropChoice(Crop(100, 336, 64, 64), ObjectLocation(132, 368, 20)), logits) is None
    assert crops.wider(CropChoice(None, crop.place), logits) is None


def test_a_first_click_takes_four_looks_at_most(nano: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]]) -> None:
    session = Session(nano, speck[0][:, 160:320, 200:440], zoom="auto")
    session.add_points(0, 1, [[80, 100]], [1])
    assert session.encoder.frames_encoded <= 4
    # The windows around the click are encoded while the user waits: with a small input.
    sizes = [(view is None, size) for _, view, size in session.encoder._features]
    assert sizes[:3] == [(True, nano.config.image_size), *[(False, VotingRule().close_up_size)] * 2]
    assert VotingRule().close_up_size < nano.config.image_size
    # What was looked at is not encoded again.
    before = session.encoder.frames_encoded
    session.add_points(0, 2, [[80, 100]], [1])
    assert session.encoder.frames_encoded == before


def test_an_answer_is_remembered_through_a_window_of_its_size(
    model: Sam2, speck: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> None:
    # A click was answered in the whole frame, and what was found is small: tracking would look through a window.
    frames, masks = speck
    session = Session(model, frames, zoom="auto")
    session.add_points(0, 1, [[240, 300]], [1])
    track, side = session._objects.tracks[1], model.config.low_res_size
    small = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(masks[:1]).float(), side) * 20 - 10
    place = place_of_mask(small[0].numpy() > 0, whole(frames.shape[1:]))
    track.staged[0] = replace(track.staged[0], low_res_bhw=small, view=None, place=place, object_score_logit=5.0)
    session._answerer.commit(track)
    kept, zoom = track.bank.conditioning[0], make_zoom("auto", model.config.image_size)
    assert place is not None and zoom is not None and kept.view is not None
    assert kept.view == zoom.fresh(place, frames.shape[1:])
    found = place_of_mask(kept.logits_bhw[0].numpy() > 0, kept.view)
    assert found is not None and abs(found.y - 240) < 6 and abs(found.x - 300) < 6
    # So nothing changes from the first frame to the next.
    crop = session._tracker.crops.next_crop(track, 1, 1)
    assert crop.view is not None and crop.view.size == kept.view.size


def test_memories_are_used_across_sizes_of_windows(nano: Sam2) -> None:
    # A disc that grows threefold: its window changes size several times, and the frame takes over in the end.
    y, x = np.mgrid[:200, :200]
    masks = np.stack([(y - 100) ** 2 + (x - 90 - t) ** 2 <= (10 + 2 * t) ** 2 for t in range(16)])
    rng = np.random.default_rng(2)
    frames = np.clip(np.where(masks, 190, 70) + rng.normal(0, 5, masks.shape), 0, 255).astype(np.uint8)
    session = Session(nano, frames, zoom="auto")
    session.add_mask(0, 1, masks[0])
    results = list(session.propagate())
    sizes = [None if r.views[0] is None else r.views[0].height for r in results]
    assert len(set(sizes)) >= 3
    assert np.mean([overlap(r.masks[0], masks[r.frame]) for r in results]) > 0.8


def test_a_large_object_is_tracked_as_without_zoom(model: Sam2, frames: np.ndarray) -> None:
    runs = []
    mask = np.zeros(frames.shape[1:3], bool)
    mask[4:40, 4:44] = True
    for zoom in ("off", "auto"):
        session = Session(model, frames, zoom=zoom)
        session.add_mask(0, 1, mask)
        runs.append([result.low_res_logits for result in session.propagate()])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_zoom_follows_the_preset_unless_it_is_named(model: Sam2, frames: np.ndarray) -> None:
    exact = load_model("sam2_nano", device="cpu", preset="exact")
    assert Session(exact, frames).zoom == "off"
    assert Session(exact, frames, zoom="auto").zoom == "auto"
    assert Session(model, frames).zoom == "auto"


def test_a_window_is_what_the_encoder_sees(model: Sam2, frames: np.ndarray) -> None:
    colour = np.repeat(frames[..., None], 3, axis=-1)
    part = Session(model, colour).encoder.encode(3, Crop(8, 16, 24, 24)).s16_bchw
    alone = Session(model, np.ascontiguousarray(colour[:, 8:32, 16:40])).encoder.encode(3).s16_bchw
    np.testing.assert_array_equal(part, alone)
