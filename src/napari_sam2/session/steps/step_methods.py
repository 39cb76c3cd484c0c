"""The methods of a session about its steps: what is undone and done again together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari_sam2.session.tracking.run_plan import TrackingRun

from .history import Step
from .step_recorder import StepRecorder


class StepMethods(ABC):
    """Every prompt, removal and tracking run is a step; `step` makes one of several."""

    _recorder: StepRecorder
    # The run that `resume` goes on with.
    _unfinished: TrackingRun | None

    @property
    def history(self) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """Steps that `undo` would undo, and those that `redo` would do again; the next one is the last."""
        return self._recorder.history.undos, self._recorder.history.redos

    @property
    def undo_name(self) -> str | None:
        """What `undo` would undo, such as "Click on object 3"; ``None`` if there is nothing."""
        return self.history[0][-1].name if self.history[0] else None

    @property
    def redo_name(self) -> str | None:
        """What `redo` would do again; ``None`` if there is nothing."""
        return self.history[1][-1].name if self.history[1] else None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Make all changes inside one step, to be undone together; a step inside another one is a part of it.

        Parameters
        ----------
        name : str
            What the user does, as in "Click on object 3".
        """
        self.catch_up()
        step: Step | None = None
        try:
            with self._recorder.step(name, self._unfinished) as step:
                yield
        finally:
            # What was done before an error is a step as well: it is there, and can be undone.
            if step is not None and not step.is_empty:
                self.record()

    def undo(self) -> Step | None:
        """Undo the last step.

        Result: the step; ``None`` if there was nothing to undo.
        """
        return self._exchange(self.history[0])

    def redo(self) -> Step | None:
        """Do the last undone step again.

        Result: the step; ``None`` if nothing was undone before.
        """
        return self._exchange(self.history[1])

    def bring_back_history(self, undos: Sequence[Step], redos: Sequence[Step]) -> None:
        """Replace the steps that can be undone and done again, as an opened session does."""
        self._recorder.history.bring_back(undos, redos)

    def _exchange(self, steps: Sequence[Step]) -> Step | None:
        if not steps:
            return None
        self.catch_up()
        self._recorder.exchange(steps[-1], self._unfinished)
        self._unfinished = steps[-1].run
        self.record()
        return steps[-1]

    @abstractmethod
    def catch_up(self) -> None:
        """Make the memories that a saved session lacks: a step keeps whole states."""

    @abstractmethod
    def record(self, tracked: TrackingRun | None = None) -> None:
        """Save what has changed."""
