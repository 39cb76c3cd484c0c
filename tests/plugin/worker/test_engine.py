"""What the engine does on the worker's thread, without a window."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.plugin.layers.prompt_spec import Place, Wish
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import Plan
from napari_sam2.weights.load import load_model
from small_model import build_small

CLICK = Wish(points=((20.0, 30.0, 1),))


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
        report = engine.sync({Place(0, 1): Wish(points=((20.0, 30.0, 1),))}, None)
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
    engine.sync({Place(prompted, 1): CLICK}, 1)
    run = engine.track(Plan("range", first=2, last=10), 2)
    first = next(run)
    assert first.total == len(visited)
    done = [first.update.frame, next(run).update.frame]
    run.close()
    assert engine.session.unfinished == len(visited) - 2
    done += [step.update.frame for step in engine.track(Plan("resume"), 3)]
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
    assert gone == {Place(0, 2)}
    assert {place.object_id for place in wishes} == {1, 100, 200}
    for place, wish in wishes.items():
        np.testing.assert_array_equal(wish.mask, painted == place.object_id)
