"""What objects look like in one session is known in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.exemplar_methods import MOST_EXEMPLARS
from session_state import assert_same_sessions, numbers

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def next_frames(frames: np.ndarray) -> np.ndarray:
    """Another movie, of another length and size."""
    return np.ascontiguousarray(frames[:5, ::-1, 4:])


def test_objects_are_looked_for_without_a_prompt(tracked: Session, model: Sam2, next_frames: np.ndarray) -> None:
    session = Session(model, next_frames, exemplars=tracked)
    assert (session.object_ids, session.exemplars, session.prompts) == ((1, 2), {1: 1, 2: 1}, ())
    assert [result.frame for result in session.propagate(direction="outward")] == list(range(5))
    assert {row.made.source for row in session.outputs.scores} == {"tracked"}
    session.undo()
    assert session.outputs.labels.frames_done == []
    session.undo()
    assert session.object_ids == ()


def test_they_stand_beside_prompts(tracked: Session, model: Sam2, next_frames: np.ndarray) -> None:
    alone, both = Session(model, next_frames), Session(model, next_frames, exemplars=tracked)
    for session in (alone, both):
        session.add_points(2, 1, [[10, 12]], [1])
    logits = [list(session.propagate(object_ids=[1]))[1].low_res_logits for session in (alone, both)]
    assert not np.array_equal(*logits)
    choice = both._objects.tracks[1].bank.choose(3, {}, step=1, num_frames=5)
    assert choice.spatial[:2] == ((-1, 0), (2, 0))
    assert choice.pointers[:2] == ((-1, 4), (2, 1))
    # A later one makes what was tracked without it out of date.
    alone.take_exemplars(tracked)
    assert alone.stale[1] == (3, 4)


@pytest.mark.parametrize("memory", ["gated", "distractor-adaptive", "long", "motion+exclusive"])
def test_every_rule_of_memory_attends_to_them(
    tracked: Session, model: Sam2, next_frames: np.ndarray, memory: str
) -> None:
    session = Session(model, next_frames, exemplars=tracked, memory=memory)
    list(session.propagate())
    choice = session._objects.tracks[1].bank.choose(3, {}, step=1, num_frames=5)
    assert (-1, 0) in choice.spatial
    assert len(choice.spatial) <= 7


def test_small_objects_are_followed_as_ever(model: Sam2, frames: np.ndarray, next_frames: np.ndarray) -> None:
    first = Session(model, frames, zoom=2.0)
    first.add_box(0, 1, (8, 8, 20, 22))
    list(first.propagate(max_frames=2))
    session = Session(model, next_frames, zoom=2.0, exemplars=first)
    # No exemplar is the frame before the first.
    assert [result.frame for result in session.propagate(direction="outward")] == list(range(5))


def test_a_folder_gives_the_same_without_its_image(
    tracked: Session, model: Sam2, next_frames: np.ndarray, tmp_path: Path
) -> None:
    tracked.save(tmp_path / "one.napari-sam2")
    tracked.close()
    before = {path: path.read_bytes() for path in (tmp_path / "one.napari-sam2").rglob("*") if path.is_file()}
    sessions = [Session(model, next_frames, exemplars=one) for one in (tracked, tmp_path / "one.napari-sam2")]
    results = [[numbers(result) for result in session.propagate()] for session in sessions]
    assert results[0] == results[1]
    assert before == {path: path.read_bytes() for path in (tmp_path / "one.napari-sam2").rglob("*") if path.is_file()}


def test_they_are_saved_and_a_run_goes_on_with_them(
    tracked: Session, model: Sam2, next_frames: np.ndarray, tmp_path: Path
) -> None:
    whole = Session(model, next_frames, exemplars=tracked)
    list(whole.propagate())
    cut = Session(model, next_frames, exemplars=tracked, folder=tmp_path / "two.napari-sam2")
    run = cut.propagate()
    next(run), next(run)
    run.close()
    cut.close()
    opened = Session.open(tmp_path / "two.napari-sam2", frames=next_frames, model=model)
    assert (opened.problems, opened.exemplars) == ((), {1: 1, 2: 1})
    list(opened.resume())
    assert_same_sessions(opened, whole)


def test_a_few_of_many_prompts_are_enough(tracked: Session, model: Sam2, next_frames: np.ndarray) -> None:
    for frame in range(2, 12, 2):
        tracked.add_points(frame, 1, [[10, 12 + frame]], [1])
    list(tracked.propagate())
    assert Session(model, next_frames, exemplars=tracked).exemplars[1] == MOST_EXEMPLARS


def test_what_means_nothing_here_is_refused(
    tracked: Session, model: Sam2, flickering_model: Sam2, next_frames: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="another model"):
        Session(flickering_model, next_frames, exemplars=tracked)
    with pytest.raises(ValueError, match="nothing to go by"):
        Session(model, next_frames, exemplars=Session(model, next_frames))
    with pytest.raises(FileNotFoundError):
        Session(model, next_frames, exemplars=tmp_path / "nowhere.napari-sam2")
    tracked.save(tmp_path / "one.napari-sam2")
    with pytest.raises(ValueError, match="another model"):
        Session(flickering_model, next_frames, exemplars=tmp_path / "one.napari-sam2")


def test_an_object_without_either_is_still_told(tracked: Session, model: Sam2, next_frames: np.ndarray) -> None:
    session = Session(model, next_frames, exemplars=tracked)
    session.add_points(0, 1, [[10, 12]], [1])
    session.undo()
    session.undo()
    with pytest.raises(ValueError, match="nothing to track"):
        session.propagate()
