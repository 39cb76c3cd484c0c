"""The session itself, in memory: prompts, tracking, undo, labels and scores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.prompts.prompt import Prompt, check_object_id
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.prompting.warm_up import warm_up
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.results.outputs import SessionOutputs
from napari_sam2.session.tracking.frame_tracker import FrameTracker, memory_rule
from napari_sam2.session.tracking.memory.policies import make_policy, policy_name
from napari_sam2.session.tracking.run_plan import TrackingRun, pass_visits
from napari_sam2.session.tracking.schedule import schedule
from napari_sam2.session.zoom.crop_size import make_zoom

from .history import DetachObject, Edit, History, RestoreFrame
from .passes import PassTracker
from .prompt_methods import Prompting
from .state import SessionState

if TYPE_CHECKING:
    import pandas as pd


class TrackingSession(Prompting):
    """Everything of a session but its folder.

    Parameters and errors are those of `Session`, which adds the folder.
    """

    def __init__(
        self,
        model: Sam2,
        frames: Stack | ArrayLike,
        *,
        contrast_limits: Sequence[float] | None = None,
        fill_hole_area: int = 8,
        axis: str = "t",
        zoom: str | float | None = None,
        memory: str = "auto",
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        labels_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        # Arguments are checked before anything is made, above all before a folder is written to.
        if fill_hole_area < 0:
            raise ValueError(f"fill_hole_area is a number of pixels, 0 or more, got {fill_hole_area}")
        if zoom is None:
            zoom = "off" if model.options.preset == "exact" else "auto"
        # Zoom changes results, so the exact preset has it off unless it is asked for.
        windows = make_zoom(zoom, model.config.image_size)
        self.zoom, self.memory = zoom, policy_name(memory)
        self.model = model
        self.stack = frames if isinstance(frames, Stack) else Stack.from_array(frames, axis)
        policy = make_policy(self.memory, memory_rule(model), axis=self.stack.axis)
        # From frames to masks: features of frames, tracking with memories, answers to prompts. Each uses the one
        # before.
        self._encoder = FrameEncoder(
            model, self.stack, contrast_limits=contrast_limits, cache_bytes=cache_bytes, cache_folder=cache_folder
        )
        self._tracker = FrameTracker(self._encoder, policy, fill_hole_area=fill_hole_area, zoom=windows)
        self._answerer = PromptPredictor(self._tracker)
        # What results from it: objects with their labels and scores, and the runs and edits that change them.
        outputs = SessionOutputs(LabelStack(self.stack.shape, folder=labels_folder))
        self._objects = SessionObjects(outputs, model.config, policy)
        self._passes = PassTracker(self._objects, self._answerer, self._tracker)
        self._history = History()
        # The run that `resume` goes on with.
        self._unfinished: TrackingRun | None = None
        # After opening a saved session: visits that have results, but whose memories were not saved.
        self._untracked: TrackingRun | None = None
        # Whether the model has answered a first prompt, which is slower than later ones.
        self._is_rehearsed = False

    # What there is

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Labels of the objects, in the order they were added."""
        return tuple(self._objects.tracks)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, by object and in the order they were given."""
        return tuple(prompt for track in self._objects.tracks.values() for prompt in track.prompts.values())

    @property
    def labels(self) -> LabelStack:
        """The label stack so far."""
        return self._objects.outputs.labels

    @property
    def scores(self) -> pd.DataFrame:
        """Table with a row per object and frame, as written to ``scores.csv``."""
        return self._objects.outputs.scores.to_pandas()

    @property
    def outputs(self) -> SessionOutputs:
        """Labels and scores in the form the export functions take."""
        return self._objects.outputs

    @property
    def fill_hole_area(self) -> int:
        """Largest hole that is filled, in pixels of the mask decoder's grid."""
        return self._tracker.fill_hole_area

    @property
    def encoder(self) -> FrameEncoder:
        """Source of image features; has the contrast window and counts the frames it encoded."""
        return self._encoder

    @property
    def stale(self) -> dict[int, tuple[int, ...]]:
        """By object, the frames whose result an edit has made out of date and `update` would track again."""
        return {object_id: tuple(frames.tolist()) for object_id, frames in self.stale_frames().items()}

    @property
    def history(self) -> tuple[tuple[Edit, ...], tuple[Edit, ...]]:
        """Edits that `undo` would do, and those that `redo` would do; the next one is the last."""
        return self._history.undos, self._history.redos

    @property
    def unfinished(self) -> int:
        """Frames that are left of the last tracking run, if it was closed or cut short; see `resume`."""
        return 0 if self._unfinished is None else self._unfinished.left

    def prepare(self, frame: int) -> None:
        """Do beforehand what the first click on a frame would wait for: encode the frame and warm the model up."""
        self.catch_up()
        self._encoder.encode(self._check_place(frame, 1)[0])
        if not self._is_rehearsed:
            warm_up(self._answerer, frame)
            self._is_rehearsed = True

    def stale_frames(self) -> dict[int, NDArray[np.intp]]:
        """The frames of `stale` as arrays, for long stacks."""
        plans = {object_id: self._passes.update_plan(track) for object_id, track in self._objects.tracks.items()}
        return {object_id: plan.frames for object_id, plan in plans.items() if plan}

    def state(self, *, outputs: bool = True) -> SessionState:
        """Take a snapshot for `restore`; cheap, as tensors and labels are shared with it."""
        # Memories missing since the session was opened are made first: a snapshot is always complete.
        self.catch_up()
        objects = tuple(track.state() for track in self._objects.tracks.values())
        return SessionState(objects, self._unfinished, self.outputs.mark() if outputs else None)

    def restore(self, state: SessionState, history: tuple[Sequence[Edit], Sequence[Edit]] | None = None) -> None:
        """Go back to a snapshot that `state` took."""
        self._objects.restore(state.objects)
        # Objects first: the labels that are brought back belong to them.
        if state.outputs is not None:
            self.outputs.go_back(state.outputs)
        if history is not None:
            self._history.bring_back(*history)
        # A run begun since then cannot be resumed; one that was left unfinished before can.
        self._unfinished, self._untracked = state.unfinished, state.untracked
        self.record()

    def answer_again(self, object_id: int, frames: Iterable[int]) -> None:
        """Answer an object's prompts on some frames anew, where their answer is lost; nothing is drawn or saved."""
        track = self._objects.known(object_id)
        for frame in frames:
            # Staged as after a click: the next tracking run encodes its memory.
            track.bank.conditioning.pop(frame, None)
            track.staged[frame] = self._answerer.predict(track, track.prompts[frame])

    def draw_again(self, frames: Iterable[int]) -> None:
        """Draw the labels of frames again, as far as their masks are still kept as logits."""
        self._objects.draw_live(frames)

    # Prompts; those that add one are in `Prompting`

    def clear_prompts(self, frame: int, object_id: int) -> None:
        """Remove an object's prompts on a frame.

        What was tracked stays until it is tracked again; a mask that came from these prompts alone is erased.

        Parameters
        ----------
        frame, object_id : int
            As for `add_points`.

        Raises
        ------
        ValueError
            If the object has no prompt on the frame.
        """
        frame, object_id = self._check_place(frame, object_id)
        self.catch_up()
        track = self._objects.known(object_id)
        if frame not in track.prompts:
            prompted = ", ".join(map(str, sorted(track.prompts))) or "none"
            raise ValueError(f"object {object_id} has no prompt on frame {frame}; its prompted frames: {prompted}")
        # The state before is recorded first: it is what undo brings back.
        before = track.state([frame])
        del track.prompts[frame]
        track.staged.pop(frame, None)
        # Results that used the memory of this prompt are out of date.
        track.mark_downstream_stale(frame)
        # The frame itself is no longer a conditioning frame; if a pass went over it, it has to be tracked.
        demoted = track.bank.conditioning.pop(frame, None)
        if frame in track.visited:
            track.stale[frame] = track.visited[frame]
            if demoted is not None:
                # A prompt given here later starts afresh, as on a frame never tracked.
                track.bank.recent[frame] = demoted
                del track.visited[frame]
        self._history.record(RestoreFrame(frame, before))
        self._objects.redraw(frame, track)
        self.record()

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, labels and scores.

        Where it had won an overlap, the others get their pixels back on frames tracked lately; elsewhere when they
        are tracked again.

        Parameters
        ----------
        object_id : int
            Label of the object.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        object_id = self._objects.known(check_object_id(object_id)).object_id
        self.catch_up()
        self._history.record(DetachObject(object_id).apply(self._objects))
        self.record()

    def reset(self) -> None:
        """Remove all objects and results; the frames and their features stay."""
        self._objects.restore(())
        # Edits and runs are about objects that are gone; a run under way ends when it finds new outputs.
        self._history.clear()
        self._objects.outputs = self._objects.outputs.emptied()
        self._unfinished = self._untracked = None
        self.record()

    def undo(self) -> Edit | None:
        """Undo the last edit of the prompts.

        Result: what was done to undo it; ``None`` if there was nothing to undo.
        """
        self.catch_up()
        edit = self._history.undo(self._objects)
        self.record()
        return edit

    def redo(self) -> Edit | None:
        """Do the last undone edit again.

        Result: what was done; ``None`` if nothing was undone before.
        """
        self.catch_up()
        edit = self._history.redo(self._objects)
        self.record()
        return edit

    # Tracking

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
        return self._run(TrackingRun(tuple(visits)))

    def update(self) -> Iterator[FrameResult]:
        """Track again what edits have made out of date, and nothing else.

        Objects added after others were tracked are tracked over the frames that those cover.

        Returns
        -------
        iterator of FrameResult
            A result per frame with the objects tracked there. It can be closed at any frame and called again.

        Raises
        ------
        ValueError
            At once, if there is an object without prompts.
        """
        tracks = self._passes.promptable() if self._objects.tracks else []
        # Tracking changes what is stale while it goes: the plan is fixed beforehand.
        plans = {track.object_id: self._passes.update_plan(track).copy() for track in tracks}
        for track in tracks:
            # Kept, so that a run closed half-way can be taken up again for an object tracked for the first time.
            track.stale = plans[track.object_id].copy()
        return self._run(TrackingRun(tuple(schedule(plans))))

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
        return self._run(self._unfinished)

    def _run(self, run: TrackingRun) -> Iterator[FrameResult]:
        # Memories must be complete before frames attend to them.
        self.catch_up()
        with self._encoder.reading_ahead([visit.frame for visit in run.visits[run.done :]]):
            yield from self._steps(run)

    def _steps(self, run: TrackingRun) -> Iterator[FrameResult]:
        # Kept to notice a reset while the run is paused at a yield.
        outputs, turns = self._objects.outputs, run.turns
        # Saved before the first frame, so that it can be resumed if the program dies.
        self._unfinished = run
        self.record()
        try:
            while run.left:
                frame, tracks, run = run.visits[run.done].frame, self._passes.track_next(run, turns), run.further()
                if not tracks:
                    continue
                # Draw, save, then hand out: what the caller has seen is saved, and a run closed here loses nothing.
                self._objects.draw(frame, [track.object_id for track in tracks])
                result = self._objects.result(frame, tracks)
                self._unfinished = run if run.left else None
                self.record(run)
                yield result
                if outputs is not self._objects.outputs:
                    # The session was reset: this run has nothing to do with what came since.
                    return
            self._unfinished = None
            self.record(run)
        finally:
            # Also when the caller closes the iterator or an error ends it.
            self.rest()

    def catch_up(self) -> None:
        """Make the memories that a saved session lacks; done by itself when an opened session is first changed."""
        # Tracked again as before, but not drawn: `_untracked` moves on frame by frame, so that an interruption here
        # loses nothing.
        turns = self._untracked.turns if self._untracked is not None else frozenset()
        while self._untracked is not None:
            # Their results are there, only their memories are not.
            self._objects.outdate([self._untracked.visits[self._untracked.done].frame])
            self._passes.track_next(self._untracked, turns)
            later = self._untracked.further()
            self._untracked = later if later.left else None

    # Inner workings

    def record(self, tracked: TrackingRun | None = None) -> None:
        """Save what has changed; does nothing here, as a session in memory has no folder."""

    def rest(self) -> None:
        """Save what would take long to do again; called when a run is paused. Does nothing here."""

    def _prompt_at(self, frame: int, object_id: int) -> Prompt | None:
        track = self._objects.tracks.get(object_id)
        return None if track is None else track.prompts.get(frame)

    def _prompt(self, prompt: Prompt) -> FrameResult:
        self.catch_up()
        known = self._objects.tracks.get(prompt.object_id)
        track = known or self._objects.new_track(prompt.object_id)
        # Whatever can fail comes first, so that a failure leaves everything as it was. The logits of frames tracked
        # long ago are gone; their mask is still in the labels.
        drawn = self._objects.outputs.mask(prompt.frame, track.object_id) if prompt.frame in track.visited else None
        memory = self._answerer.predict(track, prompt, drawn)
        # A new object is undone by taking it out, a prompt of a known one by restoring this frame.
        undo: Edit = DetachObject(track.object_id)
        if known is not None:
            undo = RestoreFrame(prompt.frame, track.state([prompt.frame]))
        # Only now does the session change: the object joins, its answer is staged, and what depends on the frame is out
        # of date.
        self._objects.tracks[prompt.object_id] = track
        self._objects.share_memory()
        track.prompts[prompt.frame] = prompt
        track.staged[prompt.frame] = memory
        track.stale.pop(prompt.frame, None)
        track.mark_downstream_stale(prompt.frame)
        # Only what this prompt changes is drawn; other frames wait for `update`.
        self._history.record(undo)
        self._objects.draw(prompt.frame, [prompt.object_id])
        self.record()
        return self._objects.result(prompt.frame, list(self._objects.tracks.values()))
