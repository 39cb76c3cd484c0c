"""Corrections, updates, undoing, and edits while a run rests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from napari_sam2 import FrameResult, Session
from napari_sam2.model.sam2 import Sam2
from session_state import RecordingTracker, everything

pytestmark = pytest.mark.usefixtures("one_thread")


def test_an_object_added_later_leaves_the_others_alone(tracked: Session) -> None:
    before = {t: tracked.labels[t] == 1 for t in range(12)}
    rows = tracked.scores.query("object == 1")["object_score"].tolist()
    tracked.add_mask(3, 9, np.pad(np.ones((4, 4)), ((0, 44), (0, 52))))
    assert tracked.stale == {9: tuple(range(12))}
    results = list(tracked.update())
    assert {result.object_ids for result in results} == {(9,)}
    assert sorted(result.frame for result in results) == list(range(12))
    assert tracked.scores.query("object == 1")["object_score"].tolist() == rows
    for t, mask in before.items():
        assert not ((tracked.labels[t] == 1) & ~mask).any()
    assert tracked.stale == {}


def test_corrections_on_tracked_frames_stick(tracked: Session) -> None:
    before = tracked.labels[5] == 1
    preview = tracked.add_points(5, 1, [[40, 50], [10, 12]], [1, 0])
    corrected = tracked.labels[5] == 1
    assert (corrected != before).any()
    again = {result.frame: result for result in tracked.propagate(0)}
    row = again[5].row(1)
    np.testing.assert_array_equal(again[5].low_res_logits[row], preview.low_res_logits[0])
    np.testing.assert_array_equal(tracked.labels[5] == 1, corrected)


def test_corrections_build_on_the_mask_there_is(tracked: Session, model: Sam2, frames: np.ndarray) -> None:
    fresh = Session(model, frames).add_points(5, 1, [[20, 20]], [0])
    corrected = tracked.add_points(5, 1, [[20, 20]], [0])
    assert not np.array_equal(fresh.low_res_logits[0], corrected.low_res_logits[0])


def test_update_tracks_again_only_what_an_edit_made_stale(tracked: Session) -> None:
    work = RecordingTracker(tracked).work
    assert tracked.stale == {}
    assert list(tracked.update()) == []
    tracked.add_points(8, 2, [[20, 20]], [0])
    assert tracked.stale == {2: (9, 10, 11)}
    assert [result.frame for result in tracked.update()] == [9, 10, 11]
    assert work == [(9, 2), (10, 2), (11, 2)]
    assert tracked.stale == {}


def test_update_goes_both_ways_from_a_correction(session: Session) -> None:
    session.add_points(6, 1, [[10, 12]], [1])
    list(session.propagate(direction="both"))
    session.add_points(6, 1, [[30, 12]], [0], replace=False)
    assert session.stale == {1: (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11)}
    assert [result.frame for result in session.update()] == [7, 8, 9, 10, 11, 5, 4, 3, 2, 1, 0]
    session.add_points(9, 1, [[30, 12]], [0])
    assert session.stale == {1: (0, 1, 2, 3, 4, 5, 10, 11)}


@pytest.mark.parametrize("cut", [1, 5])
def test_update_can_be_closed_and_called_again(tracked: Session, cut: int) -> None:
    tracked.add_points(4, 9, [[10, 40]], [1])
    pending = tracked.update()
    seen = [next(pending).frame for _ in range(cut)]
    pending.close()
    assert set(tracked.stale[9]) == set(range(12)) - set(seen)
    seen += [result.frame for result in tracked.update()]
    assert sorted(seen) == list(range(12))
    assert tracked.stale == {}


def test_clearing_prompts(tracked: Session) -> None:
    tracked.add_points(5, 1, [[40, 50]], [1])
    before = tracked.labels[5].copy()
    list(tracked.update())
    tracked.clear_prompts(5, 1)
    np.testing.assert_array_equal(tracked.labels[5], before)
    assert tracked.stale == {1: (5, 6, 7, 8, 9, 10, 11)}
    list(tracked.update())
    assert tracked.stale == {}
    assert [prompt.frame for prompt in tracked.prompts if prompt.object_id == 1] == [0]


def test_clearing_a_correction_that_was_not_tracked_yet(tracked: Session) -> None:
    before = tracked.labels[5].copy()
    tracked.add_points(5, 1, [[40, 50]], [1])
    tracked.clear_prompts(5, 1)
    np.testing.assert_array_equal(tracked.labels[5], before)
    list(tracked.update())
    tracked.add_points(3, 1, [[40, 50]], [0])
    assert 5 in tracked.stale[1]


def test_clearing_the_only_prompt_of_a_frame_never_tracked_erases_its_mask(session: Session) -> None:
    session.add_points(3, 1, [[10, 12]], [1])
    assert session.labels[3].any()
    session.clear_prompts(3, 1)
    assert not session.labels.to_array().any()
    assert session.scores.empty
    assert session.object_ids == (1,)


def test_removing_and_resetting(tracked: Session) -> None:
    tracked.remove_object(1)
    assert tracked.object_ids == (2,)
    assert set(np.unique(tracked.labels.to_array())) <= {0, 2}
    assert set(tracked.scores["object"]) == {2}
    tracked.add_points(3, 1, [[10, 12]], [1])
    tracked.reset()
    assert tracked.object_ids == tracked.prompts == ()
    assert tracked.scores.empty
    assert not tracked.labels.to_array().any()
    assert tracked.undo() is None
    assert tracked.redo() is None
    tracked.add_points(3, 1, [[10, 12]], [1])
    list(tracked.propagate())


def test_removing_gives_an_overlap_back(session: Session) -> None:
    session.add_points(0, 1, [[10, 12]], [1])
    before = session.labels[0].copy()
    session.add_mask(0, 2, before == 1)
    assert not (session.labels[0] == 1).any()
    session.remove_object(2)
    np.testing.assert_array_equal(session.labels[0], before)
    assert session.scores["area"].tolist() == [(before == 1).sum()]


def test_undo_of_a_removal_brings_everything_back_in_its_place(tracked: Session) -> None:
    before = everything(tracked)
    tracked.remove_object(1)
    tracked.undo()
    assert everything(tracked)[:5] == before[:5]
    assert tracked.object_ids == (1, 2)


def test_an_id_used_again_is_another_object_to_undo(tracked: Session) -> None:
    before = everything(tracked)
    tracked.remove_object(1)
    tracked.add_mask(7, 1, np.eye(48, 56))
    tracked.undo()
    assert not (tracked.labels.to_array() == 1).any()
    tracked.undo()
    assert everything(tracked)[:5] == before[:5]


def test_a_run_is_a_step_like_a_prompt(tracked: Session) -> None:
    states = [everything(tracked)]
    tracked.add_points(5, 1, [[40, 50]], [1])
    states.append(everything(tracked))
    list(tracked.update())
    states.append(everything(tracked))
    assert [step.name for step in tracked.history[0]][-2:] == ["Click on object 1", "Update"]
    for earlier in states[-2::-1]:
        assert tracked.undo() is not None
        assert everything(tracked)[:5] == earlier[:5]
    assert (tracked.undo_name, tracked.redo_name) == ("Track forward", "Click on object 1")
    for later in states[1:]:
        assert tracked.redo() is not None
        assert everything(tracked)[:5] == later[:5]


def test_edits_of_one_step_are_undone_together(tracked: Session) -> None:
    before = everything(tracked)
    with tracked.step("Divide"), tracked.step("inside"):
        tracked.remove_object(1)
        tracked.add_points(3, 7, [[10, 12]], [1])
        tracked.add_points(3, 8, [[30, 12]], [1])
    after = everything(tracked)
    assert tracked.undo_name == "Divide"
    tracked.undo()
    assert everything(tracked)[:5] == before[:5]
    tracked.redo()
    assert everything(tracked) == after


def test_what_was_done_before_an_error_in_a_step_can_be_undone(tracked: Session) -> None:
    before = everything(tracked)
    with pytest.raises(ValueError, match="no object 9"), tracked.step("Tidy up"):
        tracked.remove_object(1)
        tracked.remove_object(9)
    assert tracked.undo_name == "Tidy up"
    tracked.undo()
    assert everything(tracked)[:5] == before[:5]


def test_a_step_of_nothing_is_none(tracked: Session) -> None:
    name = tracked.undo_name
    with tracked.step("Nothing"):
        pass
    assert list(tracked.update()) == []
    assert tracked.undo_name == name


def test_an_update_with_nothing_to_do_changes_nothing(prompted: Session) -> None:
    resting(prompted).close()  # type: ignore[attr-defined]
    prompted.add_points(0, 1, [(2, 2)], [0], replace=False)
    prompted.undo()
    left, names = prompted.unfinished, (prompted.undo_name, prompted.redo_name)
    assert left
    assert list(prompted.update()) == []
    assert (prompted.unfinished, prompted.undo_name, prompted.redo_name) == (left, *names)


def test_undo_inside_a_step_is_refused(tracked: Session) -> None:
    with tracked.step("Half"):
        tracked.remove_object(1)
        with pytest.raises(RuntimeError, match="not over yet"):
            tracked.undo()
    tracked.undo()
    assert tracked.object_ids == (1, 2)


def test_new_prompts_end_redoing(session: Session) -> None:
    session.add_points(0, 1, [[10, 12]], [1])
    session.undo()
    session.add_points(0, 2, [[10, 12]], [1])
    assert session.redo() is None
    assert session.object_ids == (2,)


# Edits while a run rests


def resting(session: Session, count: int = 4) -> Iterator[FrameResult]:
    pending = session.propagate()
    for _ in range(count):
        next(pending)
    return pending


@pytest.fixture
def prompted(session: Session) -> Session:
    session.add_points(0, 1, [[10, 12]], [1])
    session.add_points(0, 2, [[30, 40]], [1])
    return session


def test_a_click_ahead_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    preview = prompted.add_points(8, 1, [[40, 50]], [1])
    results = {result.frame: result for result in pending}
    np.testing.assert_array_equal(results[8].low_res_logits[0], preview.low_res_logits[0])
    assert prompted.stale == {}


def test_a_click_behind_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    prompted.add_points(1, 1, [[40, 50]], [1])
    assert prompted.stale == {1: (2, 3)}
    assert [result.frame for result in pending] == list(range(4, 12))
    assert prompted.stale == {1: (2, 3)}
    list(prompted.update())
    assert prompted.stale == {}


def test_removal_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    before = everything(prompted)
    prompted.remove_object(1)
    assert {result.object_ids for result in pending} == {(2,)}
    # What was tracked after the removal is undone with it, and can be gone on with.
    prompted.undo()
    assert everything(prompted)[:5] == before[:5]
    assert len(prompted.scores) == 2 * 4
    list(prompted.resume())
    assert len(prompted.scores) == 24


def test_undo_while_a_run_rests_ends_the_run(prompted: Session) -> None:
    before = everything(prompted)
    pending = resting(prompted)
    half = everything(prompted)
    prompted.undo()
    assert everything(prompted)[:5] == before[:5]
    assert list(pending) == []
    prompted.redo()
    assert everything(prompted) == half
    assert [result.frame for result in prompted.resume()] == list(range(4, 12))


def test_clearing_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    prompted.clear_prompts(0, 1)
    assert {result.object_ids for result in pending} == {(2,)}


def test_reset_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    prompted.reset()
    prompted.add_points(0, 1, [[10, 12]], [1])
    assert list(pending) == []
    assert prompted.labels.frames_done == [0]


def test_a_prompted_object_outranks_those_without_a_prompt_there(tracked: Session) -> None:
    labels = tracked.labels
    where = np.argwhere(labels[3] == 1).mean(axis=0)
    result = tracked.add_points(3, 9, [where], [1])
    # All of it, whatever the logits of the two that were tracked onto this frame.
    np.testing.assert_array_equal(labels[3] == 9, result.masks[result.row(9)])
    assert (labels[3] == 9).any()
    np.testing.assert_array_equal(result.label_image()[labels[3] == 9], 9)
    # Taken back, all is as before.
    before = [labels[t].copy() for t in range(12)]
    tracked.undo()
    assert 9 not in labels[3]
    tracked.redo()
    np.testing.assert_array_equal([labels[t] for t in range(12)], before)
