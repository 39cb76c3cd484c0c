"""A run with a result: what it yields is progress, what it returns comes last; given up, it says no more."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from pytestqt.qtbot import QtBot

from napari_sam2.plugin.worker.result_run import ResultRun
from napari_sam2.plugin.worker.worker import Worker


class Counting(ResultRun):
    """Counts, and returns how far it came."""

    def __init__(self, worker: Worker) -> None:
        self.said: list[object] = []
        super().__init__(worker, self.said.append)
        self.progressed.connect(self.said.append)
        self.ended.connect(self.said.append)

    def count(self, until: int, error: Exception | None = None) -> None:
        def work() -> Generator[int, None, str]:
            yield from range(until)
            if error is not None:
                raise error
            return f"counted to {until}"

        self._begin(work, "counting")

    def _take(self, result: str) -> None:
        self.said.append(result)


@pytest.fixture
def counting(qtbot: QtBot) -> Generator[Counting, None, None]:
    worker = Worker()
    yield Counting(worker)
    worker.close()


def test_the_result_comes_after_all_steps_and_before_the_end(counting: Counting, qtbot: QtBot) -> None:
    counting.count(3)
    assert counting.is_running
    qtbot.waitUntil(lambda: not counting.is_running)
    assert counting.said == [0, 1, 2, "counted to 3", True]


def test_given_up_it_ends_once_and_has_no_result(counting: Counting, qtbot: QtBot) -> None:
    counting.count(10**9)
    qtbot.waitUntil(lambda: len(counting.said) > 2)
    counting.stop()
    counting.stop()
    known = list(counting.said)
    assert known[-1] is False
    assert known[:-1] == list(range(len(known) - 1))
    qtbot.wait(50)
    assert counting.said == known


def test_a_failure_is_told_and_ends_it(counting: Counting, qtbot: QtBot) -> None:
    error = ValueError("no more numbers")
    counting.count(1, error)
    qtbot.waitUntil(lambda: not counting.is_running)
    assert counting.said == [0, error, False]
