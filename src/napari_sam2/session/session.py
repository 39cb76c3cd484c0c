"""The scripting interface: frames and prompts in, labels and scores out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from napari_sam2.data.labels import LabelStack
from napari_sam2.data.prompts import Prompt, check_frame, check_object_id
from napari_sam2.data.stack import Stack
from napari_sam2.model.sam2 import Sam2

from .drawing import contested_frames, frame_result, live_tracks, painted_masks
from .feature_cache import FrameEncoder
from .history import DetachObject, Edit, History, RestoreFrame
from .memory_bank import MemoryBank
from .outputs import ErasedObject, SessionOutputs
from .prompting import Prompting
from .propagate import FrameTracker, memory_rule
from .results import FrameResult
from .schedule import DIRECTIONS, Visit, outward, schedule, straight
from .track import FrameState, ObjectTrack
from .zoom import make_zoom

if TYPE_CHECKING:
    import pandas as pd

# Memories kept beyond those that tracking needs, over all objects.
SPARE_BYTES = 32 * 2**20


class Session(Prompting):
    """Prompts, memories and results of one stack and one model.

    Parameters
    ----------
    model : Sam2
        From `napari_sam2.load_model`.
    frames : Stack or array-like
        (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3) of any real type; numpy, dask, zarr or anything sliceable. Frames
        are read when they are needed and not held.
    contrast_limits : sequence of float, optional
        Values shown black and white, one pair for the whole stack; chosen from a sample of frames where not given.
        8-bit colour is left as it is.
    fill_hole_area : int
        Holes of up to this many pixels of the mask decoder's grid (a quarter of the model's input) are filled; 0 fills
        none.
    axis : str
        ``"t"`` or ``"z"``: what the frames are. A given `Stack` knows that itself.
    zoom : str or float, optional
        ``"auto"``: a small object is tracked in a window that goes with it; ``"off"``: the model sees whole frames; a
        number: windows that many times smaller than the frame, for every object that fits. Where not given,
        ``"off"`` for a model loaded with ``preset="exact"``, else ``"auto"``.
    cache_bytes : int, optional
        How much memory image features may take; 48 MiB or six frames where not given, whichever is more.
    cache_folder : str or path-like, optional
        Image features are kept on disk there, too, up to 4 GiB: frames encoded once are not encoded again, in this
        session or a later one.
    labels_folder : str or path-like, optional
        Labels go to a new zarr array there, (T, Y, X) uint32; compressed in memory where not given.

    Raises
    ------
    ValueError
        If the frames have another shape, an argument is out of range or there is something in the folder for labels.
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
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        labels_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if fill_hole_area < 0:
            raise ValueError(f"fill_hole_area is a number of pixels, 0 or more, got {fill_hole_area}")
        if zoom is None:
            zoom = "off" if model.options.preset == "exact" else "auto"
        windows = make_zoom(zoom, model.config.image_size)
        self.zoom = zoom
        self.model = model
        self.stack = frames if isinstance(frames, Stack) else Stack.from_array(frames, axis)
        self._encoder = FrameEncoder(
            model, self.stack, contrast_limits=contrast_limits, cache_bytes=cache_bytes, cache_folder=cache_folder
        )
        self._tracker = FrameTracker(self._encoder, fill_hole_area=fill_hole_area, zoom=windows)
        self._rule = memory_rule(model)
        self._tracks: dict[int, ObjectTrack] = {}
        self._outputs = SessionOutputs(LabelStack(self.stack.shape, folder=labels_folder))
        self._history = History()

    # What there is

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Labels of the objects, in the order they were added."""
        return tuple(self._tracks)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, by object and in the order they were given."""
        return tuple(prompt for track in self._tracks.values() for prompt in track.prompts.values())

    @property
    def labels(self) -> LabelStack:
        """The label stack so far."""
        return self._outputs.labels

    @property
    def scores(self) -> pd.DataFrame:
        """Table with a row per object and frame, as written to ``scores.csv``."""
        return self._outputs.scores.to_pandas()

    @property
    def outputs(self) -> SessionOutputs:
        """Labels and scores in the form the export functions take."""
        return self._outputs

    @property
    def encoder(self) -> FrameEncoder:
        """Source of image features; knows the window and counts the frames it encoded."""
        return self._encoder

    @property
    def stale(self) -> dict[int, tuple[int, ...]]:
        """By object, the frames whose result an edit has made out of date and `update` would track again."""
        plans = {object_id: self._plan(track) for object_id, track in self._tracks.items()}
        return {object_id: tuple(sorted(plan)) for object_id, plan in plans.items() if plan}

    # Prompts; those that add one are in `Prompting`

    def clear_prompts(self, frame: int, object_id: int) -> None:
        """Take an object's prompts on a frame back.

        What was tracked stays until it is tracked again; a mask that came from these prompts alone goes.

        Raises
        ------
        ValueError
            If the object has no prompt on the frame.
        """
        frame, object_id = self._check_place(frame, object_id)
        track = self._known(object_id)
        if frame not in track.prompts:
            prompted = ", ".join(map(str, sorted(track.prompts))) or "none"
            raise ValueError(f"object {object_id} has no prompt on frame {frame}; its prompted frames: {prompted}")
        before = track.snapshot(frame)
        del track.prompts[frame]
        track.staged.pop(frame, None)
        track.mark_downstream_stale(frame)
        demoted = track.bank.conditioning.pop(frame, None)
        if frame in track.visited:
            track.stale[frame] = track.visited[frame]
            if demoted is not None:
                # A prompt given here later starts afresh, as on a frame never tracked.
                track.bank.recent[frame] = demoted
                del track.visited[frame]
        self._history.record(RestoreFrame(object_id, frame, before))
        self._redraw(frame, track)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, labels and scores.

        Where it had won an overlap, the others get their pixels back on frames tracked lately; elsewhere when they
        are tracked again.
        """
        self._history.record(DetachObject(self._known(check_object_id(object_id))).apply(self))

    def reset(self) -> None:
        """Remove all objects and results; the frames and their features stay."""
        self._tracks.clear()
        self._history.clear()
        self._outputs = self._outputs.emptied()

    def undo(self) -> Edit | None:
        """Undo the last edit of the prompts; return what was done for it, ``None`` if there was no edit."""
        return self._history.undo(self)

    def redo(self) -> Edit | None:
        """Do the last undone edit again and return it; ``None`` if there was none."""
        return self._history.redo(self)

    # Tracking

    def propagate(
        self,
        start: int | None = None,
        direction: str = "forward",
        max_frames: int | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> Iterator[FrameResult]:
        """Track objects over frames.

        Parameters
        ----------
        start : int, optional
            First frame; the earliest prompted one where not given (the latest for ``"backward"``).
        direction : str
            ``"forward"``, ``"backward"``, ``"both"``: forward to the end, then backward from before the start; or
            ``"outward"``: both ways for each object from its own first prompt, so that no object is looked for before
            anything is known of it. The others track every object over every frame, as the reference does.
        max_frames : int, optional
            Most frames in each direction, the start included.
        object_ids : iterable of int, optional
            Which objects; all where not given.

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
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is one of {', '.join(DIRECTIONS)}, got {direction!r}")
        if max_frames is not None and max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, got {max_frames}")
        tracks = self._promptable(self._tracks if object_ids is None else object_ids)
        reach = self.stack.n_frames if max_frames is None else max_frames
        if direction == "outward":
            if start is not None:
                raise ValueError(f"outward tracking starts at each object's first prompt: leave out start={start}")
            return self._run(schedule({t.object_id: self._outward(t, reach) for t in tracks}))
        prompted = [frame for track in tracks for frame in track.prompts]
        if start is None:
            start = max(prompted) if direction == "backward" else min(prompted)
        start = check_frame(start, self.stack.n_frames)
        plan = straight(start, direction, reach=reach, num_frames=self.stack.n_frames)
        return self._run(schedule({track.object_id: plan for track in tracks}))

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
        tracks = self._promptable(self._tracks) if self._tracks else []
        plans = {track.object_id: dict(self._plan(track)) for track in tracks}
        for track in tracks:
            # Kept, so that a run closed half-way can be taken up again for an object tracked for the first time.
            track.stale = dict(plans[track.object_id])
        return self._run(schedule(plans))

    def _run(self, visits: Sequence[Visit]) -> Iterator[FrameResult]:
        with self._encoder.reading_ahead([visit.frame for visit in visits]):
            yield from self._steps(visits)

    def _steps(self, visits: Sequence[Visit]) -> Iterator[FrameResult]:
        turns = {visit.step: visit.frame for visit in reversed(visits)}
        outputs = self._outputs
        for visit in visits:
            if outputs is not self._outputs:
                # The session was reset: this run has nothing to do with what came since.
                return
            # Edits made while the generator rests take effect here: staged prompts join, removed objects drop out.
            tracks = [track for i, track in self._tracks.items() if i in visit.object_ids and track.prompts]
            if not tracks:
                continue
            prompted = [prompt.frame for prompt in self.prompts]
            for track in tracks:
                track.bank.starts = {min(prompted), max(prompted), *turns.values()}
                self._tracker.commit(track)
            self._tracker.track(tracks, visit.frame, visit.step)
            result = self._result(visit.frame, tracks)
            self._draw(result)
            yield result

    def _plan(self, track: ObjectTrack) -> dict[int, int]:
        if track.visited or not track.prompts:
            return track.stale
        covered = {t for other in self._tracks.values() for t in other.visited}
        plan = {t: step for t, step in self._outward(track, self.stack.n_frames).items() if t in covered}
        return plan | track.stale

    def _outward(self, track: ObjectTrack, reach: int) -> dict[int, int]:
        return outward(min(track.prompts), reach=reach, num_frames=self.stack.n_frames)

    # Edits, as `history.Editable`

    def restore_frame(self, object_id: int, frame: int, state: FrameState) -> FrameState:
        """Go back to a recorded state of an object on a frame; return the state there was."""
        track = self._tracks[object_id]
        before = track.snapshot(frame)
        track.restore(frame, state)
        self._redraw(frame, track)
        return before

    def attach(self, track: ObjectTrack, place: int, erased: ErasedObject) -> None:
        """Take an object into the session, with the results it had when it was taken out."""
        others = list(self._tracks.items())
        self._tracks = dict([*others[:place], (track.object_id, track), *others[place:]])
        self._outputs.bring_back(erased)
        self._share_memory()
        self._draw_live(contested_frames(track, list(self._tracks.values()), erased.masks.frames_done))

    def detach(self, object_id: int) -> tuple[int, ErasedObject]:
        """Take an object and its results out of the session; return its place in the order, and its results."""
        place = list(self._tracks).index(object_id)
        track = self._tracks.pop(object_id)
        erased = self._outputs.take_out(object_id)
        self._share_memory()
        self._draw_live(contested_frames(track, list(self._tracks.values()), erased.masks.frames_done))
        return place, erased

    # Inner workings

    def _known(self, object_id: int) -> ObjectTrack:
        if object_id not in self._tracks:
            known = ", ".join(map(str, self._tracks)) or "none"
            raise ValueError(f"there is no object {object_id}; the session's objects: {known}")
        return self._tracks[object_id]

    def _promptable(self, object_ids: Iterable[int]) -> list[ObjectTrack]:
        wanted = {self._known(check_object_id(i)).object_id for i in object_ids}
        # In the session's order, whatever order they were asked for in: it decides ties between masks.
        tracks = [track for object_id, track in self._tracks.items() if object_id in wanted]
        if not tracks:
            raise ValueError("there is nothing to track: no object has a prompt yet")
        for track in tracks:
            if not track.prompts:
                raise ValueError(f"object {track.object_id} has no prompts: add one, or remove the object")
        return tracks

    def _prompt_at(self, frame: int, object_id: int) -> Prompt | None:
        track = self._tracks.get(object_id)
        return None if track is None else track.prompts.get(frame)

    def _prompt(self, prompt: Prompt) -> FrameResult:
        known = self._tracks.get(prompt.object_id)
        track = known or ObjectTrack(prompt.object_id, MemoryBank(self._rule, spare_bytes=SPARE_BYTES))
        # Whatever can fail comes first, so that a failure leaves everything as it was.
        # The logits of frames tracked long ago are gone; their mask is still in the labels.
        drawn = self._outputs.mask(prompt.frame, track.object_id) if prompt.frame in track.visited else None
        memory = self._tracker.predict_prompt(track, prompt, drawn)
        undo: Edit = DetachObject(track)
        if known is not None:
            undo = RestoreFrame(prompt.object_id, prompt.frame, track.snapshot(prompt.frame))
        self._tracks[prompt.object_id] = track
        self._share_memory()
        track.prompts[prompt.frame] = prompt
        track.staged[prompt.frame] = memory
        track.stale.pop(prompt.frame, None)
        track.mark_downstream_stale(prompt.frame)
        self._history.record(undo)
        self._draw_live([prompt.frame])
        return self._result(prompt.frame, list(self._tracks.values()))

    def _result(self, frame: int, tracks: Sequence[ObjectTrack]) -> FrameResult:
        return frame_result(frame, tracks, config=self.model.config, size=self._frame_size)

    def _draw(self, result: FrameResult) -> None:
        """Write a result into labels and scores; objects in it compete with the others on the frame."""
        live = live_tracks(result.frame, self._tracks.values())
        if len(live) > len(result.object_ids):
            result = self._result(result.frame, live)
        tracks = [self._tracks[object_id] for object_id in result.object_ids]
        self._outputs.write(result, painted_masks(result.frame, tracks))

    def _draw_live(self, frames: Iterable[int]) -> None:
        """Draw the objects again whose masks on some frames are still known as logits."""
        for frame in frames:
            if live := live_tracks(frame, self._tracks.values()):
                self._draw(self._result(frame, live))

    def _redraw(self, frame: int, track: ObjectTrack) -> None:
        if track.result(frame) is None and frame not in track.visited and frame not in track.stale:
            self._outputs.erase(frame, track.object_id)
        self._draw_live([frame])

    def _share_memory(self) -> None:
        # The budget is the session's: a hundred objects must not take a hundred times as much.
        for track in self._tracks.values():
            track.bank.spare_bytes = SPARE_BYTES // len(self._tracks)
