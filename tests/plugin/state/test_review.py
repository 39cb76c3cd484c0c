"""Where a correction brings most, and the time that looking takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from napari_sam2.data.labels.provenance import Maker, Provenance, Replaced
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.plugin.state.doubts import next_correction
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.state.review import Review
from napari_sam2.plugin.worker.messages import FrameUpdate, State

SHAPE = (12, 100, 100)
IMAGE = np.zeros(SHAPE[1:], np.uint16)


def put(store: ResultStore, frame: int, **sharpness: float) -> None:
    rows = {}
    for object_id, name in enumerate(("first", "second"), start=1):
        box = (10 * object_id, 30, 10 * object_id + 10, 40)
        row = ScoreRow(frame, object_id, 1.0, 0.9, 100, (10.0 * object_id + 5, 35.0), box)
        rows[object_id] = replace(row, sharpness=sharpness.get(name, 0.9))
    store.take(FrameUpdate(frame, IMAGE, rows, {}))


@pytest.fixture
def store() -> ResultStore:
    """The second of two objects is blurred from frame 6 on."""
    store = ResultStore(SHAPE)
    for frame in range(SHAPE[0]):
        put(store, frame, second=0.9 if frame < 6 else 0.05)
    store.state = State({1: (0,), 2: (0,)})
    return store


def test_the_walk_begins_where_an_object_is_lost(store: ResultStore) -> None:
    doubt = next_correction(store)
    assert doubt is not None
    assert (doubt.frame, doubt.object_id) == (6, 2)
    expected = store.review.expected(6, 2)
    assert expected is not None
    assert doubt.reason.startswith(f"expected overlap {expected:.2f}")
    assert expected < (store.review.expected(5, 2) or 0)
    assert store.review.expected(50, 2) is store.review.expected(5, 9) is None


def test_each_frame_comes_once_and_then_the_walk_is_over(store: ResultStore) -> None:
    found = []
    while (correction := store.review.next()) is not None:
        found.append((correction.frame, correction.object_id))
    assert len(set(found)) == len(found) > 0
    again = store.review.next()
    assert again is not None
    assert (again.frame, again.object_id) == found[0]


def test_what_was_mended_or_accepted_is_not_asked_for(store: ResultStore) -> None:
    before = store.review.outlook()
    assert before is not None
    assert before.after > before.mean
    for frame in range(6, 12):
        put(store, frame)
    after = store.review.outlook()
    assert after is not None
    assert after.mean > before.mean
    rows = {row.object_id: replace(row, accepted=True) for row in store.table.on_frame(6)}
    store.take(FrameUpdate(6, IMAGE, rows, {}))
    assert store.review.expected(6, 2) == 1


def test_what_was_said_of_one_object_counts_for_the_other(store: ResultStore) -> None:
    maker = Maker("nano", "1", "standard")
    for frame in range(SHAPE[0]):
        rows = [replace(row, made=Provenance("tracked", maker)) for row in store.table.on_frame(frame)]
        store.take(FrameUpdate(frame, IMAGE, {row.object_id: row for row in rows}, {}))
    before, outlook = store.review.expected(3, 1), store.review.outlook()
    for frame in range(6, 12):
        row = replace(store.table.get(frame, 2), sharpness=None, replaced=Replaced(0.9, 0.1, maker))
        rows = {1: store.table.get(frame, 1), 2: replace(row, made=Provenance("painted", None, corrected=True))}
        store.take(FrameUpdate(frame, IMAGE, rows, {}))
    assert store.review.expected(3, 1) < before - 0.05
    assert store.review.expected(6, 2) == 1
    assert store.review.outlook() != outlook


def test_a_frame_that_was_just_accepted_is_not_gone_to_again(store: ResultStore) -> None:
    store.accepted.set(6, IMAGE)
    found = store.review.next()
    assert found is not None
    assert found.frame != 6


def test_corrections_to_come_are_worth_less_and_less(store: ResultStore) -> None:
    walk = Review(store)
    worths = [walk.next() for _ in range(3)]
    known = [one.worth for one in worths if one is not None]
    assert all(one >= other for one, other in pairwise(known))


def test_time_is_counted_from_frame_to_frame(store: ResultStore) -> None:
    now = 0.0
    review = Review(store, lambda: now)
    for seconds in (4.0, 8.0, 1000.0):
        assert review.next() is not None
        now += seconds
    review.next()
    # Whoever stays away for long has not looked all the time.
    assert (review.n_frames, review.seconds_a_frame) == (3, (4 + 8 + 60) / 3)


def test_of_volumes_over_time_nothing_is_claimed() -> None:
    store = ResultStore(SHAPE, n_planes=4)
    for frame in range(SHAPE[0]):
        put(store, frame, second=0.1)
    store.state = State({1: (0,), 2: (0,)})
    assert store.review.next() is None
    assert store.review.outlook() is None


def test_in_slices_the_walk_begins_farther_out_than_where_an_object_is_lost(store: ResultStore) -> None:
    for frame in range(1, SHAPE[0]):
        put(store, frame, second=0.05)
    lost = next_correction(store)
    store.review.in_slices = True
    store.review.restart()
    ended = next_correction(store)
    assert lost is not None and ended is not None
    assert lost.frame == 1 < ended.frame
