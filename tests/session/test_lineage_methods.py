"""Ends, divisions, merges, swaps and splits: what they leave, what they refuse, and that tracking keeps to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.labels.lineage import Division
from napari_sam2.model.sam2 import Sam2
from session_state import RecordingTracker, everything

pytestmark = pytest.mark.usefixtures("one_thread")


def lines(session: Session) -> dict[int, tuple[int | None, ...]]:
    """Begin, end and parent by object."""
    rows = session.lineage.astype(object).to_numpy().tolist()
    return {row[0]: tuple(value if isinstance(value, int) else None for value in row[1:]) for row in rows}


def square(y: int, x: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((48, 56), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def family(tracked: Session) -> Session:
    """Object 1 divides on frame 6, into what follows of it and a new object."""
    tracked.add_mask(6, 7, square(30, 40))
    list(tracked.update())
    tracked.divide(6, 1, [1, 7])
    return tracked


def test_an_object_that_ended_is_not_tracked_beyond(tracked: Session) -> None:
    before = tracked.labels.to_array()
    work = RecordingTracker(tracked).work
    tracked.end(1, 6)
    assert tracked.undo_name == "End object 1"
    assert lines(tracked)[1] == (None, 6, None)
    after = tracked.labels.to_array()
    assert not (after[7:] == 1).any()
    np.testing.assert_array_equal(after[:7], before[:7])
    assert tracked.scores.query("object == 1")["frame"].max() == 6
    assert tracked.stale == {} and work == []
    for direction in ("both", "backward", "outward"):
        list(tracked.propagate(direction=direction))
    assert max(frame for frame, object_id in work if object_id == 1) == 6
    assert max(frame for frame, object_id in work if object_id == 2) == 11
    with pytest.raises(ValueError, match="object 1 ends on frame 6: it is not there on frame 9"):
        tracked.add_points(9, 1, [[10, 12]], [1])
    tracked.end(1, None)
    assert lines(tracked)[1] == (None, None, None)
    list(tracked.propagate())
    np.testing.assert_array_equal(tracked.labels.to_array() == 1, before == 1)


def test_a_mother_ends_and_her_daughters_begin(tracked: Session) -> None:
    tracked.add_mask(6, 7, square(30, 40))
    list(tracked.update())
    drawn, state = tracked.labels.to_array(), everything(tracked)
    work = RecordingTracker(tracked).work
    assert tracked.divide(6, 1, [1, 7]) == (8, 7)
    assert lines(tracked) == {1: (None, 5, None), 2: (None, None, None), 7: (6, None, 1), 8: (6, None, 1)}
    labels = tracked.labels.to_array()
    np.testing.assert_array_equal(labels[6:] == 8, drawn[6:] == 1)
    # She gets back what her daughter had taken of her before she was born.
    kept = drawn[:6] != 7
    np.testing.assert_array_equal(labels[:6][kept], drawn[:6][kept])
    assert not (labels[:6] == 7).any() and not (labels[6:] == 1).any()
    assert tracked.stale == {} and work == []
    assert tracked.undo_name == "Divide object 1"
    divided = everything(tracked)
    tracked.undo()
    assert everything(tracked)[:-1] == state[:-1]
    tracked.redo()
    assert everything(tracked) == divided
    # Every daughter is tracked from her own prompt, and only where she is.
    list(tracked.propagate())
    assert {frame for frame, object_id in work if object_id in (7, 8)} == set(range(7, 12))
    assert tracked.parents == {7: 1, 8: 1}


def test_a_mother_who_is_no_daughter_is_gone_from_the_frame_on(tracked: Session) -> None:
    for object_id, x in ((7, 0), (8, 40)):
        tracked.add_mask(6, object_id, square(30, x))
    list(tracked.update())
    assert tracked.divide(6, 1, np.array([7, 8])) == (7, 8)
    assert not (tracked.labels.to_array()[6:] == 1).any()
    assert tracked.parents == {7: 1, 8: 1}


def test_exports_take_what_is_drawn(family: Session, frames: np.ndarray, tmp_path: Path) -> None:
    lineage = family.drawn_lineage
    assert lineage.divisions == (Division(6, 1, (7, 8)),)
    results = Results(family.labels, family.stack, family.outputs.scores, lineage=lineage)
    path = export_results(results, "ctc", tmp_path / "01_RES")
    rows = {int(row[0]): row.tolist() for row in np.loadtxt(path / "res_track.txt", dtype=int)}
    assert rows[1] == [1, 0, 5, 0] and {rows[7][3], rows[8][3]} == {1}
    assert {rows[7][1], rows[8][1]} == {6}


def test_two_fragments_become_one_track(tracked: Session) -> None:
    drawn = tracked.labels.to_array()
    new = tracked.divide(6, 1, [1])[0]
    work = RecordingTracker(tracked).work
    tracked.merge(1, new)
    assert lines(tracked) == {1: (None, None, None), 2: (None, None, None)}
    np.testing.assert_array_equal(tracked.labels.to_array(), drawn)
    assert tracked.stale == {} and work == []
    assert {prompt.frame for prompt in tracked.prompts if prompt.object_id == 1} >= {6}


def test_two_on_the_same_frames_become_their_union(tracked: Session) -> None:
    drawn = tracked.labels.to_array()
    both = np.isin(drawn, (1, 2))
    tracked.merge(2, 1)
    assert tracked.object_ids == (2,)
    np.testing.assert_array_equal(tracked.labels.to_array() == 2, both)
    areas = tracked.scores.set_index("frame")["area"]
    assert areas.to_dict() == {t: mask.sum() for t, mask in enumerate(both)}
    assert tracked.stale[2]
    list(tracked.update())
    assert tracked.stale == {}


def test_swapped_objects_stay_swapped_when_they_are_tracked_again(tracked: Session) -> None:
    drawn = tracked.labels.to_array()
    scores = tracked.scores.set_index(["object", "frame"])["object_score"]
    work = RecordingTracker(tracked).work
    tracked.swap(1, 2, 5)
    labels = tracked.labels.to_array()
    for one, other in ((1, 2), (2, 1)):
        np.testing.assert_array_equal(labels[:5] == one, drawn[:5] == one)
        np.testing.assert_array_equal(labels[5:] == one, drawn[5:] == other)
    swapped = tracked.scores.set_index(["object", "frame"])["object_score"]
    assert swapped[1, 8] == scores[2, 8]
    assert tracked.stale == {} and work == []
    list(tracked.propagate())
    np.testing.assert_array_equal(tracked.labels[5] == 1, drawn[5] == 2)


def test_daughters_of_swapped_objects_are_swapped(family: Session) -> None:
    family.swap(2, 7, 8)
    family.add_mask(10, 20, square(0, 0, 4))
    family.divide(10, 7, [20])
    family.swap(2, 7, 9)
    assert family.parents == {7: 1, 8: 1, 20: 2}
    assert lines(family)[7] == (6, None, 1) and lines(family)[2][1] == 9


def test_an_object_becomes_two_from_a_frame_on(tracked: Session) -> None:
    mask = tracked.labels[4] == 1
    rows = np.flatnonzero(mask.any(axis=1))
    new = tracked.split(1, 4, [(rows[0], 20), (rows[-1], 20)])
    assert new == (1, 3) and lines(tracked)[3] == (4, None, None)
    now = tracked.labels[4]
    np.testing.assert_array_equal(np.isin(now, new), mask)
    assert (now == 1).any() and (now == 3).any()
    assert tracked.stale[3] == tuple(range(4, 12))
    assert min(tracked.stale[1]) == 5
    list(tracked.update())
    assert not (tracked.labels.to_array()[:4] == 3).any()
    masks = [tracked.labels[6] == 1, np.zeros_like(mask)]
    with pytest.raises(ValueError, match="a pixel each"):
        tracked.split(1, 6, masks)


def test_removing_a_mother_makes_orphans_and_undo_brings_her_back(family: Session) -> None:
    family.remove_object(1)
    assert family.parents == {}
    assert lines(family)[7] == (6, None, None)
    family.undo()
    assert family.parents == {7: 1, 8: 1}


def test_mother_and_daughter_become_one_again(family: Session) -> None:
    family.merge(1, 8)
    assert lines(family)[1] == (None, None, None)
    # The sister is born of nobody: the mother goes on.
    assert family.parents == {}


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda s: s.divide(6, 9, [1]), "there is no object 9"),
        (lambda s: s.divide(6, 1, [9]), "there is no object 9"),
        (lambda s: s.divide(12, 1, [7]), "there is no frame 12"),
        (lambda s: s.divide(0, 1, [7]), "object 1 begins on frame 0: its daughters come later, not on frame 0"),
        (lambda s: s.divide(6, 1, [7, 7]), "each named once"),
        (lambda s: s.divide(6, 1, []), "each named once"),
        (lambda s: s.divide(8, 7, [1]), "object 1 is an ancestor of object 7"),
        (lambda s: s.divide(8, 1, [2]), "object 1 ends on frame 5"),
        (lambda s: s.divide(8, 7, [2]), "object 2 has a prompt on frame 0, before frame 8"),
        (lambda s: s.divide(6, 7, [8]), "object 7 begins on frame 6: its daughters come later"),
        (lambda s: s.end(9, 3), "there is no object 9"),
        (lambda s: s.end(7, 3), "object 7 begins on frame 6: it cannot end on frame 3"),
        (lambda s: s.end(2, -1), "there is no frame -1"),
        (lambda s: s.end(1, 7), "object 1 has daughters from frame 6 on"),
        (lambda s: s.end(1, None), "object 1 has daughters from frame 6 on"),
        (lambda s: s.merge(1, 1), "object 1 twice"),
        (lambda s: s.merge(1, 9), "there is no object 9"),
        (lambda s: s.swap(2, 2, 3), "object 2 twice"),
        (lambda s: s.swap(1, 2, 7), "object 1 ends on frame 5"),
        (lambda s: s.swap(2, 7, 3), "object 7 begins on frame 6"),
        (lambda s: s.swap(2, 8, 0), "object 8 begins on frame 6"),
        (lambda s: s.split(1, 8, [(0, 0), (1, 1)]), "not drawn on frame 8"),
        (lambda s: s.split(1, 2, [(0, 0)]), "two parts or more, got 1"),
        (lambda s: s.add_points(3, 7, [[2, 2]], [1]), "object 7 begins on frame 6"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    family: Session, edit: Callable[[Session], object], problem: str
) -> None:
    before = everything(family)
    with pytest.raises(ValueError, match=problem):
        edit(family)
    assert everything(family) == before


def test_a_lineage_is_there_after_opening_also_with_another_model(
    family: Session, model: Sam2, frames: np.ndarray, make_model: Callable[..., Sam2], tmp_path: Path
) -> None:
    family.save(tmp_path / "family.napari-sam2")
    before = lines(family)
    family.close()
    opened = Session.open(tmp_path / "family.napari-sam2", frames=frames, model=model)
    assert opened.problems == () and lines(opened) == before
    opened.undo()
    assert lines(opened)[1] == (None, None, None)
    opened.redo()
    opened.close()
    other = Session.open(tmp_path / "family.napari-sam2", frames=frames, model=make_model(5))
    assert lines(other) == before


def test_classes_are_said_undone_saved_and_kept_by_edits(
    family: Session, model: Sam2, frames: np.ndarray, make_model: Callable[..., Sam2], tmp_path: Path
) -> None:
    family.set_class(1, " neuron ")
    family.set_class(2, "glia")
    assert family.classes == {1: "neuron", 2: "glia"} and family.undo_name == "Class of object 2"
    family.undo()
    assert family.classes == {1: "neuron"}
    family.redo()
    # What a piece becomes has the class of the whole.
    (_, part) = family.split(2, 3, [(10, 12), (16, 14)])
    assert family.classes[part] == "glia"
    family.merge(2, part)
    assert family.classes == {1: "neuron", 2: "glia"}
    family.save(tmp_path / "s.napari-sam2")
    family.close()
    opened = Session.open(tmp_path / "s.napari-sam2", frames=frames, model=model)
    assert opened.classes == {1: "neuron", 2: "glia"}
    opened.set_class(1, "")
    assert opened.classes == {2: "glia"}
    opened.close()
    assert Session.open(tmp_path / "s.napari-sam2", frames=frames, model=make_model(5)).classes == {2: "glia"}
    for name in ("two\nlines", "x" * 65):
        with pytest.raises(ValueError, match="the name of a class is a line"):
            family.set_class(1, name)
