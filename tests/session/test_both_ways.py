"""`Session.update(both_ways=True)`: frames between two prompts come from both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import FrameResult, Session
from napari_sam2.model.sam2 import Sam2
from session_state import assert_same_sessions, everything

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def corrected(tracked: Session) -> Session:
    """Object 1 was clicked on frame 0, tracked, and corrected on frame 4."""
    tracked.add_points(4, 1, [[20, 25]], [1])
    return tracked


def visits(results: list[FrameResult]) -> list[int]:
    return [result.frame for result in results]


def test_frames_before_a_correction_come_from_both_sides(corrected: Session) -> None:
    last = corrected.stack.n_frames - 1
    others = corrected.labels[2]
    results = list(corrected.update(both_ways=True))
    assert visits(results) == [1, 2, 3, 3, 2, 1, *range(5, last + 1)]
    assert all(result.object_ids == (1,) for result in results)
    assert not np.array_equal(corrected.labels[2], others)
    # Nothing is left to do, in either way.
    assert (corrected.stale, corrected.one_sided) == ({}, {})
    assert not list(corrected.update(both_ways=True))


def test_it_is_a_step_of_its_own(corrected: Session) -> None:
    before = everything(corrected)
    list(corrected.update(both_ways=True))
    assert corrected.undo_name == "Update both ways"
    corrected.undo()
    assert everything(corrected)[:-1] == before[:-1]
    assert corrected.one_sided == {1: (1, 2, 3)}
    corrected.redo()
    assert corrected.one_sided == {}


def test_a_plain_update_knows_nothing_of_it(corrected: Session) -> None:
    assert visits(list(corrected.update())) == list(range(5, corrected.stack.n_frames))
    # What is between the prompts can be filled later.
    assert corrected.one_sided == {1: (1, 2, 3)}
    assert visits(list(corrected.update(both_ways=True))) == [1, 2, 3, 3, 2, 1]


def test_what_came_from_two_prompts_depends_on_these_alone(corrected: Session) -> None:
    list(corrected.update(both_ways=True))
    last = corrected.stack.n_frames - 1
    corrected.add_points(last, 1, [[20, 25]], [1])
    assert corrected.stale == {}
    assert corrected.one_sided == {1: tuple(range(5, last))}
    # A correction inside the stretch makes both of its sides out of date.
    corrected.add_points(2, 1, [[20, 25]], [1])
    assert corrected.stale[1][:2] == (1, 3)


def test_a_pass_from_one_side_takes_its_place(corrected: Session) -> None:
    list(corrected.update(both_ways=True))
    list(corrected.propagate())
    assert corrected.one_sided == {1: (1, 2, 3)}


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 7])
def test_a_run_that_was_cut_short_goes_on(corrected: Session, model: Sam2, tmp_path: Path, cut: int) -> None:
    corrected.save(tmp_path / "one.napari-sam2")
    run = corrected.update(both_ways=True)
    for _ in range(cut):
        next(run)
    run.close()  # type: ignore[attr-defined]
    corrected.close()
    opened = Session.open(tmp_path / "one.napari-sam2", frames=corrected.stack, model=model)
    assert opened.problems == ()
    assert_same_sessions(opened, corrected)
    for session in (opened, corrected):
        list(session.resume())
        assert (session.stale, session.one_sided) == ({}, {})
    assert_same_sessions(opened, corrected)


@pytest.mark.parametrize("cut", [2, 4])
def test_a_run_that_was_given_up_is_done_again(corrected: Session, cut: int) -> None:
    run = corrected.update(both_ways=True)
    for _ in range(cut):
        next(run)
    run.close()  # type: ignore[attr-defined]
    assert corrected.one_sided == {1: (1, 2, 3)}
    # Going over a frame backward is no second half of what was given up.
    list(corrected.propagate(3, "backward", max_frames=1))
    assert 3 in corrected.one_sided[1]
    assert visits(list(corrected.update(both_ways=True)))[:6] == [1, 2, 3, 3, 2, 1]
    assert corrected.one_sided == {}


def test_a_correction_while_the_run_rests(corrected: Session) -> None:
    run = corrected.update(both_ways=True)
    for _ in range(4):
        next(run)
    corrected.add_points(2, 1, [[20, 25]], [1])
    list(run)
    assert corrected.one_sided == {1: (1, 3)}
    list(corrected.update(both_ways=True))
    assert (corrected.stale, corrected.one_sided) == ({}, {})


def test_each_object_has_its_own_stretches(corrected: Session) -> None:
    corrected.add_points(3, 2, [[30, 40]], [1])
    other = corrected.labels[1] == 2
    results = list(corrected.update(both_ways=True))
    filled = {(r.frame, i) for r in results for i in r.object_ids if r.frame < 4}
    assert filled == {(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)}
    assert corrected.one_sided == {}
    assert other.shape == corrected.labels[1].shape


@pytest.mark.parametrize(
    ("memory", "zoom"),
    [
        ("gated", "auto"),
        ("distractor-adaptive", "off"),
        ("motion", "auto"),
        ("long", "off"),
        ("long+exclusive", "auto"),
    ],
)
def test_every_memory_rule_can(flickering_model: Sam2, frames: np.ndarray, memory: str, zoom: str) -> None:
    session = Session(flickering_model, frames, memory=memory, zoom=zoom)
    for object_id, place in ((1, [20, 25]), (2, [30, 40])):
        session.add_points(0, object_id, [place], [1])
        session.add_points(5, object_id, [place], [1])
    list(session.propagate())
    list(session.update(both_ways=True))
    assert (session.stale, session.one_sided) == ({}, {})
