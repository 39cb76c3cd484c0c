"""What the engine does on the worker's thread, without a window."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.plugin.layers.prompt_spec import PromptKey, PromptSpec
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.session import state
from napari_sam2.session.results.outputs import RECORD_BYTES
from napari_sam2.weights.load import load_model
from small_model import build_small

CLICK = PromptSpec(points=((20.0, 30.0, 1),))


@pytest.fixture
def engine(frames: np.ndarray) -> Engine:
    return Engine(Session(build_small(3, presence=1.0), frames))


def test_clicks_with_a_small_model_are_answered_on_one_thread(checkpoint: Path, frames: np.ndarray) -> None:
    model = load_model(checkpoint=checkpoint, device="cpu")
    engine = open_engine(model, Stack.from_array(frames), None, zoom="off")
    threads: list[int] = []
    model.sam_mask_decoder.register_forward_hook(lambda *_: threads.append(torch.get_num_threads()))
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        report = engine.sync({PromptKey(0, 1): PromptSpec(points=((20.0, 30.0, 1),))}, None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(usual)
    assert threads == [1]
    assert [update.frame for update in report.frames] == [0]


@pytest.mark.parametrize(
    ("prompted", "visited"),
    [(6, [6, 7, 8, 9, 10, 5, 4, 3, 2]), (0, list(range(2, 11))), (11, list(range(10, 1, -1)))],
)
def test_a_range_left_half_way_is_continued_to_its_end(engine: Engine, prompted: int, visited: list[int]) -> None:
    engine.sync({PromptKey(prompted, 1): CLICK}, 1)
    run = engine.track(TrackingRequest("range", first=2, last=10), 2)
    first = next(run)
    assert first.total == len(visited)
    done = [first.update.frame, next(run).update.frame]
    run.close()
    assert engine.session.unfinished == len(visited) - 2
    done += [step.update.frame for step in engine.track(TrackingRequest("resume"), 3)]
    assert done == visited


def test_a_stroke_is_compared_where_it_changed_something() -> None:
    engine = Engine(Session(build_small(3, presence=1.0), np.zeros((2, 2048, 2048), np.uint8)))
    image = np.zeros((2048, 2048), np.uint16)
    for number in range(100):
        y, x = number // 10 * 200, number % 10 * 200
        image[y : y + 90, x : x + 90] = number + 1
    engine.session.labels.set(0, image)
    painted = image.copy()
    # Into the first object from the ground, over all of the second, and a new one over a corner of the last.
    painted[80:100, 10:20] = 1
    painted[:90, 200:290] = 0
    painted[1880:, 1880:] = 200
    tracemalloc.start()
    wishes, gone = engine.painted_masks(0, painted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert gone == {PromptKey(0, 2)}
    assert {place.object_id for place in wishes} == {1, 100, 200}
    for place, wish in wishes.items():
        np.testing.assert_array_equal(wish.mask, painted == place.object_id)


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in alive}.values())


def test_undo_keeps_results_of_all_runs_and_memories_of_the_latest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = len(engine.session.labels) * RECORD_BYTES
    monkeypatch.setattr(state, "UNDO_BYTES", 8 * results)
    engine.sync({PromptKey(0, 1): CLICK}, 1)
    seen, grown = [engine.session.labels.to_array()], []
    for run in range(2, 9):
        # Another point each time, so that every run has other results.
        points = (*CLICK.points, *((5.0 * run, 30.0, run % 2) for run in range(2, run + 1)))
        engine.sync({PromptKey(0, 1): PromptSpec(points=points)}, 2 * run)
        list(engine.track(TrackingRequest("both"), 2 * run + 1))
        seen.append(engine.session.labels.to_array())
        grown.append(tensor_bytes())
    recents = {id(m): m.nbytes for t in engine.session.state().objects for m in t.recent.values()}
    # As much as one run remembers is kept for each run at first, and no more of it once the bound is reached.
    assert grown[1] - grown[0] > sum(recents.values()) / 2
    assert grown[-1] - grown[-3] < sum(recents.values()) / 4
    for run, labels in zip(range(8, 1, -1), seen[::-1], strict=False):
        np.testing.assert_array_equal(engine.session.labels.to_array(), labels)
        assert not engine.undo(2 * run + 1).problems
        engine.undo(2 * run)
    np.testing.assert_array_equal(engine.session.labels.to_array(), seen[0])
    for run, labels in zip(range(2, 9), seen[1:], strict=True):
        engine.redo(2 * run)
        engine.redo(2 * run + 1)
        np.testing.assert_array_equal(engine.session.labels.to_array(), labels)


def test_a_run_too_long_ago_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "UNDO_BYTES", 0)
    for run in (2, 3, 4):
        # Results that a later run does not change are no burden.
        engine.sync({PromptKey(0, 1): replace(CLICK, points=((10.0 * run, 30.0, 1),))}, 10 + run)
        list(engine.track(TrackingRequest("both"), run))
    assert not engine.undo(4).problems
    tracked = engine.session.labels.to_array()
    (problem,) = engine.undo(3).problems
    assert "too long ago" in problem
    np.testing.assert_array_equal(engine.session.labels.to_array(), tracked)
    assert not engine.redo(4).problems


def test_what_is_taken_back_goes_with_a_new_step(engine: Engine) -> None:
    engine.sync({PromptKey(0, 1): CLICK}, 1)
    list(engine.track(TrackingRequest("both"), 2))
    engine.undo(2)
    before = tensor_bytes()
    engine.sync({PromptKey(0, 1): CLICK, PromptKey(3, 1): CLICK}, 3)
    assert tensor_bytes() < before
    assert 2 not in engine._steps


def test_a_step_whose_edits_the_session_has_forgotten_goes_by_the_layers(engine: Engine) -> None:
    engine.session._history.limit = 1
    both = {PromptKey(0, 1): CLICK, PromptKey(0, 2): CLICK}
    engine.sync(both, 1)
    engine.undo(1)
    engine.sync({}, None)
    assert not engine.session.prompts
