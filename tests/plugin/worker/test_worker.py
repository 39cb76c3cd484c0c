"""The worker's thread opens what a run works with, and closes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import pytest
from pytestqt.qtbot import QtBot

from napari_sam2.plugin.worker.worker import Job, Worker, WorkerRun


class Opened:
    """A run that says on which thread it was closed, once it may."""

    def __init__(self, *, may_close: bool = False) -> None:
        self.closed_by: list[str] = []
        self.may_close = threading.Event()
        if may_close:
            self.may_close.set()
        self.seen: list[int] = []

    def steps(self) -> Generator[int, None, None]:
        try:
            yield from range(1000)
        finally:
            assert self.may_close.wait(timeout=60)
            self.closed_by.append(threading.current_thread().name)

    def run(self, worker: Worker) -> WorkerRun:
        def step_done(step: int) -> None:
            self.seen.append(step)
            worker.stop()

        return WorkerRun(self.steps, step_done, lambda _to_the_end: None, failed=pytest.fail, kind="test")


@pytest.mark.parametrize(
    "leave",
    [Worker.forget_run, lambda worker: worker.start(Opened(may_close=True).run(worker))],
    ids=["forget_run", "start"],
)
def test_a_resting_run_is_closed_by_the_worker(qtbot: QtBot, leave: Callable[[Worker], None]) -> None:
    worker, opened = Worker(), Opened()
    worker.start(opened.run(worker))
    qtbot.waitUntil(lambda: bool(opened.seen))
    # Would never come back if it waited for what closing takes.
    leave(worker)
    assert opened.closed_by == []
    opened.may_close.set()
    qtbot.waitUntil(lambda: bool(opened.closed_by))
    assert opened.closed_by == ["napari-sam2"]
    worker.close()


def test_a_run_is_closed_before_the_next_job(qtbot: QtBot) -> None:
    worker, opened = Worker(), Opened()
    found: list[list[str]] = []
    worker.start(opened.run(worker))
    qtbot.waitUntil(lambda: bool(opened.seen))
    worker.forget_run()
    worker.submit(Job(lambda: [*opened.closed_by], done=found.append, failed=pytest.fail))
    opened.may_close.set()
    qtbot.waitUntil(lambda: bool(found))
    assert found == [["napari-sam2"]]
    worker.close()


def test_the_end_of_the_worker_closes_its_run(qtbot: QtBot) -> None:
    worker, opened = Worker(), Opened(may_close=True)
    worker.start(opened.run(worker))
    qtbot.waitUntil(lambda: bool(opened.seen))
    worker.wait_for_end()
    assert opened.closed_by == ["napari-sam2"]
    assert worker.is_over


def test_a_run_that_fails_as_it_is_closed_does_not_end_the_worker(qtbot: QtBot) -> None:
    worker = Worker()
    seen: list[int] = []
    found: list[int] = []

    def steps() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            raise OSError("the disk is gone")

    worker.start(WorkerRun(steps, lambda step: (seen.append(step), worker.stop()), lambda _: None, pytest.fail, "test"))
    qtbot.waitUntil(lambda: bool(seen))
    worker.forget_run()
    worker.submit(Job(lambda: 7, done=found.append, failed=pytest.fail))
    qtbot.waitUntil(lambda: found == [7])
    worker.close()
