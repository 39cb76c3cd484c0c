"""The methods of a session that track objects over frames; each run is a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.fill_between import both_ways_visits
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.run_plan import TrackingRun, pass_visits
from napari_sam2.session.tracking.schedule import RUN_NAMES, schedule

from .passes import PassTracker
from .steps.step_methods import StepMethods


class RunMethods(StepMethods):
    """Tracks objects, as an iterator over the frames that can be closed at any of them."""

    stack: Stack
    _encoder: FrameEncoder
    _objects: SessionObjects
    _passes: PassTracker

    def propagate(
        self,
        start: int | None = None,
        direction: str = "forward",
        max_frames: int | None = None,
        object_ids: Iterable[int] | None = None,
        *,
        within: tuple[int, int] | None = None,
    ) -> Iterator[FrameResult]:
        """Track objects over frames.

        Parameters
        ----------
        start : int, optional
            First frame; the earliest prompted one where not given (the latest for ``"backward"``).
        direction : str
            ``"forward"``, ``"backward"``, ``"both"``: forward to the end, then backward from before the start; or
            ``"outward"``: both ways for each object from its own first prompt, so that no object is searched before
            anything is known of it. The others track every object over every frame, as the reference does.
        max_frames : int, optional
            Most frames in each direction, the start included.
        object_ids : iterable of int, optional
            Which objects; all where not given.
        within : tuple of int, optional
            First and last frame of the part of the stack to track; all of it where not given.

        Returns
        -------
        iterator of FrameResult
            A result per frame, as tracking goes. It can be closed at any frame; the session can then go on.

        Raises
        ------
        ValueError
            At once, for an unknown direction or object, a frame out of range, an object without prompts, or a start
            given for ``"outward"``.
        """
        tracks = self._passes.promptable(object_ids)
        n_frames = self.stack.n_frames
        # Planned here and not in the iterator, so that errors come at once.
        visits = pass_visits(tracks, direction, start=start, max_frames=max_frames, within=within, num_frames=n_frames)
        return self._run(TrackingRun(tuple(visits)), RUN_NAMES[direction])

    def update(self, *, both_ways: bool = False) -> Iterator[FrameResult]:
        """Track again what edits have made out of date, and nothing else.

        Objects added after others were tracked are tracked over the frames that those cover.

        Parameters
        ----------
        both_ways : bool
            Frames between two prompts of an object are tracked from both, and the two masks are blended by distance and
            certainty: a correction mends the frames before it, too. Stretches that have come from both sides since
            their prompts last changed are left as they are.

        Returns
        -------
        iterator of FrameResult
            A result per frame with the objects tracked there; both ways, a second one when the frame comes from the
            other side. It can be closed at any frame and called again.

        Raises
        ------
        ValueError
            At once, if there is an object without prompts.
        """
        tracks = self._passes.promptable() if self._objects.tracks else []
        # Tracking changes what is stale while it goes: the plan is fixed beforehand.
        plans = {object_id: plan.copy() for object_id, plan in self._passes.update_plans(tracks).items()}
        if not (both_ways and tracks):
            return self._run(TrackingRun(tuple(schedule(plans))), "Update", plans)
        # Which frames came from both sides is known only once all memories are there.
        self.catch_up()
        between = self._passes.between_plans(self._passes.update_plans(tracks))
        visits = both_ways_visits(plans, between, num_frames=self.stack.n_frames)
        return self._run(TrackingRun(tuple(visits)), "Update both ways", plans, between)

    def resume(self) -> Iterator[FrameResult]:
        """Continue the last tracking run where it was closed, or where the program died.

        Returns
        -------
        iterator of FrameResult
            What is left of the run, as it would have come.

        Raises
        ------
        ValueError
            At once, if no run was left unfinished.
        """
        if self._unfinished is None:
            raise ValueError("there is no tracking run to go on with: the last one came to its end")
        return self._run(self._unfinished, "Continue tracking")

    def _run(
        self,
        run: TrackingRun,
        name: str,
        plans: Mapping[int, FrameDirections] | None = None,
        between: Mapping[int, FrameDirections] | None = None,
    ) -> Iterator[FrameResult]:
        # Memories must be complete before frames attend to them, and before a step keeps them.
        self.catch_up()
        # An update with nothing to do changes nothing: a run that was cut short can still be gone on with.
        if not run.left:
            return
        self._recorder.begin_run(name, self._unfinished, goes_on=run is self._unfinished)
        self._recorder.note(run.object_ids)
        for object_id, plan in (plans or {}).items():
            # Kept, so that a run closed half-way can be taken up again for an object tracked for the first time.
            if object_id in self._objects.tracks:
                self._objects.tracks[object_id].stale = plan.copy()
        if run is not self._unfinished:
            self._begin_fills(run, between or {})
        with self._encoder.reading_ahead([visit.frame for visit in run.visits[run.done :]]):
            yield from self._steps(run)

    def _begin_fills(self, run: TrackingRun, between: Mapping[int, FrameDirections]) -> None:
        """Note what a run is going to bring about from both sides, in place of what an earlier one left undone."""
        for object_id in run.object_ids:
            if track := self._objects.tracks.get(object_id):
                for frame in track.fills.going(1):
                    del track.fills[frame]
                track.fills.merge(between.get(object_id, FrameDirections()))

    def _steps(self, run: TrackingRun) -> Iterator[FrameResult]:
        # Noticed while the run is paused at a yield: undo, redo, a reset, or another run.
        epoch, turns = self._recorder.epoch, run.turns
        # Saved before the first frame, so that it can be resumed if the program dies.
        self._unfinished = run
        self._recorder.keep()
        self.record()
        try:
            while run.left:
                visit = run.visits[run.done]
                # True where an edit was made while this run rested: the rest of the run belongs to the edit's step.
                if has_grown := self._recorder.note(visit.object_ids):
                    self._recorder.keep()
                frame, tracks, run = visit.frame, self._passes.track_next(run, turns), run.further()
                if not tracks:
                    continue
                # Draw, save, then hand out: what the caller has seen is saved, and a run closed here loses nothing.
                self._objects.draw(frame, [track.object_id for track in tracks])
                result = self._objects.result(frame, tracks)
                self._unfinished = run if run.left else None
                self.record(None if has_grown else run)
                yield result
                if epoch != self._recorder.epoch:
                    # The session is at another moment: this run has nothing to do with it.
                    return
            self._unfinished = None
            self.record(run)
        finally:
            # Also when the caller closes the iterator or an error ends it.
            self.rest()

    def take_tracked(
        self, frame: int, labels: NDArray[Any], rows: Iterable[ScoreRow], object_ids: Iterable[int], *, step: int
    ) -> None:
        """Take where objects were tracked to on a frame by others than this session, in place of what was known there.

        Parameters
        ----------
        frame : int
            Where.
        labels : ndarray
            (Y, X); pixels of other objects count neither here nor there.
        rows : iterable of ScoreRow
            The scores of the objects, as far as there are any.
        object_ids : iterable of int
            Which objects; those that are not there any more are left out. Those that are prompted or accepted on the
            frame stay as they are.
        step : int
            1 where they came from an earlier frame, -1 where from a later one.
        """
        tracks = [self._objects.tracks[i] for i in object_ids if i in self._objects.tracks]
        with self.step("Take what was tracked"):
            self._recorder.note(track.object_id for track in tracks)
            ids = [track.object_id for track in tracks if frame not in {*track.prompts, *track.accepted}]
            self._objects.outputs.take(frame, labels, rows, ids)
            for track in tracks:
                track.mark_tracked(frame, step)

    def keep_tracked(self) -> None:
        """Save what was taken so far inside a step that is still open."""
        self._recorder.keep()
        self.record()

    @abstractmethod
    def rest(self) -> None:
        """Save what would take long to do again; called when a run is paused."""
