"""What has changed in a session since it was last written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.history import AttachObject, DetachObject, Edit, RestoreFrame
from napari_sam2.session.results.outputs import ErasedObject, SessionOutputs
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import FrameState, ObjectTrack
from napari_sam2.session.tracking.schedule import Visit

from .codec import encode_image, encode_prompt, encode_row, encode_visits

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

T = TypeVar("T")


class Numbers(Generic[T]):
    """Numbers for values that never change and are told apart by identity."""

    def __init__(self) -> None:
        # The value is kept with its number: as long as it is, nothing else has its identity.
        self._known: dict[int, tuple[int, T]] = {}
        self._fresh: list[tuple[int, T]] = []
        self._last = 0

    def number(self, value: T) -> int:
        """Number a value, a new one if it is new."""
        if id(value) not in self._known:
            self._last += 1
            self._known[id(value)] = self._last, value
            self._fresh.append((self._last, value))
        return self._known[id(value)][0]

    def optional(self, value: T | None) -> int | None:
        """Number a value, if there is one."""
        return None if value is None else self.number(value)

    def take_fresh(self) -> list[tuple[int, T]]:
        """Return values numbered since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def forget_all_but(self, alive: set[int]) -> list[int]:
        """Forget values that are of no use any more; return their numbers."""
        gone = [(key, number) for key, (number, _) in self._known.items() if number not in alive]
        for key, _ in gone:
            del self._known[key]
        return [number for _, number in gone]


@dataclass
class _TrackNotes:
    """What was written down of an object."""

    lists: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ways: dict[str, dict[int, int]] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class Changes:
    """What to write down.

    Attributes
    ----------
    event : dict
        As JSON. Memories are missing: where they lie is for the writer to say.
    memories : list of (int, FrameMemory)
        New ones, by number.
    forgotten : list of int
        Numbers of memories that nothing refers to any more.
    """

    event: dict[str, Any]
    memories: list[tuple[int, FrameMemory]]
    forgotten: list[int]


class Notes:
    """What was written down of a session, to tell what has changed since."""

    def __init__(self) -> None:
        self._memories: Numbers[FrameMemory] = Numbers()
        self._prompts: Numbers[Prompt] = Numbers()
        self._tracks: Numbers[ObjectTrack] = Numbers()
        self._edits: Numbers[Edit] = Numbers()
        self._track_notes: dict[int, _TrackNotes] = {}
        self._edit_uses: dict[int, tuple[set[int], set[int]]] = {}
        self._plain: dict[str, Any] = {}
        self._outputs: SessionOutputs | None = None
        self._visits: tuple[Visit, ...] | None = None

    def changes(self, session: TrackingSession, frames: Iterable[int]) -> Changes:
        """Note what has changed.

        Parameters
        ----------
        session : TrackingSession
            Not changed.
        frames : iterable of int
            Frames whose labels and rows are to be written down.
        """
        event: dict[str, Any] = {}
        history = session._history
        edits = (*history.undos, *history.redos)
        objects = list(session._objects.tracks.values())
        tracks = {id(track): track for track in (*objects, *_tracks_of(edits))}
        numbers = {self._tracks.number(track): track for track in tracks.values()}
        if changed := {n: said for n, track in numbers.items() if (said := self._track(n, track))}:
            event["tracks"] = changed
        self._note(event, "objects", [self._tracks.number(track) for track in objects])
        self._note(event, "undos", [self._edits.number(edit) for edit in history.undos])
        self._note(event, "redos", [self._edits.number(edit) for edit in history.redos])
        if fresh := self._edits.take_fresh():
            event["edits"] = {number: self._edit(number, edit) for number, edit in fresh}
        self._about_outputs(event, session, frames)
        self._about_run(event, session)
        if objects:
            window = session.encoder.window
            self._note(event, "window", None if window is None else [window.low, window.high])
        return self._finish(event, set(numbers))

    def _finish(self, event: dict[str, Any], tracks: set[int]) -> Changes:
        edits = {*self._plain["undos"], *self._plain["redos"]}
        self._edits.forget_all_but(edits)
        self._tracks.forget_all_but(tracks)
        self._tracks.take_fresh()
        self._track_notes = {n: notes for n, notes in self._track_notes.items() if n in tracks}
        self._edit_uses = {n: uses for n, uses in self._edit_uses.items() if n in edits}
        if prompts := self._prompts.take_fresh():
            event["prompts"] = {number: encode_prompt(prompt) for number, prompt in prompts}
        lists = [(name, pairs) for notes in self._track_notes.values() for name, pairs in notes.lists.items()]
        alive_prompts = {n for name, pairs in lists if name == "prompts" for _, n in pairs}
        alive_memories = {n for name, pairs in lists if name != "prompts" for _, n in pairs}
        for prompt_uses, memory_uses in self._edit_uses.values():
            alive_prompts |= prompt_uses
            alive_memories |= memory_uses
        self._prompts.forget_all_but(alive_prompts)
        memories = self._memories.take_fresh()
        return Changes(event, memories, self._memories.forget_all_but(alive_memories))

    def _note(self, event: dict[str, Any], key: str, value: Any) -> None:
        if key not in self._plain or self._plain[key] != value:
            event[key] = self._plain[key] = value

    def _track(self, number: int, track: ObjectTrack) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if number not in self._track_notes:
            said["object"] = track.object_id
        notes = self._track_notes.setdefault(number, _TrackNotes())
        # In their order, which decides what is attended to first.
        lists = {
            "prompts": [(frame, self._prompts.number(prompt)) for frame, prompt in track.prompts.items()],
            "staged": self._numbered(track.staged),
            "conditioning": self._numbered(track.bank.conditioning),
            "recent": self._numbered(track.bank.recent),
        }
        said |= {name: pairs for name, pairs in lists.items() if notes.lists.get(name, []) != pairs}
        notes.lists = lists
        for name, way in (("visited", track.visited), ("stale", track.stale)):
            before = notes.ways.get(name, {})
            if before != way:
                put = [[frame, step] for frame, step in way.items() if before.get(frame) != step]
                said[name] = {"put": put, "drop": list(before.keys() - way.keys())}
                notes.ways[name] = dict(way)
        if notes.version != track.version:
            said["version"] = notes.version = track.version
        return said

    def _numbered(self, memories: Mapping[int, FrameMemory]) -> list[tuple[int, int]]:
        return [(frame, self._memories.number(memory)) for frame, memory in memories.items()]

    def _edit(self, number: int, edit: Edit) -> dict[str, Any]:
        if isinstance(edit, RestoreFrame):
            state = self._state(edit.state)
            memories = {state[key] for key in ("staged", "conditioning", "recent")} - {None}
            self._edit_uses[number] = {state["prompt"]} - {None}, memories
            return {"kind": "frame", "object": edit.object_id, "frame": edit.frame, "state": state}
        if isinstance(edit, AttachObject):
            erased = _encode_erased(edit.erased)
            return {"kind": "attach", "track": self._tracks.number(edit.track), "place": edit.place, "erased": erased}
        if isinstance(edit, DetachObject):
            return {"kind": "detach", "track": self._tracks.number(edit.track)}
        raise TypeError(f"an edit of type {type(edit).__name__} cannot be written down")

    def _state(self, state: FrameState) -> dict[str, Any]:
        return {
            "prompt": self._prompts.optional(state.prompt),
            "staged": self._memories.optional(state.staged),
            "conditioning": self._memories.optional(state.conditioning),
            "recent": self._memories.optional(state.recent),
            "visited": state.visited,
            "stale": list(state.stale.items()),
            "version": state.version,
        }

    def _about_outputs(self, event: dict[str, Any], session: TrackingSession, frames: Iterable[int]) -> None:
        outputs = session.outputs
        if self._outputs is not outputs:
            # After a reset nothing of before is left.
            event["cleared"] = True
            self._outputs = outputs
        self._note(event, "dtype", str(outputs.labels.dtype))
        if said := encode_frames(outputs, frames, session.object_ids):
            event["frames"] = said

    def _about_run(self, event: dict[str, Any], session: TrackingSession) -> None:
        run = session._unfinished
        if run is None:
            self._visits = None
            self._note(event, "run", None)
        elif run.visits is not self._visits:
            self._visits = run.visits
            self._note(event, "run", encode_visits(run.visits))
            event["done"] = self._plain["done"] = run.done
        else:
            self._note(event, "done", run.done)


def encode_frames(outputs: SessionOutputs, frames: Iterable[int], object_ids: Iterable[int]) -> dict[int, Any]:
    """Give labels and rows of frames as JSON, ``None`` for labels that were never set."""
    set_frames, ids = set(outputs.labels.frames_done), list(object_ids)
    said = {}
    for frame in sorted(frames):
        rows = [row for i in ids if (row := outputs.scores.get(frame, i)) is not None]
        labels = encode_image(outputs.labels[frame]) if frame in set_frames else None
        said[frame] = {"labels": labels, "rows": [encode_row(row) for row in rows]}
    return said


def _encode_erased(erased: ErasedObject) -> dict[str, Any]:
    return {
        "masks": {frame: encode_image(erased.masks[frame]) for frame in erased.masks.frames_done},
        "rows": [[row.frame, *encode_row(row)] for row in erased.rows],
    }


def _tracks_of(edits: Iterable[Edit]) -> list[ObjectTrack]:
    return [edit.track for edit in edits if isinstance(edit, AttachObject | DetachObject)]
