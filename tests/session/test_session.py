"""Prompts, tracking, results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2 import FrameResult, Session
from napari_sam2.model.sam2 import Sam2

pytestmark = pytest.mark.usefixtures("one_thread")


class CountingArray:
    """An array that only gives out single frames, and remembers which."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads: list[int] = []

    def __getitem__(self, index: object) -> np.ndarray:
        assert isinstance(index, int | np.integer), f"more than one frame was asked for: {index}"
        self.reads.append(int(index))
        return self._array[index]


class RecordingTracker:
    """Stands before a session's tracker and notes which objects it tracks on which frames."""

    def __init__(self, session: Session) -> None:
        self.work: list[tuple[int, int]] = []
        self.largest = 0
        tracker = session._tracker
        run = tracker._look_at_group

        def noted(tracks: Any, choice: Any, frame: int) -> Any:
            self.work += [(frame, track.object_id) for track, _ in tracks]
            self.largest = max(self.largest, len(tracks))
            return run(tracks, choice, frame)

        tracker._look_at_group = noted  # type: ignore[method-assign]


def rgb(frames: np.ndarray) -> np.ndarray:
    return np.repeat(frames[..., None], 3, axis=-1)


def numbers(result: FrameResult) -> tuple[Any, ...]:
    arrays = (result.low_res_logits, result.object_score_logits, result.ious, result.object_pointers)
    return (result.frame, result.object_ids, *(array.tolist() for array in arrays))


def everything(session: Session) -> tuple[Any, ...]:
    prompts = [
        (p.frame, p.object_id, p.box, *(None if a is None else a.tolist() for a in (p.points, p.labels, p.mask)))
        for p in session.prompts
    ]
    history = (session._history.can_undo, session._history.can_redo)
    scores = session.scores.to_csv(index=False)
    return session.object_ids, prompts, session.stale, scores, session.labels.to_array().tolist(), history


@pytest.fixture
def session(model: Sam2, frames: np.ndarray) -> Session:
    return Session(model, frames)


@pytest.fixture
def tracked(session: Session) -> Session:
    """Two objects tracked over all twelve frames."""
    session.add_points(0, 1, [[10, 12]], [1])
    session.add_box(0, 2, (20, 20, 40, 44))
    list(session.propagate())
    return session


# Prompts


def test_what_a_prompt_gives_back(session: Session) -> None:
    session.add_points(2, 7, [[10, 12]], [1])
    result = session.add_box(2, 5, (20, 20, 40, 44))
    assert isinstance(result, FrameResult)
    assert result.frame == 2
    assert result.object_ids == session.object_ids == (7, 5)
    assert result.low_res_logits.shape == (2, 16, 16)
    assert result.logits.shape == result.masks.shape == (2, 48, 56)
    assert result.object_pointers.shape == (2, 64)
    assert result.masks.dtype == bool
    for array in (result.logits, result.low_res_logits, result.object_score_logits, result.ious, result.object_scores):
        assert array.dtype == np.float32
    np.testing.assert_array_equal(result.masks, result.logits > 0)
    np.testing.assert_allclose(result.object_scores, 1 / (1 + np.exp(-result.object_score_logits)), rtol=1e-6)
    image = result.label_image()
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, session.labels[2])
    np.testing.assert_array_equal(image > 0, result.masks.any(axis=0))
    overlap = result.masks.all(axis=0)
    np.testing.assert_array_equal(image[overlap], np.where(result.logits[0] >= result.logits[1], 7, 5)[overlap])
    assert result.row(5) == 1
    with pytest.raises(ValueError, match="no object 9"):
        result.row(9)


def test_objects_unknown_on_a_frame_are_marked_as_such(session: Session) -> None:
    session.add_points(2, 1, [[10, 12]], [1])
    result = session.add_points(5, 2, [[10, 12]], [1])
    assert result.object_ids == (1, 2)
    assert np.isnan(result.object_score_logits[0])
    assert np.isnan(result.object_scores[0])
    assert not result.masks[0].any()
    assert np.isfinite(result.object_score_logits[1])


def test_points_replace_or_join(session: Session) -> None:
    session.add_points(0, 1, [[10, 12]], [1])
    session.add_points(0, 1, [[30, 12]], [0], replace=False)
    assert session.prompts[0].points.tolist() == [[10, 12], [30, 12]]
    assert session.prompts[0].labels.tolist() == [1, 0]
    session.add_box(0, 1, (4, 4, 20, 20))
    session.add_points(0, 1, [[11, 11]], [1], replace=False)
    assert session.prompts[0].box == (4, 4, 20, 20)
    assert session.prompts[0].points.tolist() == [[11, 11]]
    session.add_points(0, 1, [[5, 5]], [1])
    assert session.prompts[0].box is None
    session.add_mask(0, 1, np.eye(48, 56))
    session.add_points(0, 1, [[6, 6]], [1], replace=False)
    assert session.prompts[0].mask is None
    assert session.prompts[0].points.tolist() == [[6, 6]]
    assert len(session.prompts) == 1


def test_painted_masks_are_kept_to_the_pixel(tracked: Session) -> None:
    mask = np.zeros((48, 56), bool)
    mask[::3, 5:50] = True
    tracked.add_mask(4, 3, mask)
    np.testing.assert_array_equal(tracked.labels[4] == 3, mask)
    list(tracked.propagate())
    np.testing.assert_array_equal(tracked.labels[4] == 3, mask)
    tracked.add_mask(6, 1, ~mask)
    tracked.add_points(6, 2, [[10, 10]], [1])
    np.testing.assert_array_equal(tracked.labels[6] == 1, ~mask)
    row = tracked.scores.query("frame == 4 and object == 3").iloc[0]
    assert row["area"] == mask.sum()
    assert row["object_score"] > 0.99


def test_painting_wins_over_masks_whose_logits_are_gone(session: Session) -> None:
    session.add_points(0, 1, [[10, 12]], [1])
    session._objects.tracks[1].bank.spare_bytes = 0
    list(session.propagate())
    covered = session.labels[8] == 1
    session._objects.tracks[1].bank.recent.pop(8)
    mask = np.zeros((48, 56), bool)
    mask[10:30, 10:30] = True
    assert (covered & mask).any()
    session.add_mask(8, 2, mask)
    np.testing.assert_array_equal(session.labels[8] == 2, mask)
    np.testing.assert_array_equal(session.labels[8] == 1, covered & ~mask)
    areas = session.scores.query("frame == 8").set_index("object")["area"]
    assert areas.to_dict() == {1: (covered & ~mask).sum(), 2: mask.sum()}


def test_hidden_objects_draw_nothing(make_model: Callable[..., Sam2], frames: np.ndarray) -> None:
    session = Session(make_model(3, presence=-1000.0), frames)
    result = session.add_points(0, 1, [[10, 12]], [1])
    assert (result.low_res_logits == -1024).all()
    assert result.object_scores[0] == 0
    list(session.propagate(max_frames=3))
    assert not session.labels.to_array().any()
    assert session.scores["area"].tolist() == [0, 0, 0]
    assert session.scores["bbox_y0"].isna().all()


def test_large_ids_widen_the_labels(session: Session) -> None:
    session.add_mask(0, 1, np.eye(48, 56))
    assert session.labels.dtype == np.uint16
    session.add_mask(1, 70_000, np.eye(48, 56))
    assert session.labels.dtype == np.uint32
    assert set(np.unique(session.labels.to_array())) == {0, 1, 70_000}
    with pytest.raises(ValueError, match=str(2**31)):
        session.add_points(0, 2**31, [[1, 1]], [1])


INVALID: dict[str, tuple[Callable[[Session], object], str]] = {
    "frame too high": (lambda s: s.add_points(12, 1, [[1, 1]], [1]), "no frame 12"),
    "frame negative": (lambda s: s.add_mask(-1, 1, np.ones((48, 56))), "no frame -1"),
    "frame not whole": (lambda s: s.add_points(1.5, 1, [[1, 1]], [1]), "1.5"),  # type: ignore[arg-type]
    "object zero": (lambda s: s.add_points(1, 0, [[1, 1]], [1]), "object id"),
    "object is a word": (lambda s: s.add_points(1, "a", [[1, 1]], [1]), "'a'"),  # type: ignore[arg-type]
    "point outside": (lambda s: s.add_points(1, 1, [[1, 1], [48, 3]], [1, 1]), "y=48"),
    "point NaN": (lambda s: s.add_points(1, 1, [[1, np.nan]], [1]), "finite"),
    "no points": (lambda s: s.add_points(1, 1, np.zeros((0, 2)), []), "one or more"),
    "three coordinates": (lambda s: s.add_points(1, 1, [[1, 2, 3]], [1]), r"\(1, 3\)"),
    "label two": (lambda s: s.add_points(1, 1, [[1, 1]], [2]), "not 2"),
    "too few labels": (lambda s: s.add_points(1, 1, [[1, 1], [2, 2]], [1]), "2 points need 2 labels"),
    "box flat": (lambda s: s.add_box(1, 1, (5, 5, 5, 9)), "no area"),
    "box outside": (lambda s: s.add_box(1, 1, (60, 60, 70, 70)), "outside"),
    "box of three": (lambda s: s.add_box(1, 1, (1, 2, 3)), r"\(3,\)"),
    "box with points only": (lambda s: s.add_box(1, 1, (1, 2, 30, 30), points=[[3, 3]]), "without the other"),
    "mask of another shape": (lambda s: s.add_mask(1, 1, np.ones((56, 48))), r"\(56, 48\)"),
    "mask not binary": (lambda s: s.add_mask(1, 1, np.full((48, 56), 0.5)), "0.5"),
    "clear nothing": (lambda s: s.clear_prompts(3, 1), "no prompt on frame 3"),
    "clear an unknown object": (lambda s: s.clear_prompts(0, 9), "no object 9"),
    "remove an unknown object": (lambda s: s.remove_object(9), "no object 9"),
    "unknown direction": (lambda s: s.propagate(direction="sideways"), "sideways"),
    "start too high": (lambda s: s.propagate(12), "no frame 12"),
    "no frames": (lambda s: s.propagate(max_frames=0), "at least 1"),
    "track an unknown object": (lambda s: s.propagate(object_ids=[1, 9]), "no object 9"),
    "track nothing": (lambda s: s.propagate(object_ids=[]), "nothing to track"),
    "start outward": (lambda s: s.propagate(3, "outward"), "start=3"),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_input_is_named_and_changes_nothing(case: str, tracked: Session) -> None:
    tracked.add_points(5, 1, [[20, 20]], [0])
    tracked.add_points(6, 1, [[20, 20]], [0])
    tracked.undo()
    before = everything(tracked)
    act, message = INVALID[case]
    with pytest.raises(ValueError, match=message):
        act(tracked)
    assert everything(tracked) == before
    tracked.redo()
    assert len(tracked.prompts) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill_hole_area": -1}, "-1"),
        ({"zoom": "near"}, "'near'"),
        ({"axis": "x"}, "'x'"),
        ({"contrast_limits": (5, 5)}, "above"),
        ({"contrast_limits": (1, 2, 3)}, "two numbers"),
        ({"contrast_limits": (0, np.inf)}, "finite"),
    ],
)
def test_options_are_checked_at_once(options: dict[str, Any], message: str, model: Sam2, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=message):
        Session(model, frames, **options)


def test_objects_without_prompts_cannot_be_tracked(session: Session) -> None:
    with pytest.raises(ValueError, match="nothing to track"):
        session.propagate()
    assert list(session.update()) == []
    session.add_points(3, 4, [[10, 10]], [1])
    session.clear_prompts(3, 4)
    for start in (session.propagate, session.update):
        with pytest.raises(ValueError, match="object 4 has no prompts"):
            start()


# Tracking


@pytest.mark.parametrize(
    ("arguments", "visited"),
    [
        ({}, list(range(3, 12))),
        ({"direction": "backward"}, list(range(7, -1, -1))),
        ({"direction": "both"}, [*range(3, 12), 2, 1, 0]),
        ({"direction": "both", "max_frames": 2}, [3, 4, 2]),
        ({"direction": "outward"}, [*range(3, 12), *range(6, -1, -1)]),
        ({"direction": "outward", "max_frames": 2}, [3, 4, 7, 8, 6, 2]),
        ({"start": 5, "max_frames": 3}, [5, 6, 7]),
        ({"start": 11}, [11]),
        ({"start": 0, "direction": "backward"}, [0]),
        ({"start": 5, "max_frames": 100, "direction": "backward"}, [5, 4, 3, 2, 1, 0]),
        ({"object_ids": [2], "max_frames": 2}, [7, 8]),
    ],
)
def test_which_frames_are_visited(session: Session, arguments: dict[str, Any], visited: list[int]) -> None:
    session.add_points(3, 1, [[10, 12]], [1])
    session.add_points(7, 2, [[30, 12]], [1])
    results = list(session.propagate(**arguments))
    assert [result.frame for result in results] == visited
    assert session.labels.frames_done == sorted({*visited, 3, 7})
    if arguments.get("direction") != "outward":
        expected = (2,) if "object_ids" in arguments else (1, 2)
        assert {result.object_ids for result in results} == {expected}


def test_labels_and_scores_are_those_of_the_results(tracked: Session, frames: np.ndarray) -> None:
    results = list(tracked.propagate())
    for result in results:
        np.testing.assert_array_equal(tracked.labels[result.frame], result.label_image())
    table = tracked.scores
    assert len(table) == 2 * len(frames)
    for result in results:
        for row, object_id in enumerate(result.object_ids):
            line = table.query(f"frame == {result.frame} and object == {object_id}").iloc[0]
            assert line["object_score"] == pytest.approx(result.object_scores[row])
            assert line["predicted_iou"] == pytest.approx(result.ious[row])
            assert line["area"] == (result.label_image() == object_id).sum()


def test_the_same_again_gives_the_same_numbers(model: Sam2, frames: np.ndarray) -> None:
    runs = []
    for _ in range(2):
        session = Session(model, frames)
        session.add_points(4, 1, [[10, 12]], [1])
        runs.append([numbers(result) for result in session.propagate(direction="both")])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("cut", [1, 4, 8, 11])
def test_closed_half_way_and_continued_equals_uninterrupted(model: Sam2, frames: np.ndarray, cut: int) -> None:
    whole, parts = Session(model, frames), Session(model, frames)
    for session in (whole, parts):
        session.add_points(0, 1, [[10, 12]], [1])
        session.add_box(0, 2, (20, 20, 40, 44))
    expected = [numbers(result) for result in whole.propagate()]
    pending = parts.propagate()
    got = [numbers(next(pending)) for _ in range(cut)]
    pending.close()
    got += [numbers(result) for result in parts.propagate(cut)]
    assert got == expected
    assert everything(parts)[3:5] == everything(whole)[3:5]


def test_objects_tracked_together_or_alone_are_the_same(model: Sam2, frames: np.ndarray) -> None:
    together, alone = Session(model, frames), Session(model, frames)
    for session in (together, alone):
        session.add_points(0, 1, [[10, 12]], [1])
        session.add_points(2, 2, [[30, 40]], [1])
    for result in together.propagate():
        for object_id in (1, 2):
            (single,) = alone.propagate(result.frame, max_frames=1, object_ids=[object_id])
            np.testing.assert_allclose(
                single.low_res_logits[0], result.low_res_logits[result.row(object_id)], rtol=0, atol=1e-4
            )


def test_any_number_of_objects(session: Session) -> None:
    work = RecordingTracker(session)
    for object_id in range(1, 41):
        session.add_points(0, object_id, [[object_id, object_id]], [1])
    results = list(session.propagate(max_frames=2))
    assert [len(result.object_ids) for result in results] == [40, 40]
    assert work.work == [(1, object_id) for object_id in range(1, 41)]
    assert work.largest <= 16
    assert len(session.scores) == 80


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(make_model: Callable[..., Sam2], frames: np.ndarray, dtype: torch.dtype) -> None:
    masks = []
    for model in (make_model(3), make_model(3).to(dtype)):
        session = Session(model, frames)
        session.add_points(0, 1, [[10, 12]], [1])
        session.add_mask(0, 2, np.pad(np.ones((9, 9)), ((20, 19), (20, 27))))
        session.add_box(3, 2, (20, 20, 40, 44))
        results = list(session.propagate(max_frames=4))
        list(session.propagate(5, "backward"))
        for result in results:
            assert result.low_res_logits.dtype == result.object_pointers.dtype == np.float32
            assert np.isfinite(result.low_res_logits).all()
        masks.append(results[0].masks)
    assert (masks[0] == masks[1]).mean() > 0.95


def test_prompts_can_be_given_again(tracked: Session, model: Sam2, frames: np.ndarray) -> None:
    tracked.add_mask(4, 3, np.eye(48, 56))
    tracked.add_box(5, 3, (1, 1, 20, 20), points=[[3, 3]], labels=[0])
    other = Session(model, frames)
    for prompt in tracked.prompts:
        other.add_prompt(prompt)
    assert everything(other)[1] == everything(tracked)[1]


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


def test_undo_and_redo_after_tracking_keep_what_was_tracked(tracked: Session) -> None:
    tracked.add_points(5, 1, [[40, 50]], [1])
    list(tracked.update())
    before = everything(tracked)
    tracked.undo()
    assert tracked.stale == {1: tuple(range(5, 12))}
    tracked.redo()
    assert everything(tracked) == before


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
    prompted.remove_object(1)
    assert {result.object_ids for result in pending} == {(2,)}
    prompted.undo()
    assert len(prompted.scores) == 4 + 12
    list(prompted.propagate())
    assert len(prompted.scores) == 24


def test_undo_while_a_run_rests(prompted: Session) -> None:
    pending = resting(prompted)
    prompted.undo()
    assert {result.object_ids for result in pending} == {(1,)}
    prompted.undo()
    assert prompted.object_ids == ()


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


# Frames


def test_frames_are_read_one_by_one_when_needed(model: Sam2, frames: np.ndarray) -> None:
    array = CountingArray(rgb(frames))
    session = Session(model, array, cache_bytes=0)
    assert array.reads == []
    session.add_points(4, 1, [[10, 12]], [1])
    assert array.reads == [4]
    pending = session.propagate()
    next(pending)
    next(pending)
    # The conditioning frame's features are still there; no more than three frames are read ahead.
    assert array.reads[:2] == [4, 5]
    assert set(array.reads) <= {4, 5, 6, 7, 8}
    list(pending)
    assert array.reads == list(range(4, 12))
    assert session.encoder.frames_encoded == 8


def test_features_are_used_again(model: Sam2, frames: np.ndarray) -> None:
    session = Session(model, frames)
    session.add_points(0, 1, [[10, 12]], [1])
    list(session.propagate())
    assert session.encoder.frames_encoded == 12
    session.add_points(0, 2, [[30, 12]], [1])
    list(session.propagate(direction="both"))
    assert session.encoder.frames_encoded == 12


def _kinds(frames: np.ndarray) -> dict[str, Any]:
    import dask.array as da

    return {
        "uint8 colour": rgb(frames),
        "colour with alpha": np.concatenate((rgb(frames), frames[..., None]), axis=-1),
        "uint16": frames.astype(np.uint16) * 200,
        "int16 with negatives": frames.astype(np.int16) - 100,
        "float with negatives": frames.astype(np.float32) / 50 - 2,
        "float64": frames / 255,
        "bool": frames > 128,
        "dask": da.from_array(frames, chunks=(1, 48, 56)),
        "big-endian": frames.astype(">u2"),
        "one image": frames[0],
        "one colour image": rgb(frames)[0],
        "tiny": frames[:3, :35, :51],
        "one column": frames[:3, :, :1],
        "wide": np.tile(frames[:2], (1, 1, 6)),
    }


KINDS = [
    "uint8 colour", "colour with alpha", "uint16", "int16 with negatives", "float with negatives", "float64", "bool",
    "dask", "big-endian", "one image", "one colour image", "tiny", "one column", "wide",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_frames(kind: str, model: Sam2, frames: np.ndarray) -> None:
    array = _kinds(frames)[kind]
    session = Session(model, array)
    height, width = session.stack.shape[1:]
    result = session.add_points(0, 1, [[height - 1, width - 1], [0, 0]], [1, 0])
    assert result.logits.shape == (1, height, width)
    mask = np.zeros((height, width), bool)
    mask[-1, -1] = True
    session.add_mask(0, 2, mask)
    assert len(list(session.propagate())) == session.stack.n_frames
    assert session.labels.shape == session.stack.shape
    assert np.isfinite(session.scores["object_score"]).all()
    assert session.labels[0][-1, -1] == 2


def test_grey_and_its_colour_copy_are_the_same_with_the_full_window(model: Sam2, frames: np.ndarray) -> None:
    grey = Session(model, frames, contrast_limits=(0, 255)).add_points(0, 1, [[10, 12]], [1])
    colour = Session(model, rgb(frames)).add_points(0, 1, [[10, 12]], [1])
    np.testing.assert_array_equal(grey.low_res_logits, colour.low_res_logits)


def test_a_frame_that_cannot_be_used_stops_the_run_and_nothing_else(model: Sam2, frames: np.ndarray) -> None:
    values = frames.astype(np.float32)
    values[6, 3, 4] = np.nan
    session = Session(model, values, contrast_limits=(0, 255))
    session.add_points(2, 1, [[10, 12]], [1])
    before = everything(session)
    with pytest.raises(ValueError, match="frame 6 holds 1 values"):
        session.add_points(6, 1, [[10, 12]], [1])
    with pytest.raises(ValueError, match="frame 6"):
        session.add_points(6, 2, [[10, 12]], [1])
    assert everything(session) == before
    seen = []
    with pytest.raises(ValueError, match="frame 6"):
        for result in session.propagate():
            seen.append(result.frame)
    assert seen == [2, 3, 4, 5]
    assert session.labels.frames_done == seen
    values[6] = frames[6]
    assert [result.frame for result in session.propagate(6)] == list(range(6, 12))
    clean = Session(model, frames.astype(np.float32), contrast_limits=(0, 255))
    clean.add_points(2, 1, [[10, 12]], [1])
    list(clean.propagate())
    np.testing.assert_array_equal(session.labels.to_array(), clean.labels.to_array())


def test_the_filling_of_holes_can_be_turned_off(model: Sam2, frames: np.ndarray) -> None:
    plain, filled = (Session(model, frames, fill_hole_area=area) for area in (0, 40))
    logits = [s.add_points(0, 1, [[10, 12]], [1]).low_res_logits for s in (plain, filled)]
    changed = logits[0] != logits[1]
    assert changed.any()
    assert (logits[0][changed] <= 0).all()
    np.testing.assert_array_equal(logits[1][changed], np.float32(0.1))
