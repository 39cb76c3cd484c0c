"""A run of the worker that has a result, and that leaves nothing when the user gives it up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from .worker import WorkerRun

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .worker import Worker


@dataclass(frozen=True, eq=False)
class _Result:
    """What the generator returned, as a last step: a run has no result of its own."""

    value: Any


class ResultRun(QObject):
    """Runs a generator that yields its progress and returns a result; whoever derives from it takes the result."""

    # With what the generator yields.
    progressed = Signal(object)
    # With True when it came to its end, False where it was stopped or failed.
    ended = Signal(bool)

    def __init__(self, worker: Worker, fail: Callable[[Exception], None]) -> None:
        super().__init__()
        self._worker = worker
        self._fail = fail
        # The run under way; None as soon as it has ended or was stopped, whatever still comes of it.
        self._run: WorkerRun | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self._run is not None

    def stop(self) -> None:
        """Give up; nothing has changed."""
        # Forgotten, not stopped: it cannot be resumed, and its generator must let go of what it holds.
        if self.is_running:
            self._worker.forget_run()
            self._finished(False)

    def _begin(self, work: Callable[[], Generator[Any, None, Any]], kind: str) -> None:
        self._run = WorkerRun(partial(_with_result, work), self._stepped, self._finished, self._failed, kind)
        self._worker.start(self._run)

    def _take(self, result: Any) -> None:
        """Take the result, before `ended`."""
        raise NotImplementedError

    def _stepped(self, step: Any) -> None:
        # On the GUI thread. A step may have been on its way when the user stopped.
        if not self.is_running:
            return
        if isinstance(step, _Result):
            self._take(step.value)
        else:
            self.progressed.emit(step)

    def _finished(self, complete: bool) -> None:
        # Called by the worker at the end, by `stop`, and by `_failed`; announced once.
        if self.is_running:
            self._run = None
            self.ended.emit(complete)

    def _failed(self, error: Exception) -> None:
        self._fail(error)
        self._finished(False)


def _with_result(work: Callable[[], Generator[Any, None, Any]]) -> Generator[Any, None, None]:
    # On the worker's thread, step by step, with prompts and previews in between.
    result = yield from work()
    yield _Result(result)
