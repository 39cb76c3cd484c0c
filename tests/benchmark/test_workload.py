"""What is timed is what tracking does: a full memory, the work of one frame, the objects that were asked for."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from napari_sam2.benchmark.memory import PeakMemory, resident_bytes
from napari_sam2.benchmark.models import stand_in
from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.benchmark.workload import METHODS, Workload, calls_of_a_frame
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.load import load_model
from napari_sam2.weights.presets import PRESETS


@pytest.fixture(scope="module")
def model() -> Sam2:
    return stand_in("sam2_nano", image_size=64, preset="exact")


@pytest.mark.parametrize(("history", "maps", "pointers"), [(None, 7, 16), (1, 1, 1), (4, 4, 4)])
def test_memory_is_as_full_as_asked(model: Sam2, history: int | None, maps: int, pointers: int) -> None:
    session, run = Workload(objects=2, side=64).begin(model, history=history)
    start = 16 if history is None else history
    for track in session._objects.tracks.values():
        choice = track.bank.choose(start, track.visited, step=1, num_frames=session.stack.n_frames)
        assert (len(choice.spatial), len(choice.pointers)) == (maps, pointers)
    assert next(run).frame == start


def test_the_work_of_a_frame_can_be_done_again(model: Sam2) -> None:
    session, run = Workload(objects=3, side=64).begin(model)
    calls = calls_of_a_frame(model, run)
    assert tuple(calls) == METHODS
    assert calls["condition"]().shape[0] == calls["remember"]().shape[0] == 3
    assert not set(vars(model)) & set(METHODS)
    assert session.encoder.frames_encoded == 3


def test_windows_follow_the_objects_up_to_the_frame_that_is_timed() -> None:
    model = load_model("sam2_nano", device="cpu")
    session, run = Workload(objects=2, frames=2, side=256, zoom="auto").begin(model, history=4)
    timed = next(run)
    assert timed.frame == 4
    truth = MovingDiscs(6, 256, 2).masks(4)
    for row, (view, true) in enumerate(zip(timed.views, truth, strict=True)):
        assert view is not None
        mask = timed.masks[row]
        assert (mask & true).sum() > 0.7 * (mask | true).sum()
    # Each object in a window of its own, on each frame.
    assert session.encoder.frames_encoded == 2 * 5


def test_a_stand_in_runs_as_its_preset_says() -> None:
    fast = stand_in("sam2.1_hiera_tiny", preset="fast")
    assert fast.config.image_size == PRESETS["fast"].input_size(1024) == 512
    assert fast.options == PRESETS["fast"].options_at(fast.config.image_size)
    with pytest.raises(ValueError, match="there is no variant"):
        stand_in("sam2.1_huge")


def test_stand_ins_are_alike_and_leave_the_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one, other = (stand_in("sam2_nano", image_size=64) for _ in range(2))
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(one.no_mem_embed, other.no_mem_embed)


def test_discs_are_the_same_whenever_they_are_read() -> None:
    discs = MovingDiscs(100, 64, 3)
    assert np.array_equal(discs[70], discs[70])
    assert np.array_equal(discs[70, :9, 4:], discs[70][:9, 4:])
    for mask in discs.masks(70):
        assert discs[70][mask].min() >= 140
        assert mask.any()


def test_peak_memory_sees_what_comes_and_goes() -> None:
    before = resident_bytes()
    with PeakMemory(torch.device("cpu")) as memory:
        held = np.ones(2**27, np.uint8)
        time.sleep(0.1)
        del held
    assert memory.peak >= before + 2**26
