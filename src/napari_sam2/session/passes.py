"""The steps of a tracking run: which objects take part, and the tracking of one frame after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from napari_sam2.data.prompts.prompt import Prompt, check_object_id
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.fill_between import frames_between
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.frame_tracker import FrameTracker
from napari_sam2.session.tracking.memory.pathways import PathwayMemory
from napari_sam2.session.tracking.object_track import ObjectTrack, neighbours
from napari_sam2.session.tracking.pathway_tracker import PathwayTracker, window_of
from napari_sam2.session.tracking.run_plan import TrackingRun, update_plans


class PassTracker:
    """Tracks the objects of a session, visit by visit; the caller draws the results."""

    def __init__(self, objects: SessionObjects, answerer: PromptPredictor, tracker: FrameTracker) -> None:
        self._objects = objects
        self._answerer = answerer
        self._tracker = tracker
        policy = tracker.policy
        self._pathways = PathwayTracker(tracker, policy) if isinstance(policy, PathwayMemory) else None

    def promptable(self, object_ids: Iterable[int] | None = None) -> list[ObjectTrack]:
        """Look up the objects to track, by default all; ``ValueError`` if there are none, or one has no prompts."""
        known = self._objects.tracks
        # Unknown ids are refused before anything is tracked.
        asked = known if object_ids is None else object_ids
        wanted = {self._objects.known(check_object_id(i)).object_id for i in asked}
        # In the session's order, whatever order they were asked for in: it decides ties between masks.
        tracks = [track for object_id, track in known.items() if object_id in wanted]
        if not tracks:
            raise ValueError("there is nothing to track: no object has a prompt yet")
        for track in tracks:
            if not track.is_known:
                raise ValueError(f"object {track.object_id} has no prompts: add one, or remove the object")
        return tracks

    def update_plans(self, tracks: Iterable[ObjectTrack] | None = None) -> dict[int, FrameDirections]:
        """By object, the frames that `Session.update` would track, with their directions; by default of all."""
        known = self._objects.tracks.values()
        return update_plans(known if tracks is None else tracks, known, num_frames=self._tracker.num_frames)

    def between_plans(self, plans: Mapping[int, FrameDirections]) -> dict[int, FrameDirections]:
        """Of the objects of such plans, the frames that `Session.update` would track from both sides."""
        known, num_frames = self._objects.tracks, self._tracker.num_frames
        return {i: frames_between(known[i], plan, num_frames=num_frames) for i, plan in plans.items()}

    def track_next(self, run: TrackingRun, turns: frozenset[int]) -> list[ObjectTrack]:
        """Track the next frame of a run with these turns; return the objects tracked there, if any are left."""
        visit, known = run.visits[run.done], self._objects.tracks
        # Edits made while the run is paused take effect here: staged prompts join, removed and ended objects drop out.
        there = [track for i, track in known.items() if i in visit.object_ids and track.is_known]
        tracks = [track for track in there if visit.frame in track.span]
        # What a person has accepted is passed over.
        for track in tracks:
            if visit.frame in track.accepted:
                track.mark_tracked(visit.frame, visit.step)
        tracks = [track for track in tracks if visit.frame not in track.accepted]
        if tracks:
            # Memories near both ends of the prompts and near the turns of the run are kept: the next run may begin
            # there.
            prompted = [frame for track in known.values() for frame in track.prompts or (track.first_prompt,)]
            starts = {min(prompted), max(prompted), *turns}
            if self._pathways is not None:
                starts.add(window_of(run)[0].frame)
            for track in tracks:
                track.bank.starts = starts
                track.bank.waiting = track.fills.going(1)
                self._stage_accepted(track, visit.frame)
                # Commit may move an answer to another crop, so its frame has to be drawn again.
                self._objects.outdate(self._answerer.commit(track))
            # Objects with the same memories go through the model together; the tracker groups them.
            if self._pathways is None:
                self._tracker.track(tracks, visit.frame, visit.step)
            else:
                seen = self._pathways.look(tracks, run)
                self._tracker.take(tracks, seen, frame=visit.frame, step=visit.step)
        return tracks

    def _stage_accepted(self, track: ObjectTrack, frame: int) -> None:
        """Have the nearest accepted frames on both sides attended to as mask prompts, and no farther ones."""
        nearest = set(neighbours(frame, track.accepted)) - {None}
        for old in [t for t in track.bank.conditioning if t not in track.prompts and t not in nearest]:
            del track.bank.conditioning[old]
        for near in sorted(t for t in nearest if t is not None):
            if near in track.bank.conditioning or near in track.staged:
                continue
            # Its memory is made of the mask that was accepted, when it is first of use.
            drawn = self._objects.outputs.mask(near, track.object_id)
            mask = np.zeros(self._tracker.frame_size, bool) if drawn is None else drawn
            track.staged[near] = self._answerer.predict(track, Prompt(near, track.object_id, mask=mask))
