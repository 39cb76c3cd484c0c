"""The worker thread that does all model work: a queue of jobs, and one run whose steps give way to jobs."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

logger = logging.getLogger(__name__)

# A frame of a large model takes seconds; a window that closes must not wait for it.
_CLOSE_SECONDS = 2.0
# Steps that may wait to be shown. More would mean that the run is far beyond what the user sees when cancelling.
_MOST_UNSEEN = 2


def _ignore(_value: Any) -> None:
    """Take a result that nobody wants."""


@dataclass(frozen=True, eq=False)
class Job:
    """Something to do on the worker's thread."""

    # Called on the worker's thread.
    work: Callable[[], Any]
    # Called on the GUI thread with what ``work`` returned.
    done: Callable[[Any], None]
    # Called on the GUI thread with the exception that ``work`` raised.
    failed: Callable[[Exception], None]
    # A waiting job gives way to a newer one of the same key, unless the key is empty.
    key: str = ""


@dataclass(frozen=True, eq=False)
class WorkerRun:
    """A long piece of work that is done one step at a time."""

    # Called on the worker's thread; gives the generator.
    steps: Callable[[], Generator[Any, None, None]]
    # Called on the GUI thread with each thing the generator yields.
    step_done: Callable[[Any], None]
    # Called on the GUI thread with True when the generator came to its end, False when it was stopped.
    ended: Callable[[bool], None]
    # Called on the GUI thread with the exception; ``ended`` is not called then.
    failed: Callable[[Exception], None]
    # What it is, for `Worker.run_kind`.
    kind: str


@dataclass(eq=False)
class _Going:
    """A run under way, or stopped and able to go on."""

    run: WorkerRun
    # The generator; made by the first step, on the worker's thread.
    steps: Generator[Any, None, None] | None = None
    # Whether it was stopped: the worker leaves it alone until `Worker.resume`.
    resting: bool = False

    def close(self) -> None:
        if self.steps is not None:
            self.steps.close()


class Worker(QObject):
    """A thread with a queue of jobs and at most one run.

    Jobs go first: a run advances by one step whenever no job is waiting. The thread stays the same for the widget's
    life, because torch starts a new pool of threads for every thread that calls it.
    """

    # Carries a callback and its value to the GUI thread.
    _arrived = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        # All of these are shared by both threads, and written only under `_changed`. The GUI thread fills them; the
        # worker takes out of them.
        self._jobs: deque[Job] = deque()
        self._going: _Going | None = None
        # Runs to be closed before any other job.
        self._closings: deque[Job] = deque()
        # Steps whose result the GUI thread has not seen yet, and callbacks of any kind that are on their way.
        self._unseen = 0
        self._undelivered = 0
        self._working = False
        self._closed = False
        self._changed = threading.Condition()
        # Queued, so that a callback never runs inside the call that caused it, whichever thread that was made on; and
        # callbacks arrive in the order in which they were sent.
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        # A daemon: at exit Python waits for other threads before it calls `_wait_for_all`, which is what ends this one.
        self._thread = threading.Thread(target=self._work, name="napari-sam2", daemon=True)
        self._thread.start()
        _WORKERS.add(self)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued or being done, and every callback has been called."""
        with self._changed:
            return not (self._closings or self._jobs or self._working or self.is_running or self._undelivered)

    @property
    def is_over(self) -> bool:
        """Whether the thread has come to its end."""
        return not self._thread.is_alive()

    @property
    def run_kind(self) -> str:
        """Kind of the run that is under way or resting; empty if there is none."""
        going = self._going
        return "" if going is None else going.run.kind

    @property
    def is_running(self) -> bool:
        """Whether a run is under way and not resting."""
        going = self._going
        return going is not None and not going.resting

    @property
    def can_resume(self) -> bool:
        """Whether a run was stopped before its end."""
        going = self._going
        return going is not None and going.resting

    def submit(self, job: Job) -> None:
        """Queue a job, in place of a waiting one with the same key."""
        with self._changed:
            if job.key:
                # Only waiting jobs are dropped: one that is being done ends, and its callback still comes.
                self._jobs = deque(waiting for waiting in self._jobs if waiting.key != job.key)
            self._jobs.append(job)
            self._changed.notify()

    def start(self, run: WorkerRun) -> None:
        """Start a run, in place of one that was stopped."""
        with self._changed:
            self._leave_run()
            self._going = _Going(run)
            self._changed.notify()

    def stop(self) -> None:
        """Let the run rest after the step it is in; `resume` goes on from there."""
        with self._changed:
            if self._going is None or self._going.resting:
                return
            self._going.resting = True
            ended = self._going.run.ended
        # Announced at once, though the worker may still be inside a step: its result will come after this, and must be
        # expected then.
        self._emit(ended, False)

    def resume(self) -> None:
        """Go on with a run that was stopped."""
        with self._changed:
            if self._going is not None:
                self._going.resting = False
            self._changed.notify()

    def forget_run(self) -> None:
        """Give up a run, under way or stopped; none of its callbacks announces the end."""
        with self._changed:
            self._leave_run()
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread; whatever it still finishes is not delivered."""
        self._give_up()
        self._thread.join(_CLOSE_SECONDS)

    def wait_for_end(self) -> None:
        """Stop the thread and wait for it, however long its last step takes."""
        self._give_up()
        self._thread.join()

    def _give_up(self) -> None:
        # Called by `close` and at exit. After this the worker only closes what a run has open, and then returns.
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._leave_run()
            self._changed.notify()

    def _leave_run(self) -> None:
        # What a run has open is closed by the thread that opened it, before its next job: here the window would wait.
        if self._going is not None:
            self._closings.append(Job(work=self._going.close, done=_ignore, failed=_ignore))
            self._going = None

    def _deliver(self, callback: Callable[[Any], None], value: Any) -> None:
        # On the GUI thread, from its event loop. The worker may have gone on meanwhile; and the window may have closed,
        # in which case the objects that a callback would touch are gone.
        with self._changed:
            self._undelivered -= 1
        if not self._closed:
            callback(value)

    def _work(self) -> None:
        # The worker's thread from here to its end. Work is chosen under the lock and done without it, so that the GUI
        # thread can queue, stop and close at any time.
        while True:
            with self._changed:
                while not (self._closed or self._closings or self._jobs or self._may_step):
                    self._changed.wait()
                # A closing worker still closes its runs, and leaves all other jobs undone.
                if self._closed and not self._closings:
                    return
                self._working = True
                # Order of precedence: closings, then jobs, then a step of the run. A prompt thus waits for one frame at
                # most.
                waiting = self._closings or self._jobs
                job = waiting.popleft() if waiting else None
                going = self._going
            if job is not None:
                self._do(job)
            elif going is not None:
                self._step(going)
            # Not kept while waiting: what a run holds may be large.
            job = going = None
            with self._changed:
                self._working = False

    @property
    def _may_step(self) -> bool:
        # Called with the lock held.
        return self.is_running and self._unseen < _MOST_UNSEEN

    def _do(self, job: Job) -> None:
        # On the worker's thread. An error is logged here, where its traceback is, and shown by the GUI thread.
        try:
            value = job.work()
        except Exception as error:
            logger.exception("a job failed")
            self._emit(job.failed, error)
        else:
            self._emit(job.done, value)

    def _step(self, going: _Going) -> None:
        # On the worker's thread, without the lock: meanwhile the GUI thread may stop this run, give it up, or start
        # another. `_finish` therefore looks again at which run is the present one.
        run = going.run
        try:
            if going.steps is None:
                going.steps = run.steps()
            value = next(going.steps)
        except StopIteration:
            self._finish(going, run.ended, True)
        except Exception as error:
            logger.exception("a run failed")
            self._finish(going, run.failed, error)
        else:
            # Counted before it is sent: counted afterwards, the GUI thread could take off what is not on yet.
            with self._changed:
                self._unseen += 1
            self._emit(self._see, (run.step_done, value))

    def _see(self, step: tuple[Callable[[Any], None], Any]) -> None:
        # On the GUI thread. The worker is woken before the result is shown, so that the next frame is computed while
        # this one is drawn.
        step_done, value = step
        with self._changed:
            self._unseen -= 1
            self._changed.notify()
        step_done(value)

    def _finish(self, going: _Going, callback: Callable[[Any], None], value: Any) -> None:
        # On the worker's thread, after the last step.
        with self._changed:
            # It was given up during its last step: nobody waits for its end any more.
            if self._going is not going:
                return
            # `stop` has announced the end already if it came during the last step; an error is reported in any case.
            already_told = going.resting and callback is going.run.ended
            self._going = None
        if not already_told:
            self._emit(callback, value)

    def _emit(self, callback: Callable[[Any], None], value: Any) -> None:
        # Called on both threads: by the worker with results, and by `stop` on the GUI thread.
        with self._changed:
            if self._closed:
                return
            self._undelivered += 1
        self._arrived.emit(callback, value)


def _wait_for_all() -> None:
    # At exit, on the main thread: there is no event loop any more, and nothing is delivered.
    for worker in list(_WORKERS):
        worker.wait_for_end()


# A thread that is still inside torch when the interpreter goes brings the whole process down.
_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()
atexit.register(_wait_for_all)


def job(work: Callable[[], Any], failed: Callable[[Exception], None], **options: Any) -> Job:
    """Make a `Job` whose result nobody waits for, unless ``done`` is given."""
    return Job(work=work, failed=failed, done=options.pop("done", _ignore), **options)
