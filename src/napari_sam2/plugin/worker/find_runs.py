"""Objects found without prompts, on a frame or while tracking. Runs on the worker's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_sam2.session.population.found_objects import FoundObjects
    from napari_sam2.session.session import Session

    from .run_step import RunStep


class FindRuns:
    """Looks for objects in steps, with edits and previews in between."""

    def __init__(self, session: Session, step: RunStep) -> None:
        self._session = session
        # All that a run adds, tracks and removes is one step of undo.
        self._step = step
        # The frame at which a run was left, for it to go on from; None where the last run was another or is over.
        self.left_at: int | None = None
        self._first = 0
        # Where the user has chosen what becomes an object: what was left out there stays out.
        self._chosen_on: set[int] = set()

    def find(self, frame: int) -> Generator[float | FoundObjects, None, None]:
        """Look for objects that no object of the session covers: yields the share that is done, and then those."""
        from napari_sam2.session.population.newcomers import newcomers

        found = yield from self._session.finding_objects(frame)
        yield newcomers(found, self._session.labels[frame])

    def find_text(self, frame: int, text: str, source: str) -> Generator[float | FoundObjects, None, None]:
        """Look for what a text names, as `find` does; ``source``: the detector's folder, or its name."""
        from napari_sam2.session.population.newcomers import newcomers
        from napari_sam2.session.population.text.text_detector import load_detector

        detector = load_detector(source, str(self._session.model.device))
        found = yield from self._session.finding_by_text(frame, text, detector)
        yield newcomers(found, self._session.labels[frame])

    def add(self, found: FoundObjects) -> None:
        """Add what was found, but for what lies on an object by now; one step of undo."""
        from napari_sam2.session.population.newcomers import newcomers

        self._chosen_on.add(found.frame)
        free = newcomers(found, self._session.labels[found.frame])
        with self._session.step(f"Find on frame {found.frame}: {counted(len(free), 'object')}"):
            self._session.add_objects(found.frame, free)

    def track(self, start: int | None) -> Iterator[tuple[int, int]]:
        """Track from the first prompt to both ends and add newcomers, or go on where the last run was left.

        Yields a frame to draw again, and how many are tracked.
        """
        if start is not None:
            self._first = self.left_at = start
        steps = self._steps(self._first if self.left_at is None else self.left_at)
        try:
            while True:
                self._step.open("Track and find new objects")
                step = next(steps, None)
                if step is None:
                    return
                yield step
        finally:
            steps.close()
            self._step.end()

    def _steps(self, start: int) -> Generator[tuple[int, int], None, None]:
        from napari_sam2.session.results.frame_result import FrameResult

        session, first = self._session, self._first
        self.left_at, done = start, start - first
        is_looked_at = start in self._chosen_on and any(prompt.frame == start for prompt in session.prompts)
        for step in session.tracking_and_finding(start, is_looked_at=is_looked_at, dividing=False):
            if isinstance(step, FrameResult):
                self.left_at, done = step.frame, step.frame - first + 1
                yield step.frame, done
            else:
                yield step, done
        # What is left of the way back is a run like any other.
        self.left_at = None
        ids = [prompt.object_id for prompt in session.prompts if prompt.frame == first]
        if first and ids:
            for result in session.propagate(first, "backward", object_ids=ids):
                yield result.frame, session.stack.n_frames - result.frame
