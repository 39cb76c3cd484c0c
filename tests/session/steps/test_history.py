"""The limits of the history: the oldest steps are thinned out or dropped."""

from __future__ import annotations

import torch

from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.session.results.outputs import RECORD_BYTES, FrameOutputs
from napari_sam2.session.steps.history import History, Step
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectState

KILOBYTE = 256


def memory() -> FrameMemory:
    """A memory of 2 kB, of which 1 kB stays when it is thinned out."""
    return FrameMemory(torch.zeros(1, 1, KILOBYTE), torch.zeros(1, KILOBYTE), 1.0, 1.0)


def step(name: str, *, rows: int = 0, recent: FrameMemory | None = None, prompted: FrameMemory | None = None) -> Step:
    state = ObjectState(
        1, recent={} if recent is None else {3: recent}, conditioning={} if not prompted else {0: prompted}
    )
    scores = tuple(ScoreRow(0, object_id, 0.5, 0.5) for object_id in range(1, rows + 1))
    return Step(name, (1,), tracks={1: state}, frames={0: FrameOutputs(None, scores)})


def names(history: History) -> list[str]:
    return [known.name for known in history.undos]


def test_a_new_step_ends_redoing() -> None:
    history = History()
    for name in "ab":
        history.add(step(name), ())
    history.move(history.undos[-1], step("b"), ())
    assert (names(history), [known.name for known in history.redos]) == (["a"], ["b"])
    history.add(step("c"), ())
    assert names(history) == ["a", "c"]
    assert not history.redos


def test_a_step_that_grows_is_one() -> None:
    history, growing = History(), step("run")
    for _ in range(3):
        history.add(growing, ())
    assert names(history) == ["run"]


def test_the_limit_forgets_the_oldest() -> None:
    history = History(limit=3)
    for name in "abcde":
        history.add(step(name), ())
    assert names(history) == ["c", "d", "e"]


def test_results_that_take_too_many_bytes_are_forgotten_but_for_the_latest() -> None:
    history = History(max_bytes=35 * RECORD_BYTES)
    for name in "abcde":
        history.add(step(name, rows=10), ())
    assert names(history) == ["b", "c", "d", "e"]
    large = History(max_bytes=5)
    for name in "fg":
        large.add(step(name, rows=10), ())
    assert names(large) == ["g"]


def test_memories_of_old_steps_are_thinned_out() -> None:
    history = History(max_bytes=5000)
    prompted = memory()
    for name in "abcd":
        history.add(step(name, recent=memory(), prompted=prompted), ())
    # The latest whole, two more within the budget, and of the oldest what tracking cannot make again.
    kept = [known.tracks[1].recent[3].low_res_bhw is not None for known in history.undos]
    assert kept == [False, True, True, True]
    assert all(known.tracks[1].conditioning[0] is prompted for known in history.undos)


def test_what_the_session_has_itself_counts_for_nothing() -> None:
    history, present = History(max_bytes=0), memory()
    for name in "abc":
        history.add(step(name, recent=present), [present])
    assert all(known.tracks[1].recent[3] is present for known in history.undos)
