"""Which frames deserve a look, and for what reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.plugin.state.doubts import DOUBT_KINDS, find_doubts
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.worker.messages import FrameUpdate, State

SHAPE = (12, 100, 100)
IMAGE = np.zeros(SHAPE[1:], np.uint16)


def steady(object_id: int, frame: int, **other: Any) -> ScoreRow:
    """An object of 10 by 10 pixels that moves by a pixel a frame."""
    y = 20 + frame
    values = {"object_score": 1.0, "predicted_iou": 0.9, "area": 100, "centroid": (y + 5.0, 35.0)}
    values |= {"bbox": (y, 30, y + 10, 40)} | other
    return ScoreRow(frame, object_id, **values)


def results(changes: dict[int, dict[str, Any]], **more: Any) -> ResultStore:
    """Object 1 as it is on most frames, with changes on some; ``more`` are pieces by frame and a second object."""
    store = ResultStore(SHAPE)
    for frame in range(SHAPE[0]):
        rows = {1: steady(1, frame, **changes.get(frame, {}))}
        if frame in more.get("other", {}):
            rows[2] = steady(2, frame, **more["other"][frame])
        store.take(FrameUpdate(frame, IMAGE, rows, {1: (40,) * more.get("pieces", {}).get(frame, 1)}))
    store.state = State({1: (0,)})
    return store


def said(store: ResultStore, kind: str = "mixed") -> list[tuple[int, str]]:
    return [(doubt.frame, doubt.reason) for doubt in find_doubts(store, 1, kind)]


def test_each_reason_is_found_and_named() -> None:
    assert said(results({5: {"object_score": 0.4}})) == [(5, "confidence 0.40")]
    assert said(results({5: {"predicted_iou": 0.3}})) == [(5, "shape quality 0.30")]
    assert said(results({}, pieces={5: 3})) == [(5, "falls into 3 pieces")]
    assert said(results({t: {"area": 300} for t in range(5, 12)})) == [(5, "area grows 3.0 times at once")]
    far = {t: {"centroid": (70.0 + t, 80.0)} for t in range(5, 12)}
    assert said(results(far)) == [(5, "jumps by 64 pixels")]
    assert said(results({t: {"bbox": (90, 30, 100, 40)} for t in range(5, 12)})) == [(5, "touches the border")]
    assert said(results({}, other={5: {}})) == [(5, "lies on object 2")]


def test_neighbours_of_one_bad_stretch_count_once() -> None:
    lost = {t: {"object_score": score} for t, score in ((4, 0.6), (5, 0.2), (6, 0.3), (9, 0.5))}
    assert said(results(lost)) == [(5, "confidence 0.20"), (9, "confidence 0.50")]


def test_gravest_reason_of_a_frame_is_the_one_named() -> None:
    assert said(results({5: {"object_score": 0.1}}, pieces={5: 2})) == [(5, "confidence 0.10")]


def test_prompted_and_accepted_frames_are_left_alone() -> None:
    store = results({t: {"object_score": 0.1} for t in (0, 4, 8)})
    store.accepted.set(4, IMAGE)
    assert said(store) == [(8, "confidence 0.10")]


def test_where_nothing_stands_out_the_least_sure_frame_comes_first() -> None:
    store = results({7: {"object_score": 0.97}})
    assert said(store)[0] == (7, "confidence 0.97")
    assert len(said(store)) == 12


def test_kinds_by_themselves() -> None:
    store = results({5: {"object_score": 0.4}}, pieces={8: 2})
    assert said(store, "pieces") == [(8, "falls into 2 pieces")]
    assert said(store, "score")[0] == (5, "confidence 0.40")
    assert len(said(store, "score")) == 12
    assert said(store, "jump") == []
    assert list(DOUBT_KINDS)[:2] == ["worth", "mixed"]


def test_nothing_is_known_of_an_object_without_results() -> None:
    assert find_doubts(ResultStore(SHAPE), 1) == []
