"""Of two tracks on one object, the one that came back later gives way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking.memory.exclusion import excluded
from napari_sam2.session.tracking.memory.observation import Observation
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.suppression import overlaps
from napari_sam2.session.zoom.crop import Crop, cell_centres, whole


def test_who_came_back_later_gives_way() -> None:
    assert excluded({(0, 1): 0.7}, [None, 5], step=1) == {1}
    assert excluded({(0, 1): 0.9}, [7, 5], step=1) == {0}
    assert excluded({(0, 1): 0.9}, [7, 5], step=-1) == {1}
    assert excluded({(0, 1): 0.9, (1, 2): 0.8}, [2, 9, 4], step=1) == {1}


def test_without_an_absence_or_an_overlap_nobody_does() -> None:
    assert excluded({(0, 1): 0.69}, [None, 5], step=1) == set()
    assert excluded({(0, 1): 0.9}, [None, None], step=1) == set()
    assert excluded({(0, 1): 0.9}, [5, 5], step=-1) == set()


def remembered(box: tuple[int, int, int, int], view: Crop | None, size: tuple[int, int]) -> FrameMemory:
    """A mask that fills a box of the frame, seen in a crop on a grid of 64 x 64 cells."""
    seen = whole(size) if view is None else view
    y, x = cell_centres(seen, (64, 64), torch.device("cpu"))
    rows, columns = (y > box[0]) & (y < box[2]), (x > box[1]) & (x < box[3])
    mask = (rows[:, None] & columns).numpy()
    logits = torch.from_numpy(np.where(mask, 5.0, -5.0).astype(np.float32))[None]
    return FrameMemory(
        logits, torch.zeros(1, 4), 5.0, 0.9, view=view, observation=Observation.of_mask(mask, seen, iou=0.9)
    )


@pytest.mark.parametrize("view", [None, Crop(4, 8, 32, 32), Crop(0, 0, 32, 32)])
def test_overlap_in_any_crop(view: Crop | None) -> None:
    size = (48, 64)
    some = [
        remembered((8, 12, 20, 24), None, size),
        remembered((8, 18, 20, 30), view, size),
        remembered((40, 50, 44, 54), None, size),
    ]
    found = overlaps(some, size)
    assert set(found) == {(0, 1)}
    assert found[0, 1] == pytest.approx(1 / 3, abs=0.02)


def test_a_hidden_object_meets_nobody() -> None:
    size = (48, 64)
    assert overlaps([remembered((0, 0, 0, 0), None, size), remembered((0, 0, 9, 9), None, size)], size) == {}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("memory", ["standard", "standard+exclusive"])
def test_a_track_on_anothers_object_is_hidden(model: Sam2, frames: np.ndarray, memory: str) -> None:
    session = Session(model, frames, memory=memory, zoom=2)
    for object_id in (1, 2):
        session.add_box(3, object_id, (20, 20, 40, 44))
    steps = session.propagate()
    while next(steps).frame < 6:
        pass
    # As if the second object had just come back; on the same mask.
    bank = session._objects.tracks[2].bank
    bank.recent[6] = replace(bank.recent[6], observation=replace(bank.recent[6].observation or Observation(), hidden=5))
    result = next(steps)
    assert result.masks[0].any()
    assert result.masks[1].any() == (memory == "standard")
    if memory != "standard":
        hidden = bank.recent[7]
        assert (hidden.object_score_logit, bank.before(8, 1).hidden) == (-10, 7)
        torch.testing.assert_close(hidden.pointer_bc, model.no_obj_ptr)
        assert hidden.place is not None
    steps.close()
