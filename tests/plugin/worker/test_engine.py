"""What the engine does on the worker's thread, without a window."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, PromptKey
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.session.results.outputs import RECORD_BYTES
from napari_sam2.weights.load import load_model
from small_model import build_small

CLICK = Drawing(points=(DrawnPoint(20.0, 30.0, 1),))
FIRST = PromptKey(0, 1)


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
        report = engine.edit({FIRST: CLICK}, "Click")
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
    engine.edit({PromptKey(prompted, 1): CLICK}, "Click")
    run = engine.track(TrackingRequest("range", first=2, last=10))
    first = next(run)
    assert first.total == len(visited)
    done = [first.update.frame, next(run).update.frame]
    run.close()
    assert engine.session.unfinished == len(visited) - 2
    rest = list(engine.track(TrackingRequest("resume")))
    assert done + [step.update.frame for step in rest] == visited
    # What goes on counts on.
    assert [step.done for step in rest] == list(range(3, len(visited) + 1))
    assert {step.total for step in rest} == {len(visited)}


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
    changes = engine._painted(0, painted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert {key.object_id for key in changes} == {1, 2, 100, 200}
    assert changes.pop(PromptKey(0, 2)).is_empty
    for key, drawing in changes.items():
        np.testing.assert_array_equal(drawing.mask((2048, 2048)), painted == key.object_id)


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in alive}.values())


def test_undo_keeps_results_of_all_runs_and_memories_of_the_latest(frames: np.ndarray) -> None:
    results = len(frames) * RECORD_BYTES
    engine = Engine(Session(build_small(3, presence=1.0), frames))
    engine.session._recorder.history.max_bytes = 8 * results
    engine.edit({FIRST: CLICK}, "Click")
    seen, grown = [engine.session.labels.to_array()], []
    for run in range(2, 9):
        # Another point each time, so that every run has other results.
        points = (*CLICK.points, *(DrawnPoint(5.0 * run, 30.0, run % 2) for run in range(2, run + 1)))
        engine.edit({FIRST: Drawing(points=points)}, "Click")
        list(engine.track(TrackingRequest("both")))
        seen.append(engine.session.labels.to_array())
        grown.append(tensor_bytes())
    recents = {id(m): m.nbytes for t in engine.session.state().objects for m in t.recent.values()}
    # As much as one run remembers is kept for each run at first, and no more of it once the bound is reached.
    assert grown[1] - grown[0] > sum(recents.values()) / 2
    assert grown[-1] - grown[-3] < sum(recents.values()) / 4
    for labels in seen[::-1]:
        np.testing.assert_array_equal(engine.session.labels.to_array(), labels)
        engine.undo()
        engine.undo()
    while engine.session.redo_name:
        engine.redo()
    np.testing.assert_array_equal(engine.session.labels.to_array(), seen[-1])


def test_what_is_taken_back_goes_with_a_new_step(engine: Engine) -> None:
    engine.edit({FIRST: CLICK}, "Click")
    list(engine.track(TrackingRequest("both")))
    engine.undo()
    before = tensor_bytes()
    engine.edit({PromptKey(3, 1): CLICK}, "Click")
    assert tensor_bytes() < before
    assert engine.session.redo_name is None


def test_prompts_of_a_session_that_is_gone_are_taken_over_and_are_no_step(engine: Engine) -> None:
    report = engine.take_over({FIRST: CLICK, PromptKey(0, 2): CLICK})
    assert report.drawings == {FIRST: CLICK, PromptKey(0, 2): CLICK}
    assert (report.state.undo, engine.session.undo_name) == (None, None)


def test_what_cannot_be_taken_is_said_and_the_rest_is_done(engine: Engine) -> None:
    outside = Drawing(points=(DrawnPoint(500.0, 30.0, 1),))
    report = engine.edit({FIRST: outside, PromptKey(0, 2): CLICK}, "Click")
    (problem,) = report.problems
    assert problem.startswith("Object 1 on frame 0: the point (y=500, x=30) is outside")
    assert list(report.drawings) == [PromptKey(0, 2)]
