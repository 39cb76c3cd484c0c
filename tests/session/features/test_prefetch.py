"""Frames are read on a thread ahead of the run, and the thread goes with the run."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.prefetch import AHEAD_FRAMES, ReadAhead, frame_bytes, frames_ahead

pytestmark = pytest.mark.usefixtures("one_thread")


class Watched:
    """An array that notes who reads which frame."""

    def __init__(self, array: np.ndarray, bad: tuple[int, ...] = ()) -> None:
        self.array, self.bad = array, bad
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.reads: list[int] = []
        self.threads: set[str] = set()

    def __getitem__(self, index: Any) -> np.ndarray:
        frame = index[0]
        self.reads.append(frame)
        self.threads.add(threading.current_thread().name)
        if frame in self.bad:
            raise ValueError(f"frame {frame} is torn")
        return self.array[index]


class Gated(Watched):
    """An array whose reads wait from a frame on, as those from a network disk do."""

    def __init__(self, array: np.ndarray, first_held: int) -> None:
        super().__init__(array)
        self.first_held = first_held
        self.is_held, self.may_go = threading.Event(), threading.Event()

    def __getitem__(self, index: Any) -> np.ndarray:
        if index[0] >= self.first_held:
            self.is_held.set()
            assert self.may_go.wait(timeout=60)
        return super().__getitem__(index)


def reading_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("napari-sam2-read")]


def assert_threads_end() -> None:
    for thread in reading_threads():
        thread.join(timeout=60)
    assert reading_threads() == []


def tracked(model: Sam2, source: Any, **options: Any) -> Session:
    session = Session(model, source, contrast_limits=(0, 255), zoom="off", **options)
    session.add_points(0, 1, [(10, 12)], [1])
    return session


def test_each_frame_is_read_once_and_not_on_the_caller_s_thread(model: Sam2, frames: np.ndarray) -> None:
    source = Watched(frames)
    session = tracked(model, source)
    source.threads.clear()
    assert [r.frame for r in session.propagate()] == list(range(12))
    assert source.reads == list(range(12))
    assert len(source.threads) == 1
    assert source.threads.pop().startswith("napari-sam2-read")
    assert_threads_end()


def test_the_next_frames_are_read_before_they_are_asked_for(frames: np.ndarray) -> None:
    source = Watched(frames)
    ahead = ReadAhead(Stack.from_array(source), [5, 4, 3, 2, 1, 0])
    assert source.reads == []
    np.testing.assert_array_equal(ahead.read(5), frames[5])
    for future in ahead._waiting.values():
        future.result(timeout=60)
    assert source.reads == [5, 4, 3, 2]
    np.testing.assert_array_equal(ahead.read(4), frames[4])
    ahead.close()
    assert source.reads[:4] == [5, 4, 3, 2]
    assert_threads_end()


def test_frames_out_of_turn(frames: np.ndarray) -> None:
    source = Watched(frames)
    ahead = ReadAhead(Stack.from_array(source), [0, 1, 2, 3, 4, 5, 6, 7, 8])
    for frame in (0, 9, 1, 6, 7, 0):
        np.testing.assert_array_equal(ahead.read(frame), frames[frame])
    assert len(ahead._waiting) <= AHEAD_FRAMES
    ahead.close()


def test_a_closed_run_leaves_no_thread(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, Watched(frames))
    run = session.propagate()
    assert reading_threads() == []
    next(run)
    next(run)
    assert len(reading_threads()) == 1
    run.close()
    assert_threads_end()
    # One that is dropped is closed, too; one that was never begun has none.
    run = session.propagate()
    session.encoder.clear()
    next(run)
    next(run)
    del run
    gc.collect()
    assert_threads_end()
    assert [r.frame for r in session.propagate()] == list(range(12))


def test_a_run_that_is_left_does_not_wait_for_a_slow_read(model: Sam2, frames: np.ndarray) -> None:
    source = Gated(frames, first_held=3)
    run = tracked(model, source).propagate()
    next(run)
    next(run)
    assert source.is_held.wait(timeout=60)
    # Would never return if it waited.
    run.close()
    source.may_go.set()
    assert_threads_end()


def test_a_stack_that_is_closed_during_a_read_is_closed_by_the_reader(model: Sam2, frames: np.ndarray) -> None:
    source = Gated(frames, first_held=2)
    gone = weakref.ref(source)
    stack = Stack.from_array(source)
    may_go, is_held = source.may_go, source.is_held
    del source
    ahead = ReadAhead(stack, list(range(12)))
    ahead.read(0)
    assert is_held.wait(timeout=60)
    coming = [ahead._waiting[frame] for frame in (2, 3)]
    stack.close()
    may_go.set()
    np.testing.assert_array_equal(coming[0].result(timeout=60), frames[2])
    with pytest.raises(ValueError, match="the array is closed"):
        coming[1].result(timeout=60)
    ahead.close()
    assert_threads_end()
    del ahead, coming
    gc.collect()
    assert gone() is None


def test_trouble_surfaces_at_its_own_frame(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, Watched(frames, bad=(4,)))
    done = []
    with pytest.raises(ValueError, match="frame 4 is torn"):
        for result in session.propagate():
            done.append(result.frame)
    assert done == [0, 1, 2, 3]
    assert_threads_end()
    # The frame is read again when it is asked for again.
    with pytest.raises(ValueError, match="frame 4 is torn"):
        list(session.propagate(start=4))


def test_frames_in_memory_are_not_read_again(model: Sam2, frames: np.ndarray) -> None:
    source = Watched(frames)
    session = tracked(model, source)
    list(session.propagate())
    source.reads.clear()
    list(session.propagate(direction="backward", start=11))
    assert source.reads == []


def test_two_runs_in_turn(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, Watched(frames), cache_bytes=0)
    forward, backward = session.propagate(), session.propagate(start=11, direction="backward")
    seen = [[next(forward).frame, next(backward).frame] for _ in range(4)]
    assert seen == [[0, 11], [1, 10], [2, 9], [3, 8]]
    forward.close()
    assert next(backward).frame == 7
    backward.close()
    assert_threads_end()


def test_large_frames_wait_one_at_a_time() -> None:
    assert frame_bytes(Stack.from_array(np.zeros((2, 10, 20, 3), np.uint16))) == 1200
    assert frames_ahead(1200) == AHEAD_FRAMES
    assert frames_ahead(30 * 2**20) == 2
    assert frames_ahead(2**30) == 1
