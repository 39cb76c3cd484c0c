"""The state of a session that results from all events of its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.object_track import DIRECTIONS
from napari_sam2.storage.folder.fields import Numbered, SpanOfLife
from napari_sam2.storage.folder.frame_schema import FrameRecord, first_error
from napari_sam2.storage.folder.journal import read_journal
from napari_sam2.storage.folder.schema import (
    DirectionChanges,
    EditRecord,
    Event,
    MemoryRecord,
    PromptRecord,
    RestoreFrameRecord,
    StepRecord,
    TrackRecord,
    VisitSpan,
)


@dataclass
class SavedTrack:
    """What the journal holds of an object; see `TrackRecord`."""

    object: int | None = None
    prompts: Numbered = ()
    staged: Numbered = ()
    conditioning: Numbered = ()
    recent: Numbered = ()
    exemplars: Numbered = ()
    visited: FrameDirections = field(default_factory=FrameDirections)
    stale: FrameDirections = field(default_factory=FrameDirections)
    fills: FrameDirections = field(default_factory=FrameDirections)
    span: SpanOfLife = ()
    refused: tuple[tuple[int, ...], ...] = ()
    class_name: str = ""
    version: int = 0

    def add(self, record: TrackRecord) -> None:
        """Apply the changes of a later event."""
        # Tables are replaced as a whole; directions, which grow frame by frame, are changed in place.
        for key in record.model_fields_set - {*DIRECTIONS}:
            setattr(self, key, getattr(record, key))
        for name in DIRECTIONS:
            directions: FrameDirections = getattr(self, name)
            changes: DirectionChanges | None = getattr(record, name)
            if changes is not None:
                for frame in changes.drop:
                    directions.pop(frame, None)
                directions.merge(FrameDirections.from_spans(changes.put))


@dataclass
class SavedState:
    """What the journal holds of a session; fields as in `Event`, and in `problems` what could not be read."""

    tracks: dict[int, SavedTrack] = field(default_factory=dict)
    steps: dict[int, StepRecord] = field(default_factory=dict)
    # In formats 1 and 2, in place of steps.
    edits: dict[int, EditRecord] = field(default_factory=dict)
    prompts: dict[int, PromptRecord] = field(default_factory=dict)
    memories: dict[int, MemoryRecord] = field(default_factory=dict)
    frames: dict[int, FrameRecord] = field(default_factory=dict)
    objects: tuple[int, ...] = ()
    undos: tuple[int, ...] = ()
    redos: tuple[int, ...] = ()
    window: tuple[float, float] | None = None
    dtype: str = "uint16"
    run: tuple[VisitSpan, ...] | None = None
    done: int = 0
    remembered: int | None = None
    problems: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, journal: Path) -> SavedState:
        """Read a journal to its end; damaged lines are left out and reported."""
        state = cls()
        try:
            for line in read_journal(journal):
                if isinstance(line, str):
                    state.problems.append(line)
                else:
                    state._read_event(line, journal.name)
        except (ValueError, OSError) as error:
            state.problems.append(f"results and prompts are lost: {error}")
        return state

    def _read_event(self, line: bytes, name: str) -> None:
        try:
            event = Event.model_validate_json(line, context=self.problems)
        except ValidationError as error:
            self.problems.append(f"an entry of {name} is damaged: {first_error(error)}")
            return
        for unknown in sorted(event.model_extra or {}):
            self.problems.append(f"{name} says {unknown[:40]!r}, which this version does not know; it is left out")
        self._add(event)

    def _add(self, event: Event) -> None:
        # Before this event's own frames are added.
        if event.cleared:
            self.frames.clear()
        self.prompts |= {number: prompt for number, prompt in event.prompts.items() if prompt}
        self.memories |= {number: memory for number, memory in event.memories.items() if memory}
        self.edits |= {number: edit for number, edit in event.edits.items() if edit}
        self.frames |= {number: frame for number, frame in event.frames.items() if frame}
        for number, step in event.steps.items():
            self._add_step(number, step)
        for number in event.forgotten:
            self.memories.pop(number, None)
        for number, track in event.tracks.items():
            if track is not None:
                self.tracks.setdefault(number, SavedTrack()).add(track)
        # Only what the event sets: all else is as it was.
        changed = event.model_fields_set
        for key in changed & {"objects", "undos", "redos", "window", "dtype", "run", "done", "remembered"}:
            setattr(self, key, getattr(event, key))
        # Numbers that may still be referred to are kept, all others go, so that a long history takes no more than a
        # short one.
        if changed & {"undos", "redos", "objects"}:
            self._forget()

    def _add_step(self, number: int, step: StepRecord | None) -> None:
        if step is None:
            # A step of which a part is missing cannot be undone.
            self.steps.pop(number, None)
            return
        known = self.steps.get(number, StepRecord(frames={}))
        changed = {key: getattr(step, key) for key in step.model_fields_set}
        # In place, as a run over a long stack adds one frame at a time.
        known.frames.update(changed.pop("frames", {}))
        self.steps[number] = known.model_copy(update=changed)

    def _forget(self) -> None:
        """Drop steps and objects that nothing refers to any more."""
        self.steps = {number: step for number, step in self.steps.items() if number in {*self.undos, *self.redos}}
        self.edits = {number: edit for number, edit in self.edits.items() if number in {*self.undos, *self.redos}}
        used = {*self.objects}
        used |= {edit.track for edit in self.edits.values() if not isinstance(edit, RestoreFrameRecord) and edit.track}
        self.tracks = {number: track for number, track in self.tracks.items() if number in used}
