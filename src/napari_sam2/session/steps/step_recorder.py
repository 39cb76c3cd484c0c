"""Recording of what changes in a session, step by step, and exchange of the present for what was before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.run_plan import TrackingRun

from .history import History, Step


class StepRecorder:
    """Collects the changes of a session in steps; a change belongs to the step that was begun last.

    What a tracking run does after an edit that was made while it rested belongs to the edit's step: undone together,
    the session is again as it was when the edit was made.
    """

    def __init__(self, objects: SessionObjects) -> None:
        self.history = History()
        # Changes when the session goes to another moment.
        self.epoch = 0
        self._objects = objects
        # Whether a `step` context is open: what begins inside is a part of it.
        self._is_open = False
        self._record(Step(""))

    def begin_run(self, name: str, run: TrackingRun | None, *, goes_on: bool) -> None:
        """Begin the step of a run, unless a step is open; the last step where what is left of its run goes on.

        ``run``: the one that could be resumed.
        """
        if self._is_open:
            return
        last = self.history.undos[-1:]
        is_same = goes_on and bool(last) and last[0].is_run
        self._record(last[0] if is_same else Step(name, tuple(self._objects.tracks), run, is_run=True))

    @contextmanager
    def step(self, name: str, run: TrackingRun | None) -> Iterator[Step | None]:
        """Begin a step, and keep it at the end; inside another one nothing happens, and it is ``None``."""
        if self._is_open:
            yield None
            return
        earlier = self._present
        self._record(Step(name, tuple(self._objects.tracks), run))
        self._is_open = True
        try:
            yield self._present
        finally:
            self._is_open = False
            self.keep()
            if self._present.is_empty:
                self._record(earlier)

    def note(self, object_ids: Iterable[int]) -> bool:
        """Keep the states of objects that are going to change; return whether there were any new ones."""
        new = [object_id for object_id in object_ids if object_id not in self._present.tracks]
        self._present.tracks |= {object_id: self._objects.state_of(object_id) for object_id in new}
        return bool(new)

    def keep(self) -> None:
        """Put the present step into the history, if it has changed anything."""
        if not self._present.is_empty:
            self.history.add(self._present, self._objects.memories)

    def exchange(self, step: Step, run: TrackingRun | None) -> None:
        """Undo a step, or do it again; ``run`` is the one that could be resumed now."""
        if self._is_open:
            raise RuntimeError("a step is not over yet: undo and redo come after it")
        # The inverse holds what there is now of all that the step holds; frames are noted as they are replaced.
        inverse = Step(step.name, tuple(self._objects.tracks), run, step.is_run)
        self._record(inverse)
        self.note(step.tracks)
        self._objects.exchange(step.objects, step.tracks, step.frames)
        self.history.move(step, inverse, self._objects.memories)
        self._go_on()

    def forget(self) -> None:
        """Forget all steps."""
        self.history.clear()
        self._go_on()

    def _go_on(self) -> None:
        # The step that was undone or done again is complete: nothing that comes now belongs to it.
        self.epoch += 1
        self._record(Step(""))

    def _record(self, step: Step) -> None:
        self._present = step
        self._objects.outputs.before = step.frames
