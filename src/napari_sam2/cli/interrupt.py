"""Handling of Ctrl-C that lets the current frame finish."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stop_on_interrupt() -> Iterator[Event]:
    """Turn Ctrl-C into an event to look at between two frames; pressed again, it ends the program at once."""
    stop = Event()

    def note(_signal: int, _frame: FrameType | None) -> None:
        # The second time, somebody does not want to wait.
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    # Restored at the end, so that writing results can be interrupted as usual.
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
