"""Detection of what has changed in a session since it was last saved, as events for the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.results.outputs import FrameOutputs, SessionOutputs
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps.history import Step
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import DIRECTIONS, ObjectState
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.session.tracking.schedule import Visit
from napari_sam2.storage.folder.codec import image_record, prompt_record, row_fields, visit_spans
from napari_sam2.storage.folder.frame_schema import FrameRecord
from napari_sam2.storage.folder.schema import DirectionChanges, Event, StepRecord, TrackRecord

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

T = TypeVar("T")


class Numbers(Generic[T]):
    """Numbers under which immutable values are saved; two values are the same if they are the same object."""

    def __init__(self) -> None:
        # The value is kept with its number: as long as it is, nothing else has its identity.
        self._known: dict[int, tuple[int, T]] = {}
        # Numbered, but not yet in an event.
        self._fresh: dict[int, T] = {}
        self._last = 0

    def __contains__(self, value: T) -> bool:
        return id(value) in self._known

    def number(self, value: T) -> int:
        """Return the number of a value, a new number for a new value."""
        if id(value) not in self._known:
            self._last += 1
            self._known[id(value)] = self._last, value
            self._fresh[self._last] = value
        return self._known[id(value)][0]

    def numbers(self, values: Mapping[int, T]) -> tuple[tuple[int, int], ...]:
        """Return the numbers of values by frame, in their order: memories are attended to in it."""
        return tuple((frame, self.number(value)) for frame, value in values.items())

    def optional(self, value: T | None) -> int | None:
        """Return the number of a value, if there is one."""
        return None if value is None else self.number(value)

    def take_fresh(self) -> dict[int, T]:
        """Return the values numbered since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def forget_all_but(self, alive: set[int]) -> list[int]:
        """Forget all values but those with these numbers; return the numbers of those forgotten."""
        gone = {key: number for key, (number, _) in self._known.items() if number not in alive}
        for key in gone:
            del self._known[key]
        return list(gone.values())


@dataclass
class _Written:
    """What the journal holds of an object, to find what differs now."""

    # Fields of its record as last written, but for the directions, which are compared by frame.
    fields: dict[str, object] = field(default_factory=dict)
    visited: FrameDirections = field(default_factory=FrameDirections)
    stale: FrameDirections = field(default_factory=FrameDirections)
    fills: FrameDirections = field(default_factory=FrameDirections)
    # Numbers of the prompts and memories that it refers to.
    prompts: set[int] = field(default_factory=set)
    memories: set[int] = field(default_factory=set)


@dataclass
class _WrittenStep:
    """What the journal holds of a step."""

    # Its tracks as last written, by identity and number.
    tracks: Mapping[int, ObjectState | None] | None = None
    n_tracks: int = 0
    # How many of its frames.
    n_frames: int = 0
    # Numbers of the prompts and memories that its tracks refer to.
    uses: list[_Written] = field(default_factory=list)


@dataclass(frozen=True)
class Changes:
    """What to save: an event, new memories by number, and the numbers of memories that nothing refers to any more."""

    event: Event
    memories: dict[int, FrameMemory]
    forgotten: list[int]


class ChangeLog:
    """A record of what was saved of a session; from the session as it is now it makes the event with the difference.

    It changes as soon as an event is made: if the event cannot be written, a new log has to start from the beginning.
    """

    def __init__(self) -> None:
        self._memories: Numbers[FrameMemory] = Numbers()
        self._prompts: Numbers[Prompt] = Numbers()
        self._numbers: Numbers[Step] = Numbers()
        # Objects of the session.
        self._tracks: Numbers[_Written] = Numbers()
        self._objects: dict[int, _Written] = {}
        # By number of a step.
        self._steps: dict[int, _WrittenStep] = {}
        # Fields of events as last written that are plain values.
        self._plain: dict[str, object] = {}
        # Compared by identity: a reset makes new outputs, a new run has new visits.
        self._outputs: SessionOutputs | None = None
        self._visits: tuple[Visit, ...] | None = None

    def continues(self, run: TrackingRun) -> bool:
        """Whether this run is the one saved last, possibly a few visits further."""
        return run.visits is self._visits

    def unwritten_bytes(self, state: SessionState) -> int:
        """Bytes of memories that are not saved yet."""
        memories = (m for track in state.objects for m in (*track.conditioning.values(), *track.recent.values()))
        return sum(memory.nbytes for memory in memories if memory not in self._memories)

    def visit(self, outputs: SessionOutputs, run: TrackingRun, steps: Iterable[Step]) -> Event:
        """Make the event of a run's last visit: labels and scores, now and before, and the number of visits done.

        Objects and directions follow from the visits, and memories are saved less often; see `SessionWriter`.
        """
        event: dict[str, object] = {}
        self._note_frames(event, outputs, outputs.touched)
        self._note_steps(event, steps)
        self._note(event, "done", run.done)
        return Event.model_validate(event)

    def changes(self, session: TrackingSession, state: SessionState, frames: Iterable[int]) -> Changes:
        """Make the event of everything that has changed; labels and scores are written for the given frames only."""
        event: dict[str, object] = {}
        outputs, ids = session.outputs, [track.object_id for track in state.objects]
        # Objects that were removed are forgotten here; if a step brings one back, it is written anew.
        self._objects = {i: self._objects.get(i, _Written()) for i in ids}
        self._tracks.forget_all_but({self._tracks.number(track) for track in self._objects.values()})
        self._note_tracks(event, state)
        self._note(event, "objects", [self._tracks.number(written) for written in self._objects.values()])
        self._note_history(event, *session.history)
        if self._outputs is not outputs:
            # After a reset nothing of the labels and scores before is left.
            event["cleared"] = True
            self._outputs = outputs
        self._note_frames(event, outputs, frames)
        self._note_run(event, state.unfinished)
        # Asking for the window of an untouched session would read frames only to choose it.
        if ids:
            window = session.encoder.window
            self._note(event, "window", None if window is None else (window.low, window.high))
        return self._finish(event)

    def _finish(self, event: dict[str, object]) -> Changes:
        # Prompts and memories are collected while tracks and steps are noted; what none of these uses can be removed.
        uses = [*self._objects.values(), *(use for step in self._steps.values() for use in step.uses)]
        if prompts := self._prompts.take_fresh():
            event["prompts"] = {number: prompt_record(prompt) for number, prompt in prompts.items()}
        self._prompts.forget_all_but(set().union(*(use.prompts for use in uses)))
        memories = self._memories.take_fresh()
        forgotten = self._memories.forget_all_but(set().union(*(use.memories for use in uses)))
        if forgotten:
            event["forgotten"] = forgotten
        return Changes(Event.model_validate(event), memories, forgotten)

    def _note(self, event: dict[str, object], key: str, value: object) -> None:
        if key not in self._plain or self._plain[key] != value:
            event[key] = self._plain[key] = value

    def _note_tracks(self, event: dict[str, object], state: SessionState) -> None:
        tracks = {}
        for track in state.objects:
            written = self._objects[track.object_id]
            if record := self._track(written, track):
                tracks[self._tracks.number(written)] = record
        if tracks:
            event["tracks"] = tracks

    def _track(self, written: _Written, state: ObjectState) -> TrackRecord | None:
        # Compare by number: memories and prompts never change, so equal numbers mean that nothing has.
        tables = {name: getattr(state, name) for name in ("staged", "conditioning", "recent")}
        tables["exemplars"] = dict(enumerate(state.exemplars))
        memories = {name: self._memories.numbers(table) for name, table in tables.items()}
        prompts = self._prompts.numbers(state.prompts)
        written.prompts = {number for _, number in prompts}
        written.memories = {number for pairs in memories.values() for _, number in pairs}
        span = () if state.span == LifeSpan() else astuple(state.span)
        said = {"span": span, "refused": tuple(sorted(state.refused)), "class_name": state.class_name}
        values: dict[str, object] = {"object": state.object_id, "prompts": prompts, **memories, **said}
        # What was never written is as it is where a record says nothing.
        known = {key: field.default for key, field in TrackRecord.model_fields.items()} | written.fields
        changed = {key: value for key, value in values.items() if known[key] != value}
        written.fields |= changed
        # Directions are compared frame by frame: a pass over a long stack adds one frame at a time.
        for name in DIRECTIONS:
            now = getattr(state, name)
            put, drop = now.changes_since(getattr(written, name))
            if put or drop:
                changed[name] = DirectionChanges(put=put.spans(), drop=drop)
            setattr(written, name, now)
        return TrackRecord.model_validate(changed) if changed else None

    def _note_history(self, event: dict[str, object], undos: tuple[Step, ...], redos: tuple[Step, ...]) -> None:
        self._note(event, "undos", [self._numbers.number(step) for step in undos])
        self._note(event, "redos", [self._numbers.number(step) for step in redos])
        self._note_steps(event, (*undos, *redos))
        # Steps beyond the limit of the history, and undone ones that a new step discards, are forgotten with what they
        # use.
        alive = {self._numbers.number(step) for step in (*undos, *redos)}
        self._numbers.forget_all_but(alive)
        self._steps = {number: written for number, written in self._steps.items() if number in alive}

    def _note_steps(self, event: dict[str, object], steps: Iterable[Step]) -> None:
        records = {}
        for step in steps:
            number = self._numbers.number(step)
            if record := self._step(step, is_new=number not in self._steps, number=number):
                records[number] = record
        if records:
            event["steps"] = records

    def _step(self, step: Step, *, number: int, is_new: bool) -> StepRecord | None:
        written, changed = self._steps.setdefault(number, _WrittenStep()), dict[str, object]()
        if is_new:
            changed |= {"name": step.name, "is_run": step.is_run, "objects": step.objects}
            if step.run is not None:
                changed |= {"run": visit_spans(step.run.visits), "done": step.run.done}
        # Tracks are noted before they change, and may be thinned out; frames are added one at a time.
        if written.tracks is not step.tracks or written.n_tracks != len(step.tracks):
            written.uses = [_Written() for state in step.tracks.values() if state is not None]
            uses = iter(written.uses)
            changed["tracks"] = {i: state and self._track(next(uses), state) for i, state in step.tracks.items()}
            written.tracks, written.n_tracks = step.tracks, len(step.tracks)
        if frames := list(islice(step.frames.items(), written.n_frames, None)):
            changed["frames"] = {frame: _frame_record(outputs) for frame, outputs in frames}
            written.n_frames = len(step.frames)
        return StepRecord.model_validate(changed) if changed else None

    def _note_frames(self, event: dict[str, object], outputs: SessionOutputs, frames: Iterable[int]) -> None:
        self._note(event, "dtype", str(outputs.labels.dtype))
        if records := frame_records(outputs, frames):
            event["frames"] = records

    def _note_run(self, event: dict[str, object], run: TrackingRun | None) -> None:
        if run is None:
            self._visits = None
            self._note(event, "run", None)
            return
        # The visits of a run are written once, then only how many of them are done.
        if not self.continues(run):
            self._visits = run.visits
            event["run"] = self._plain["run"] = visit_spans(run.visits)
        self._note(event, "done", run.done)
        self._note(event, "remembered", run.done)


def frame_records(outputs: SessionOutputs, frames: Iterable[int]) -> dict[int, FrameRecord]:
    """Make records of the labels and scores of frames."""
    return {frame: _frame_record(outputs.on_frame(frame)) for frame in sorted(frames)}


def _frame_record(outputs: FrameOutputs) -> FrameRecord:
    labels = None if outputs.labels is None else image_record(outputs.labels)
    return FrameRecord.model_validate({"labels": labels} | row_fields(outputs.rows))
