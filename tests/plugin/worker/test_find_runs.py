"""Objects found on the worker's thread: in steps, undone in one, cut short and gone on with."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from drawn_discs import picture
from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, PromptKey
from napari_sam2.plugin.worker.engine import Engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.session.population.found_objects import FoundObjects
from napari_sam2.session.session import Session
from small_model import build_small

FIND_NEW = TrackingRequest("find_new")
N_FRAMES = 4
NAME = "Track and find new objects"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A session that looks for newcomers on every frame; the third disc comes on the third."""
    late = [((34, 25, 10, 70),) if t >= 2 else () for t in range(N_FRAMES)]
    movie = [picture((14, 15, 9, 140), (14, 40, 8, 100), *late[t], size=(48, 56), seed=t) for t in range(N_FRAMES)]
    session = Session(build_small(5, presence=1.0), np.stack(movie))
    monkeypatch.setattr(session, "tracking_and_finding", partial(session.tracking_and_finding, every=1))
    return Engine(session)


def found_on(engine: Engine, frame: int) -> FoundObjects:
    *shares, found = engine.find_runs.find(frame)
    assert shares == sorted(shares)
    assert all(0 < share <= 1 for share in shares)
    assert isinstance(found, FoundObjects)
    return found


def test_found_objects_are_one_step_and_not_found_again(engine: Engine) -> None:
    found = found_on(engine, 2)
    assert len({found.labels[14, 15], found.labels[14, 40], found.labels[34, 25]} - {0}) == len(found) == 3
    report = engine.add_found(found)
    assert report.state.undo == "Find on frame 2: 3 objects"
    assert sorted(report.state.prompted) == [1, 2, 3]
    assert len(found_on(engine, 2)) == 0
    engine.undo()
    assert engine.session.object_ids == ()


def test_newcomers_come_in_one_step_which_an_edit_divides(engine: Engine) -> None:
    session = engine.session
    engine.add_found(found_on(engine, 1).take([1]))
    before = session.labels[1].copy()
    steps = list(engine.track(FIND_NEW))
    assert {step.update.frame for step in steps} == {0, 1, 2, 3}
    assert steps[-1].done == steps[-1].total == N_FRAMES
    # What is on the screen is what there is.
    shown = {step.update.frame: step.update.image for step in steps}
    assert all(np.array_equal(shown[t], session.labels[t]) for t in range(N_FRAMES))
    # What was left out on that frame stays out.
    np.testing.assert_array_equal(shown[1], before)
    assert len(session.object_ids) > 1
    assert engine.undo().state.undo == "Find on frame 1: 1 object"
    assert session.object_ids == (1,)
    assert [t for t in range(N_FRAMES) if session.labels[t].any()] == [1]
    np.testing.assert_array_equal(session.labels[1], before)

    run = engine.track(FIND_NEW)
    next(step for step in run if step.done == 2)
    engine.edit({PromptKey(1, 77): Drawing(points=(DrawnPoint(44.0, 50.0, 1),))}, "Click")
    list(run)
    assert [step.name for step in session.history[0]][1:] == [NAME, "Click", NAME]


def test_run_that_was_left_goes_on_with_newcomers(engine: Engine) -> None:
    engine.add_found(found_on(engine, 0).take([1]))
    run = engine.track(FIND_NEW)
    next(step for step in run if step.done == 2)
    run.close()
    assert engine.find_runs.left_at == 1
    rest = list(engine.track(TrackingRequest("resume")))
    assert rest[-1].done == N_FRAMES
    assert len(engine.session.object_ids) > 1
    assert engine.find_runs.left_at is None
    assert not engine.session.unfinished
