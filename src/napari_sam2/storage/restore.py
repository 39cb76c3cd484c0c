"""Restoring the objects, results and steps of a session from its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_storage import LabelRuns, PackedFrame
from napari_sam2.session.results.outputs import FrameOutputs
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps.history import Step
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.storage.folder.codec import read_image, read_rows, read_visits
from napari_sam2.storage.folder.frame_schema import FrameRecord

from .earlier_history import EarlierHistory
from .saved_objects import SavedObjects


class Restorer(SavedObjects):
    """Brings a new session to its saved state; damaged parts are left out and named in `problems`."""

    def restore(self) -> None:
        """Restore everything; prompts whose memory is lost are answered anew."""
        self.read_results(self.session.outputs.labels, self.session.outputs.scores)
        # The run comes before the objects: it adds the frames tracked since they were last written.
        run = self.attempt("the tracking run that was under way", self._run)
        objects = self._read_objects(self._object)
        unfinished, untracked = run if run is not None else (None, None)
        # At this point the session has no writer yet, so nothing is saved half restored.
        self.session.restore(SessionState(objects, unfinished, untracked=untracked))
        # Tracking needs a memory for every prompted frame.
        for state in objects:
            whole = [frame for frame, memory in state.conditioning.items() if memory.memory_bchw is not None]
            self.session.answer_again(state.object_id, [t for t in state.prompts if t not in (*whole, *state.staged)])
        if self.saved.edits:
            self.problems += EarlierHistory(self).take_over()
            return
        stacks = []
        for numbers in (self.saved.undos, self.saved.redos):
            steps = self._history(numbers)
            stacks.append(possible(steps, self.session.object_ids))
            # Steps are taken without checks: those that do not fit the objects would fail when the user undoes them.
            if len(stacks[-1]) < len(steps):
                self.problems.append("the undo history does not fit the objects: a part of it is left out")
        self.session.bring_back_history(*stacks)

    def restore_for_another_model(self) -> None:
        """Restore prompts and results for a model that cannot use the memories; all results are then out of date."""
        self.read_results(self.session.outputs.labels, self.session.outputs.scores)
        self.attempt("the tracking run that was under way", self._run)
        # Prompts are answered by the new model; tracked frames keep their labels until `update` tracks them again.
        objects = self._read_objects(self._prompted_object)
        self.session.restore(SessionState(objects))
        for state in objects:
            self.session.answer_again(state.object_id, state.prompts)
        self.session.draw_again(sorted({frame for state in objects for frame in state.prompts}))

    def _read_objects(self, read: Callable[[int], ObjectState]) -> tuple[ObjectState, ...]:
        states = (self.attempt("an object", read, number) for number in self.saved.objects)
        found = {state.object_id: state for state in states if state is not None}
        # The parent of one may be lost.
        orphans = [state for state in found.values() if state.span.parent not in (None, *found)]
        self.problems += [f"the parent of object {state.object_id} is not there" for state in orphans]
        found |= {state.object_id: replace(state, span=replace(state.span, parent=None)) for state in orphans}
        return tuple(found.values())

    def _object(self, number: int) -> ObjectState:
        saved = self.saved.tracks[number]
        if saved.object is None:
            raise ValueError("it has no id")
        return self.state(saved.object, saved)

    def _prompted_object(self, number: int) -> ObjectState:
        saved = self.saved.tracks[number]
        if saved.object is None:
            raise ValueError("it has no id")
        # All tracked frames are out of date, but for those with a prompt, and those that a person accepted.
        prompts, visited = self.prompts_of(saved), self.directions(saved.visited)
        given = {*prompts, *self.session.outputs.scores.accepted(saved.object)}
        stale = FrameDirections({frame: step for frame, step in visited.items() if frame not in given})
        return ObjectState(
            saved.object,
            prompts=prompts,
            visited=visited,
            stale=stale,
            span=self.span_of(saved),
            refused=frozenset(saved.refused),
            class_name=saved.class_name,
        )

    def _history(self, numbers: Iterable[int]) -> list[Step]:
        steps: list[Step] = []
        for number in numbers:
            step = self.attempt("an entry of the undo history", self._step, number)
            # What came before a damaged one cannot be undone any more, as they are undone in turn.
            steps = [] if step is None else [*steps, step]
        return steps

    def _step(self, number: int) -> Step:
        saved = self.saved.steps[number]
        run = None if saved.run is None else TrackingRun(read_visits(saved.run, self.shape[0]), saved.done)
        tracks = {i: None if record is None else self.state_in_step(i, record) for i, record in saved.tracks.items()}
        frames = {check_frame(t, self.shape[0]): self._outputs(t, record) for t, record in saved.frames.items()}
        return Step(saved.name, saved.objects, run, saved.is_run, tracks, frames)

    def _outputs(self, frame: int, saved: FrameRecord) -> FrameOutputs:
        image = None if saved.labels is None else read_image(saved.labels, self.shape[1:])
        packed = None if image is None else PackedFrame.pack(LabelRuns.of(image))
        return FrameOutputs(packed, read_rows(frame, saved))

    def _run(self) -> tuple[TrackingRun | None, TrackingRun | None]:
        """The rest of the last run, and the part of it with results but no memories; ``None`` where there is none."""
        saved = self.saved
        if saved.run is None:
            return None, None
        visits = read_visits(saved.run, self.shape[0])
        # Memories are saved less often than results: of the visits between the two counts only results are there.
        remembered = saved.done if saved.remembered is None else saved.remembered
        if not remembered <= saved.done <= len(visits):
            raise ValueError(f"{saved.done} of {len(visits)} frames are done")
        tracks = [track for number in saved.objects if (track := saved.tracks.get(number)) and track.prompts]
        spans = {track.object: self.span_of(track) for track in tracks}
        # Objects are as old as their memories: their directions are brought up to the results here.
        for visit in visits[remembered : saved.done]:
            for track in tracks:
                if track.object in visit.object_ids and visit.frame in spans[track.object]:
                    track.visited[visit.frame] = visit.step
                    track.stale.pop(visit.frame, None)
        # The session tracks the second part again, not drawn, before it uses memories: `TrackingSession.catch_up`.
        unfinished = TrackingRun(visits, saved.done) if saved.done < len(visits) else None
        return unfinished, TrackingRun(visits, remembered, saved.done) if remembered < saved.done else None


def possible(steps: Sequence[Step], object_ids: Iterable[int]) -> list[Step]:
    """Keep the last steps of a stack that can be taken in turn, starting with the last, from a set of objects."""
    there = set(object_ids)
    # Follow which objects there are; from the first step that does not fit, all others are left out.
    for at in range(len(steps) - 1, -1, -1):
        step = steps[at]
        there |= {object_id for object_id, state in step.tracks.items() if state is not None}
        if not there.issuperset(step.objects) or len(set(step.objects)) < len(step.objects):
            return list(steps[at + 1 :])
        there = set(step.objects)
    return list(steps)
