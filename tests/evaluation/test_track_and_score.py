from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, bounding_box, deepest_point, read_sequences
from napari_sam2.evaluation.simulated.simulated_clicks import worst_click
from napari_sam2.evaluation.track_and_score import evaluate
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.session import Session

SHAPE = (6, 40, 48)


def moving_squares() -> np.ndarray:
    labels = np.zeros(SHAPE, dtype=np.uint16)
    for t in range(SHAPE[0]):
        labels[t, 4:16, 2 + 3 * t : 14 + 3 * t] = 3
        if t >= 2:
            labels[t, 24:32, 30:38] = 7
    labels[0, 38:, :2] = 9
    return labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for axis in ("t", "z"):
        folder = tmp_path / f"squares_{axis}"
        folder.mkdir()
        labels = moving_squares()
        tifffile.imwrite(folder / "labels.tif", labels)
        tifffile.imwrite(folder / "frames.tif", (labels > 0).astype(np.uint8) * 200, metadata={"axes": "TYX"})
        (folder / "meta.json").write_text(json.dumps({"axis": axis}), encoding="utf-8")
    return tmp_path


class Follower:
    """A tracker that sees every object three pixels farther right on each frame, and object 7 where it is."""

    speed: ClassVar = {3: 3, 7: 0}

    def __init__(self, _model: Sam2, stack: Stack) -> None:
        self.stack = stack
        self.given: dict[int, tuple[int, np.ndarray]] = {}

    def add_mask(self, frame: int, object_id: int, mask: Any) -> FrameResult:
        self.given[object_id] = frame, mask
        return self.result(frame, [object_id])

    def add_points(self, frame: int, object_id: int, points: Any, labels: Any, replace: bool = True) -> FrameResult:
        mask = np.zeros(SHAPE[1:], dtype=bool)
        ((y, x),) = points
        mask[y - 2 : y + 3, x - 2 : x + 3] = labels == [1]
        return self.add_mask(frame, object_id, mask)

    def add_box(self, frame: int, object_id: int, box: Any) -> FrameResult:
        mask = np.zeros(SHAPE[1:], dtype=bool)
        y0, x0, y1, x1 = box
        mask[y0:y1, x0:x1] = True
        return self.add_mask(frame, object_id, mask)

    def propagate(
        self, *, start: int | None = None, direction: str = "forward", object_ids: Iterable[int] | None = None
    ) -> Iterator[FrameResult]:
        assert start is not None
        assert object_ids is not None
        frames = range(self.stack.n_frames) if direction == "both" else range(start, self.stack.n_frames)
        for frame in frames:
            yield self.result(frame, list(object_ids))

    def result(self, frame: int, object_ids: list[int]) -> FrameResult:
        masks = [np.roll(self.given[i][1], self.speed[i] * (frame - self.given[i][0]), axis=1) for i in object_ids]
        n = len(object_ids)
        logits = np.where(np.stack(masks), 5, -5).astype(np.float32)
        ones = np.ones(n, dtype=np.float32)
        return FrameResult(frame, tuple(object_ids), logits, ones, ones, np.zeros((n, 4), np.float32), SHAPE[1:])


@pytest.fixture(scope="module")
def model() -> Sam2:
    return build_sam2(CONFIGS["sam2_nano"].with_image_size(64))


def test_objects_that_last_are_prompted_where_the_protocol_says(data: Path) -> None:
    through_time, through_depth = read_sequences(data)
    # object 9 is seen on one of six frames
    assert through_time.objects() == [3, 7]
    assert [through_time.prompt_frame(i) for i in (3, 7)] == [0, 2]
    grown = LabelledSequence("grown", "z", through_depth.stack, through_depth.labels.copy())
    grown.labels[4, 16:20, 14:26] = 3
    assert grown.prompt_frame(3) == 4


def test_prompts_of_a_mask() -> None:
    mask = moving_squares()[0] == 3
    assert bounding_box(mask) == (4, 2, 16, 14)
    y, x = deepest_point(mask)
    assert 9 <= y <= 10
    assert 7 <= x <= 8
    # on the image's edge, too, the middle is deepest
    corner = np.zeros((9, 9), dtype=bool)
    corner[:5, :5] = True
    assert deepest_point(corner) == (2, 2)


@pytest.mark.parametrize("prompt", ["mask", "box"])
def test_a_perfect_tracker_scores_one_through_time(data: Path, model: Sam2, prompt: str) -> None:
    report = evaluate(model, read_sequences(data, ("squares_t",)), prompt=prompt, session_factory=Follower)
    figures = report["sequences"]["squares_t"]
    assert (figures["J"], figures["F"], figures["objects"]) == (1, 1, 2)
    # object 3 moves by three pixels a frame: copies overlap by 9, 6, 3, 0 and 0 of 12 columns; object 7 stands still,
    # but for the two frames before it appears
    moving = (9 / 15 + 6 / 18 + 3 / 21) / 5
    assert figures["copied"]["J"] == pytest.approx((moving + 3 / 5) / 2, abs=1e-4)
    assert report["mean"]["copied"] == figures["copied"]
    json.dumps(report)


def test_depth_is_tracked_both_ways(data: Path, model: Sam2) -> None:
    report = evaluate(model, read_sequences(data, ("squares_z",)), prompt="mask", session_factory=Follower)
    # on the two slices without object 7 the follower still draws it
    assert report["sequences"]["squares_z"]["J"] == pytest.approx((1 + 3 / 5) / 2)
    assert report["sequences"]["squares_z"]["J_seen"] == report["mean"]["J_seen"] == 1


def test_a_click_gives_less_than_the_mask(data: Path, model: Sam2) -> None:
    report = evaluate(model, read_sequences(data, ("squares_t",)), prompt="click", session_factory=Follower)
    assert report["sequences"]["squares_t"]["J"] == pytest.approx((25 / 144 + (2 + 3 * 25 / 64) / 5) / 2, abs=1e-4)


def test_a_session_can_be_measured(data: Path, model: Sam2) -> None:
    report = evaluate(model, read_sequences(data), prompt="mask", flow=False)
    assert set(report["sequences"]) == {"squares_t", "squares_z"}
    assert 0 <= report["mean"]["J"] <= 1


def test_what_cannot_be_measured_is_refused(data: Path, model: Sam2) -> None:
    with pytest.raises(ValueError, match="'scribble'"):
        evaluate(model, read_sequences(data), prompt="scribble")
    with pytest.raises(ValueError, match="circles"):
        evaluate(model, read_sequences(data, ("circles",)))
    (empty,) = read_sequences(data, ("squares_t",))
    empty.labels[:] = 0
    with pytest.raises(ValueError, match="nothing was measured"):
        evaluate(model, [empty])


def test_the_next_click_goes_into_the_largest_error() -> None:
    truth = np.zeros((20, 30), bool)
    truth[2:12, 2:12] = True
    answer = np.zeros_like(truth)
    answer[2:12, 9:12] = True
    answer[15:18, 20:23] = True
    assert worst_click(answer, truth) == (pytest.approx(6.5, abs=1.5), 5, 1)
    answer[2:12, 2:12] = True
    assert worst_click(answer, truth) == (16, 21, 0)
    assert worst_click(truth, truth) is None


def test_three_clicks_are_joined(data: Path, model: Sam2) -> None:
    sessions = []

    def start(model: Sam2, stack: Stack) -> Session:
        sessions.append(Session(model, stack))
        return sessions[-1]

    evaluate(model, read_sequences(data, ("squares_t",)), prompt="clicks3", session_factory=start, flow=False)
    prompts = {prompt.object_id: prompt for prompt in sessions[0].prompts}
    assert {i: prompt.points.shape for i, prompt in prompts.items()} == {3: (3, 2), 7: (3, 2)}


def test_object_scores_are_checked_on_the_tracked_frames(data: Path, model: Sam2) -> None:
    report = evaluate(model, read_sequences(data), session_factory=Follower, flow=False)
    # the follower is always sure; two frames of object 7 in depth are empty, none of those tracked through time
    assert report["object_score"]["answers"] == 18
    assert report["object_score"]["auc"] == 0.5
    assert report["object_score"]["hidden_called_hidden"] == 0
