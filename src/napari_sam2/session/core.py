"""The session itself, in memory: prompts, tracking, undo, labels and scores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.object_classes import check_class_name
from napari_sam2.data.labels.provenance import Maker
from napari_sam2.data.labels.scores import PROVENANCE_COLUMNS, SCORE_COLUMNS
from napari_sam2.data.prompts.prompt import Prompt, check_box, check_object_id
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.population.find_methods import Finding
from napari_sam2.session.prompting.warm_up import warm_up
from napari_sam2.session.quality.expected_quality import estimated
from napari_sam2.session.results.compose import ObjectMask, PixelBox
from napari_sam2.session.results.distinct_masks import distinct_masks
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.results.outputs import SessionOutputs
from napari_sam2.session.tracking.memory.policies import policy_name
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.session.zoom.crop_size import make_zoom

from .exemplar_methods import TakingExemplars
from .lineage_methods import LineageMethods
from .model_parts import PartsSettings, make_parts
from .passes import PassTracker
from .prompt_methods import step_name
from .review_methods import Reviewing
from .run_methods import RunMethods
from .state import SessionState
from .steps.step_recorder import StepRecorder
from .track_edits import TrackEditor

if TYPE_CHECKING:
    import pandas as pd


class TrackingSession(RunMethods, LineageMethods, Reviewing, Finding, TakingExemplars):
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
        make_zoom(zoom, model.config.image_size)
        self.zoom, self.memory = zoom, policy_name(memory, exact=model.options.preset == "exact")
        self.model = model
        self.stack = frames if isinstance(frames, Stack) else Stack.from_array(frames, axis)
        settings = PartsSettings(contrast_limits, fill_hole_area, zoom, self.memory, cache_bytes, cache_folder)
        # What runs the model, here or elsewhere.
        parts = make_parts(model, self.stack, settings)
        self._encoder, self._tracker, self._answerer = parts.encoder, parts.tracker, parts.answerer
        self._finder = parts.finder
        # What results from it: objects with their labels and scores, and the runs and edits that change them.
        outputs = SessionOutputs(
            LabelStack(self.stack.shape, folder=labels_folder), partial(self._describe_maker, model, self.memory)
        )
        self._objects = SessionObjects(outputs, model.config, self._tracker.policy, n_planes=self.stack.n_planes)
        self._passes = PassTracker(self._objects, self._answerer, self._tracker)
        self._editor = TrackEditor(self._objects, self._answerer)
        self._recorder = StepRecorder(self._objects)
        # The run that `resume` goes on with.
        self._unfinished: TrackingRun | None = None
        # After opening a saved session: visits that have results, but whose memories were not saved.
        self._untracked: TrackingRun | None = None
        # Whether the model has answered a first prompt, which is slower than later ones.
        self._is_rehearsed = False

    @staticmethod
    def _describe_maker(model: Sam2, memory: str) -> Maker:
        """Say which model makes the masks, by which memory rule."""
        return Maker(model.config.name or "", "", memory)

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
        """Table with a row per object and frame: the numbers of ``scores.csv``."""
        return self._objects.outputs.scores.to_pandas()

    @property
    def provenance(self) -> pd.DataFrame:
        """Table with a row per object and frame: who made the mask, and its expected J, as in ``scores.csv``."""
        table = estimated(self._objects.outputs.scores).to_pandas([*SCORE_COLUMNS, *PROVENANCE_COLUMNS])
        return table[[*SCORE_COLUMNS[:2], *PROVENANCE_COLUMNS]]

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
    def out_of_date(self) -> tuple[int, ...]:
        """Frames on which the result of some object is stale."""
        return tuple(sorted({frame for frames in self.stale.values() for frame in frames}))

    @property
    def one_sided(self) -> dict[int, tuple[int, ...]]:
        """By object, the frames between two of its prompts that ``update(both_ways=True)`` would track from both."""
        plans = self._passes.between_plans(self._passes.update_plans())
        return {object_id: tuple(plan.frames.tolist()) for object_id, plan in plans.items() if plan}

    @property
    def unfinished(self) -> int:
        """Frames that are left of the last tracking run, if it was closed or cut short; see `resume`."""
        return 0 if self._unfinished is None else self._unfinished.left

    @property
    def behind(self) -> int:
        """Frames that are done of the last tracking run, if it was closed or cut short."""
        return 0 if self._unfinished is None else self._unfinished.done

    def prepare(self, frame: int) -> None:
        """Do beforehand what the first click on a frame would wait for: encode the frame and warm the model up."""
        self.catch_up()
        self._encoder.prepare(self._check_place(frame, 1)[0])
        # Hashed now, as it is noted with every mask.
        _ = self._objects.outputs.origins.maker
        if not self._is_rehearsed:
            warm_up(self._answerer, frame)
            self._is_rehearsed = True

    def stale_frames(self) -> dict[int, NDArray[np.intp]]:
        """The frames of `stale` as arrays, for long stacks."""
        return {object_id: plan.frames for object_id, plan in self._passes.update_plans().items() if plan}

    def state(self) -> SessionState:
        """Take a snapshot of all but labels and scores, always complete; tensors are shared with it."""
        self.catch_up()
        return SessionState(tuple(track.state() for track in self._objects.tracks.values()), self._unfinished)

    def restore(self, state: SessionState) -> None:
        """Replace all objects, as an opened session does; nothing is saved, and it is no step."""
        self._objects.restore(state.objects)
        self._unfinished, self._untracked = state.unfinished, state.untracked

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

    def candidates(self, frame: int, object_id: int) -> list[NDArray[np.bool_]]:
        """Propose masks for an object's clicks or box on a frame; nothing is changed.

        Parameters
        ----------
        frame : int
            Index of the frame.
        object_id : int
            The object.

        Returns
        -------
        list of ndarray
            (Y, X) bool, those that differ, the surest first; empty where the object has neither there.
        """
        track, prompt = self._objects.tracks.get(object_id), self._prompt_at(frame, object_id)
        if track is None or prompt is None or (prompt.points is None and prompt.box is None):
            return []
        masks, ious, views = self._answerer.proposals(track, prompt)
        low_res, sure = masks.float().cpu().numpy(), ious.float().cpu().numpy()
        return distinct_masks(low_res, sure, views=views, size=(self.stack.height, self.stack.width))

    def mask_of_box(self, frame: int, box: ArrayLike) -> tuple[tuple[slice, slice], NDArray[np.bool_]] | None:
        """Answer a box around an object that the session does not have; nothing is changed.

        Parameters
        ----------
        frame : int
            Index of the frame.
        box : array-like
            (y0, x0, y1, x1) in pixels.

        Returns
        -------
        tuple or None
            Rows and columns, and the (y, x) bool mask in them; None where the model sees no object.
        """
        size = self.stack.height, self.stack.width
        frame, object_id = self._check_place(frame, max(self.object_ids, default=0) + 1)
        prompt = Prompt(frame, object_id, box=check_box(box, size))
        answer = ObjectMask(object_id, self._answerer.predict(self._objects.new_track(object_id), prompt), None)
        drawn = answer.logits(PixelBox(0, 0, *size), size)
        return None if drawn is None else (drawn[0].crop, drawn[1] > 0)

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
        track = self._objects.known(object_id)
        if frame not in track.prompts:
            prompted = ", ".join(map(str, sorted(track.prompts))) or "none"
            raise ValueError(f"object {object_id} has no prompt on frame {frame}; its prompted frames: {prompted}")
        with self.step(f"Clear prompts of object {object_id}"):
            self._recorder.note([object_id])
            self._unlock(frame, object_id)
            track.clear_prompts(frame)
            self._objects.redraw(frame, track)

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
        with self.step(f"Remove object {object_id}"):
            children = self._children(object_id)
            self._recorder.note([object_id, *children])
            self._forget_refusals([object_id])
            self._objects.remove(object_id)
            for child in children:
                self._set_parent(child, object_id)

    @property
    def classes(self) -> dict[int, str]:
        """What kind of object each is, of those of which that is said."""
        return {i: track.class_name for i, track in self._objects.tracks.items() if track.class_name}

    def set_class(self, object_id: int, name: str) -> None:
        """Say what kind of object it is, such as "nucleus": a step, which exports take as the object's class.

        Parameters
        ----------
        object_id : int
            The object.
        name : str
            Its class; empty for none.

        Raises
        ------
        ValueError
            If there is no such object, or the name is no line of text of at most 64 characters.
        """
        track = self._objects.known(check_object_id(object_id))
        name = check_class_name(name)
        if name != track.class_name:
            with self.step(f"Class of object {track.object_id}"):
                self._recorder.note([track.object_id])
                track.class_name = name

    def reset(self) -> None:
        """Remove all objects and results, and forget all steps; the frames and their features stay."""
        self._objects.restore(())
        self._objects.outputs = self._objects.outputs.emptied()
        # Steps and runs are about objects that are gone; a run under way ends.
        self._recorder.forget()
        self._unfinished = self._untracked = None
        self.record()

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
        track.span.check(prompt.object_id, prompt.frame)
        # Whatever can fail comes first, so that a failure leaves everything as it was. The logits of frames tracked
        # long ago are gone; their mask is still in the labels.
        drawn = self._objects.outputs.mask(prompt.frame, track.object_id) if prompt.frame in track.visited else None
        memory = self._answerer.predict(track, prompt, drawn)
        with self.step(step_name(prompt)):
            self._recorder.note([prompt.object_id])
            # Only now does the session change: the object joins, its answer is staged, and what depends on the frame is
            # out of date.
            self._objects.tracks[prompt.object_id] = track
            self._objects.share_memory()
            self._unlock(prompt.frame, prompt.object_id)
            track.prompts[prompt.frame] = prompt
            track.staged[prompt.frame] = memory
            track.stale.pop(prompt.frame, None)
            track.mark_downstream_stale(prompt.frame)
            # Only what this prompt changes is drawn; other frames wait for `update`.
            self._objects.draw(prompt.frame, [prompt.object_id])
        return self._objects.result(prompt.frame, list(self._objects.tracks.values()))
