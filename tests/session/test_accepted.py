"""What a person has accepted is locked: nothing but a person changes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.formats.tiff_and_tables import read_scores_csv, write_scores_csv
from napari_sam2.model.sam2 import Sam2
from session_state import assert_same_sessions

pytestmark = pytest.mark.usefixtures("one_thread")
FRAME = 5


@pytest.fixture
def accepted(tracked: Session) -> Session:
    """All objects are accepted on one frame of twelve."""
    assert tracked.accept(FRAME) == 1
    return tracked


def rows_on(session: Session, frame: int) -> list[object]:
    return list(session.outputs.scores.on_frame(frame))


def test_accepting_changes_no_result(tracked: Session) -> None:
    labels, stale = tracked.labels.to_array(), tracked.stale
    tracked.accept(FRAME)
    assert tracked.accepted == {1: (FRAME,), 2: (FRAME,)}
    assert (tracked.stale, tracked.undo_name) == (stale, "Accept frame 5")
    np.testing.assert_array_equal(tracked.labels.to_array(), labels)


def test_runs_go_round_it(accepted: Session) -> None:
    image, rows = accepted.labels[FRAME], rows_on(accepted, FRAME)
    accepted.add_points(2, 1, [[20, 25]], [1])
    assert FRAME not in accepted.stale[1]
    frames = [result.frame for result in accepted.update()]
    assert frames == [t for t in range(3, 12) if t != FRAME]
    frames = [result.frame for result in accepted.propagate(direction="both")]
    assert FRAME not in frames
    np.testing.assert_array_equal(accepted.labels[FRAME], image)
    assert rows_on(accepted, FRAME) == rows


def test_tracking_attends_to_it_as_to_a_mask_prompt(accepted: Session, tracked: Session) -> None:
    list(accepted.propagate(max_frames=FRAME + 3, object_ids=[1]))
    assert set(accepted._objects.tracks[1].bank.conditioning) == {0, FRAME}
    # Of many only the nearest on both sides.
    accepted.accept(range(1, 9), [1])
    list(accepted.propagate(object_ids=[1]))
    assert set(accepted._objects.tracks[1].bank.conditioning) == {0, 8}


def test_frames_up_to_an_accepted_one_come_from_both_sides(accepted: Session) -> None:
    assert accepted.one_sided == {1: (1, 2, 3, 4), 2: (1, 2, 3, 4)}
    frames = [result.frame for result in accepted.update(both_ways=True)]
    assert frames == [1, 2, 3, 4, 4, 3, 2, 1]
    assert accepted.one_sided == {}


def test_no_other_object_takes_its_pixels(accepted: Session) -> None:
    mine = accepted.labels[FRAME] == 2
    assert mine.any()
    accepted.add_mask(FRAME, 3, np.ones(mine.shape, bool))
    np.testing.assert_array_equal(accepted.labels[FRAME] == 2, mine)
    accepted.remove_object(3)
    np.testing.assert_array_equal(accepted.labels[FRAME] == 2, mine)


def test_a_prompt_there_opens_it(accepted: Session) -> None:
    accepted.add_mask(FRAME, 1, np.zeros(accepted.labels.shape[1:], bool))
    assert accepted.accepted == {2: (FRAME,)}
    assert not (accepted.labels[FRAME] == 1).any()
    accepted.undo()
    assert accepted.accepted == {1: (FRAME,), 2: (FRAME,)}


def test_one_object_on_a_frame_and_taking_it_back(tracked: Session) -> None:
    tracked.accept([3, 4], [2])
    tracked.accept(range(12), [2])
    assert tracked.release([3, 7, 8]) == 3
    assert tracked.accepted == {2: tuple(t for t in range(12) if t not in (3, 7, 8))}
    for _ in range(3):
        tracked.undo()
    assert tracked.accepted == {}
    tracked.redo()
    assert tracked.accepted == {2: (3, 4)}


def test_an_accepted_absence(tracked: Session) -> None:
    image = tracked.labels[FRAME]
    image[image == 2] = 0
    tracked.accept(FRAME, shown={FRAME: image})
    np.testing.assert_array_equal(tracked.labels[FRAME], image)
    row = tracked.outputs.scores.get(FRAME, 2)
    assert row is not None
    assert (row.area, row.accepted) == (0, True)
    list(tracked.propagate())
    np.testing.assert_array_equal(tracked.labels[FRAME], image)


@pytest.mark.parametrize(("frame", "ids", "said"), [(12, None, "frame 12"), (FRAME, [9], "no object 9")])
def test_what_is_not_there_is_refused(tracked: Session, frame: int, ids: list[int] | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tracked.accept(frame, ids)


def test_nothing_tracked_is_nothing_to_accept(session: Session) -> None:
    with pytest.raises(ValueError, match="track first"):
        session.accept(3)


def test_it_is_saved(accepted: Session, model: Sam2, tmp_path: Path) -> None:
    accepted.save(tmp_path / "one.napari-sam2")
    list(accepted.propagate(max_frames=8))
    accepted.close()
    opened = Session.open(tmp_path / "one.napari-sam2", frames=accepted.stack, model=model)
    assert opened.problems == ()
    assert opened.accepted == accepted.accepted
    assert_same_sessions(opened, accepted)
    opened.undo()
    opened.undo()
    assert opened.accepted == {}


def test_another_model_leaves_it_alone(accepted: Session, flickering_model: Sam2, tmp_path: Path) -> None:
    image = accepted.labels[FRAME]
    accepted.save(tmp_path / "one.napari-sam2")
    accepted.close()
    opened = Session.open(tmp_path / "one.napari-sam2", frames=accepted.stack, model=flickering_model)
    assert FRAME not in opened.stale[1]
    list(opened.update())
    np.testing.assert_array_equal(opened.labels[FRAME], image)


def test_the_scores_say_it(tracked: Session, tmp_path: Path) -> None:
    assert "accepted" not in tracked.scores
    tracked.accept(FRAME, [2])
    table = tracked.scores
    assert table.loc[table["accepted"], ["frame", "object"]].values.tolist() == [[FRAME, 2]]
    write_scores_csv(tmp_path / "scores.csv", tracked.outputs.scores)
    read = read_scores_csv(tmp_path / "scores.csv")
    assert [(row.frame, row.object_id) for row in read if row.accepted] == [(FRAME, 2)]
