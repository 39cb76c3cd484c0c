"""Prompts, tracking, results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2 import FrameResult, Session
from napari_sam2.model.sam2 import Sam2
from session_state import RecordingTracker, everything, numbers

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert max(map(len, work.groups)) <= 16
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


def test_a_part_of_the_stack_is_one_run(session: Session, model: Sam2, frames: np.ndarray) -> None:
    twice = Session(model, frames)
    for each in (session, twice):
        each.add_points(6, 1, [[20, 30]], [1])
    run = session.propagate(6, "both", within=(2, 10))
    assert [next(run).frame, next(run).frame] == [6, 7]
    run.close()
    assert session.unfinished == 7
    assert [result.frame for result in session.resume()] == [8, 9, 10, 5, 4, 3, 2]
    assert not session.unfinished
    for run in (twice.propagate(6, max_frames=5), twice.propagate(5, "backward", max_frames=4)):
        list(run)
    np.testing.assert_array_equal(session.labels.to_array(), twice.labels.to_array())
    assert [result.frame for result in session.propagate(direction="outward", within=(5, 8))] == [6, 7, 8, 5]
    for within, start in (((2, 99), 6), ((2, 5), 6), ((7, 9), 6)):
        with pytest.raises(ValueError, match=r"outside the stack|cannot start|frame"):
            session.propagate(start, "both", within=within)
