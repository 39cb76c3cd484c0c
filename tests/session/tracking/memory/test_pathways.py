"""Which branches go on as paths, and that what the best saw is what is kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking import pathway_tracker
from napari_sam2.session.tracking.memory.choice import MemoryRule
from napari_sam2.session.tracking.memory.pathways import PathwayMemory
from napari_sam2.session.tracking.memory.policies import policy_name
from napari_sam2.session.tracking.pathway_tracker import AHEAD, window_of
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.session.tracking.schedule import Visit
from scripted_memory import HIDDEN, PROMPT, Scripted

PATHWAYS = PathwayMemory(MemoryRule())


def looks(*ious: tuple[float, float, float], logits: tuple[float, ...]) -> list[list[Scripted]]:
    return [[Scripted(logit, iou) for iou in three] for three, logit in zip(ious, logits, strict=True)]


def kept(scores: list[float], seen: list[list[Scripted]]) -> list[tuple[int, int]]:
    return [(branch.path, branch.candidate) for branch in PATHWAYS.keep(scores, seen)]


def test_one_path_parts_into_three() -> None:
    assert kept([0.0], looks((0.5, 0.9, 0.7), logits=(5.0,))) == [(0, 1), (0, 2), (0, 0)]


def test_where_the_model_is_sure_the_best_go_on() -> None:
    seen = looks((0.9, 0.9, 0.9), (0.8, 0.1, 0.1), (0.7, 0.1, 0.1), logits=(0.5, -0.1, 2.5))
    assert kept([0.0, 0.0, 0.0], seen) == [(0, 0), (0, 1), (0, 2)]
    # What a path has been through counts, too.
    assert kept([-1.0, 0.0, 0.0], seen) == [(1, 0), (2, 0), (0, 0)]


def test_where_it_is_not_sure_those_that_differ_go_on() -> None:
    seen = looks((0.901, 0.899, 0.9), (0.8, 0.1, 0.1), (0.7, 0.1, 0.1), logits=(0.5, 0.1, 2.0))
    assert kept([0.0, 0.0, 0.0], seen) == [(0, 0), (1, 0), (2, 0)]
    # The same number means something else where the object is hidden; a path that has no branch yet comes in.
    alike = looks((0.9, 0.9, 0.9), (0.9, 0.9, 0.9), (0.9, 0.9, 0.9), logits=(0.5, -0.5, 0.5))
    assert kept([0.0, -0.1, -0.2], alike) == [(0, 0), (1, 0), (2, 0)]


def test_a_score_is_the_sum_of_the_logarithms() -> None:
    (best, *_) = PATHWAYS.keep([-0.5], looks((0.5, 0.9, 0.0), logits=(5.0,)))
    assert best.score == pytest.approx(-0.5 + math.log(0.9), abs=1e-4)


def test_frames_that_count() -> None:
    recent = {1: Scripted(iou=0.2), 2: Scripted(iou=0.05), 3: HIDDEN, 4: Scripted(0.1, 0.5), 5: HIDDEN}
    choice = PATHWAYS.choose(6, {0: PROMPT}, recent, step=1, num_frames=100)
    assert [t for t, _ in choice.spatial] == [0, 1, 4, 5]


def test_windows_go_one_way_and_are_cut() -> None:
    visits = tuple(Visit(t, 1, (1,)) for t in range(100)) + tuple(Visit(t, -1, (1,)) for t in range(9, -1, -1))
    windows = [window_of(TrackingRun(visits, done)) for done in range(len(visits))]
    assert {len(window) for window in windows} == {AHEAD, 100 - AHEAD, 10}
    for visit, window in zip(visits, windows, strict=True):
        assert visit in window and len({one.step for one in window}) == 1


def test_it_is_one_object_at_a_time() -> None:
    assert policy_name("pathways+sparse") == "pathways+sparse"
    with pytest.raises(ValueError, match="leave that out of 'pathways\\+exclusive'"):
        policy_name("pathways+exclusive")


@pytest.mark.usefixtures("one_thread")
def test_a_prompt_on_the_way_counts_from_there_on(
    flickering_model: Sam2, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows of three frames, so that there are several.
    monkeypatch.setattr(pathway_tracker, "AHEAD", 3)
    session = Session(flickering_model, frames, memory="pathways")
    session.add_points(0, 1, [[10, 12]], [1])
    run = session.propagate()
    before = [next(run) for _ in range(2)]
    session.add_mask(4, 1, np.eye(*frames.shape[1:3], dtype=bool))
    after = list(run)
    assert [result.frame for result in (*before, *after)] == list(range(len(frames)))
    # An accepted frame is gone round.
    session.accept(6)
    labels = session.labels[6].copy()
    assert [result.frame for result in session.propagate()] == [t for t in range(len(frames)) if t != 6]
    np.testing.assert_array_equal(session.labels[6], labels)
