"""A bar for long work in napari's activity dock, which opens at the lower right of the window."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QObject, QTimer

# What is over sooner is seen in the panel. napari's sign of activity, which turns, has the window drawn all the time.
_LONG_S = 5.0


class Activity(QObject):
    """Shows how far something is that goes on for long, from the first `show` to `end`."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._bar: Any = None
        self._begun: float | None = None
        self._now = 0, 0
        # napari handles all events that wait whenever a bar moves: not within whatever is going on here, and not twice.
        self._is_moving = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._move)

    def show(self, done: int, total: int) -> None:
        """Say how far it is."""
        if self._begun is None:
            self._begun = time.monotonic()
        self._now = done, total
        if time.monotonic() - self._begun >= _LONG_S:
            self._soon.start()

    def end(self) -> None:
        """Take the bar away."""
        self._soon.stop()
        self._begun = None
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.close()

    def _move(self) -> None:
        if not self._is_moving:
            self._is_moving = True
            self._move_bar(*self._now)
            self._is_moving = False
            # It may have ended meanwhile.
            if self._begun is None:
                self._close()

    def _move_bar(self, done: int, total: int) -> None:
        from napari.utils import progress

        if self._bar is None:
            self._bar = progress(total=total, desc=self._what)
        bar = self._bar
        if total != bar.total:
            bar.total = total
        bar.update(done - bar.n)
