"""Handling of Ctrl-C, and of SIGTERM as schedulers and containers send it, that lets the current frame finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

# SIGTERM came while results were being written: no new work is begun after that.
_ended = Event()


@contextmanager
def stop_on_interrupt() -> Iterator[Event]:
    """Turn Ctrl-C and SIGTERM into an event to look at between two frames; Ctrl-C again ends the program at once."""
    stop = Event()
    if _ended.is_set():
        stop.set()

    def note(number: int, _frame: FrameType | None) -> None:
        # The second time, somebody does not want to wait. Programs that send SIGTERM may send it twice.
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    # Restored at the end, so that writing results can be interrupted as usual.
    previous = signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
        # But what was tracked has still to be written, and SIGTERM must not cost that.
        signal.signal(signal.SIGTERM, _end_later)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM what Ctrl-C is, until the block ends."""
    # Python takes signals on the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        _ended.clear()


def _end_later(_signal: int, _frame: FrameType | None) -> None:
    _ended.set()
