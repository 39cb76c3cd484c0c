"""Windows that the objects of a crowd share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT, Sam2
from napari_sam2.session.session import Session
from napari_sam2.session.tracking import crop_follower
from napari_sam2.session.zoom.crop import BEYOND_LOGIT, Crop, ObjectLocation
from napari_sam2.session.zoom.crop_size import Zoom
from napari_sam2.session.zoom.shared_windows import SharedWindow, WindowPart, part_of_memory, share_windows
from napari_sam2.weights.load import load_model, save_checkpoint
from session_state import everything
from small_model import build_small

FRAME, GRID = (500, 640), 24


def crowd(count: int, seed: int) -> dict[int, tuple[Crop, ObjectLocation]]:
    """Objects of two sizes all over a frame, its edges included, with the windows that each would have by itself."""
    rng = np.random.default_rng(seed)
    zoom = Zoom(None, 16 * GRID)
    wanted = {}
    for i in range(count):
        y, x = rng.uniform(0, FRAME)
        place = ObjectLocation(float(y), float(x), float(rng.choice([20, 40]) * rng.uniform(1, 1.2)))
        view = zoom.fresh(place, FRAME)
        assert view is not None
        wanted[i] = view, place
    return wanted


@pytest.mark.parametrize("seed", range(3))
def test_few_windows_show_every_object_with_room_around_it(seed: int) -> None:
    wanted = crowd(60, seed)
    found = share_windows(wanted, frame_size=FRAME, grid=GRID)
    assert found.keys() == wanted.keys()
    assert len({seen.window for seen in found.values()}) <= 0.6 * len(wanted)
    for i, seen in found.items():
        (view, place), shown = wanted[i], seen.part.crop(seen.window)
        # Of about its own window's size, or a step larger; in the frame, and the part in the window.
        assert 0.9 < seen.window.height / view.height < 1.6 and seen.window.height == seen.window.width
        assert Crop(0, 0, *FRAME).holds(*corners(seen.window)) and seen.window.holds(*corners(shown))
        # Twice as large as the object, which lies in its middle but for the edges of the frame.
        assert seen.part.cells % 2 == 0 and shown.height >= min(2 * place.extent, seen.window.height)
        reach = place.extent / 2 - seen.window.height / GRID
        y0, x0, y1, x1 = place.y - reach, place.x - reach, place.y + reach, place.x + reach
        assert shown.holds(max(y0, 0), max(x0, 0), min(y1, FRAME[0]), min(x1, FRAME[1]))


def corners(view: Crop) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a crop."""
    return view.top, view.left, view.top + view.height, view.left + view.width


def test_an_object_far_from_all_others_has_a_window_around_it() -> None:
    place = ObjectLocation(250, 320, 40)
    view = Crop(182, 252, 136, 136)
    ((_, seen),) = share_windows({7: (view, place)}, frame_size=FRAME, grid=GRID).items()
    assert abs(seen.window.top + seen.window.height / 2 - 250) <= 3
    assert abs(seen.part.row - (GRID - seen.part.cells) / 2) <= 1


def test_a_frame_smaller_than_the_grid_has_no_windows() -> None:
    wanted = {0: (Crop(0, 0, 20, 20), ObjectLocation(10, 10, 5))}
    assert share_windows(wanted, frame_size=(20, 20), grid=GRID) == {}


def test_a_part_is_cut_out_of_maps_of_every_grid_and_put_back() -> None:
    part, window = WindowPart(4, 6, 12, GRID), Crop(100, 50, 192, 192)
    assert part.crop(window) == Crop(132, 98, 96, 96)
    rows = torch.arange(4 * GRID).float()[:, None].expand(-1, 4 * GRID)
    assert part.of(rows[None, None])[0, 0, :, 0].tolist() == list(range(16, 64))
    assert part.of_mask(np.ones((96, 96), bool)).shape == (48, 48)
    logits = torch.randn(3, 48, 48)
    wide = part.widen_logits(logits, visible=True)
    assert torch.equal(part.of(wide), logits) and wide[0, 0, 0] == BEYOND_LOGIT
    assert part.widen_logits(logits, visible=False)[0, 0, 0] == NO_OBJECT_LOGIT
    own = torch.randn(1, 5, 12, 12)
    kept = part.widen_map(own)
    assert kept.shape == (1, 5, GRID, GRID) and torch.equal(part.of(kept), own)
    assert torch.equal(kept[..., 0, 0], own[..., 0, 0])


def test_memories_show_the_object_where_it_is_seen_now() -> None:
    seen = SharedWindow(Crop(100, 100, 192, 192), WindowPart(2, 8, 12, GRID))
    # The part begins 16 pixels down and 64 to the right; the object lies 5 and 6 cells inside.
    now = ObjectLocation(156, 212, 40)
    then = ObjectLocation(300, 300, 40)
    part = part_of_memory(Crop(220, 230, 192, 192), then, seen=seen, now=now)
    assert part == WindowPart(10 - 5, 9 - 6, 12, GRID)
    # Nearly the same size will do; another one has to be resampled.
    assert part_of_memory(Crop(220, 230, 180, 180), then, seen=seen, now=now) is not None
    assert part_of_memory(Crop(220, 230, 136, 136), then, seen=seen, now=now) is None
    assert part_of_memory(Crop(0, 0, 192, 300), then, seen=seen, now=now) is None


def discs(count: int, frames: int) -> MovingDiscs:
    return MovingDiscs(frames, 256, count)


def begun(model: Sam2, scene: MovingDiscs, folder: Path | None = None) -> Session:
    frames = np.stack([scene[frame] for frame in range(scene.shape[0])])
    session = Session(model, frames, zoom="auto", folder=folder)
    for object_id, mask in enumerate(scene.masks(0), start=1):
        session.add_mask(0, object_id, mask)
    return session


def test_a_crowd_takes_fewer_encoder_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model, passes = build_small(0, presence=2.0), []
    for crowd_from in (crop_follower.CROWD, 100):
        monkeypatch.setattr(crop_follower, "CROWD", crowd_from)
        session = begun(model, discs(24, 2))
        before = session.encoder.frames_encoded
        *_, result = session.propagate(0)
        assert result.object_ids == tuple(range(1, 25)) and None not in result.views
        passes.append(session.encoder.frames_encoded - before)
    assert passes[0] <= 0.6 * passes[1]


def test_a_crowd_is_followed() -> None:
    scene = discs(8, 2)
    *_, result = begun(load_model("sam2_nano", device="cpu", preset="exact"), scene).propagate(0)
    for mask, own in zip(result.masks, scene.masks(1), strict=True):
        assert (mask & own).sum() / (mask | own).sum() > 0.97


def test_a_crowd_goes_on_after_an_interruption_as_if_there_had_been_none(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_checkpoint(build_small(0, presence=2.0), path)
    model = load_model(checkpoint=path, device="cpu", preset="exact")
    whole = begun(model, discs(9, 6))
    assert {view is None for result in [*whole.propagate(0)] for view in result.views} == {False}
    folder = tmp_path / "crowd.napari-sam2"
    stopped = begun(model, discs(9, 6), folder)
    run = stopped.propagate(0)
    for _ in range(3):
        next(run)
    run.close()
    stopped.close()
    goes_on = Session.open(folder, stopped.stack, model=model)
    list(goes_on.resume())
    assert everything(goes_on) == everything(whole)
    goes_on.close()
