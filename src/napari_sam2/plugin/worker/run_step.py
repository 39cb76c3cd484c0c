"""The step of undo that a run in turns keeps open from one frame to the next. Used on the worker's thread only."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


class RunStep:
    """All that a run changes is one step; an edit in between ends it, and the run goes on in another."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._step = ExitStack()
        self._is_open = False

    def open(self, name: str) -> None:
        """Begin the step, unless it is open."""
        if not self._is_open:
            self._step.enter_context(self._session.step(name))
            self._is_open = True

    def end(self) -> None:
        """Let what comes next be a step of its own."""
        self._is_open = False
        self._step.close()
