"""One session's connection to its worker: frames and memories are sent once and known there afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol
from weakref import WeakKeyDictionary, finalize

import torch
from numpy.typing import NDArray

from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectTrack

from .line import ClusterError, Line
from .packing import PackedArray, pack, unpack_memory
from .protocol import Lacking, Question, Reply, SentTrack, StackThere, frame_key

# A worker may forget something once, and again what it was sent for that.
_TRIES = 4
_HERE = torch.device("cpu")


class FramesHere(Protocol):
    """The frames of a session, on this side."""

    # How many of them the worker has encoded.
    frames_encoded: int

    @property
    def stack_there(self) -> StackThere:
        """The stack, as the worker has to know it."""

    def pixels(self, frame: int) -> NDArray[Any]:
        """Read a frame, as the stack has it."""


class SessionLine:
    """Asks the worker for one session; frames and memories go there once, and again where it has lost them."""

    def __init__(self, line: Line, frames: FramesHere) -> None:
        self.line = line
        self._frames = frames
        self._name = uuid.uuid4().hex
        # The line that the session was opened on, 0 for none.
        self._epoch = 0
        # By frame, its key; the keys that are there, and whether the worker reads the file itself.
        self._keys: dict[int, str] = {}
        self._there: set[str] = set()
        self._sees_file = False
        # Memories never change: each has a number, on both sides. Those that are there:
        self._numbers: WeakKeyDictionary[FrameMemory, int] = WeakKeyDictionary()
        self._next = 0
        self._known: set[int] = set()
        # What the worker has of the session goes when another is opened there.
        finalize(self, line.forgotten.append, self._name)

    def ask(
        self,
        method: str,
        *arguments: Any,
        frames: Iterable[int] = (),
        tracks: Sequence[ObjectTrack] = (),
        next_frame: int | None = None,
    ) -> Any:
        """Have something computed.

        ``frames``: that it takes. ``tracks``: the objects, of which it takes what concerns these frames.
        ``next_frame``: one of the frames, which is likely to be asked about next.
        """
        frames = list(frames)
        for _ in range(_TRIES):
            self._open()
            question = replace(self._question(method, arguments, frames, tracks), next_frame=next_frame)
            answer = self.line.call("ask", self._name, question)
            if isinstance(answer, Reply):
                self._there |= question.pixels.keys()
                self._known |= question.memories.keys()
                self._frames.frames_encoded = answer.frames_encoded
                return answer.value
            self._lose(answer)
            frames += [frame for frame in answer.frames if frame not in frames]
        raise ClusterError(f"the worker at {self.line.address} forgets what it is sent: it may be short of memory")

    def memories(self, packed: Iterable[dict[str, Any]]) -> list[FrameMemory]:
        """Unpack the memories of the last answer; the worker has them, too."""
        made = [unpack_memory(one, _HERE) for one in packed]
        for number, memory in enumerate(made, self._next):
            self._numbers[memory] = number
            self._known.add(number)
        self._next += len(made)
        return made

    def _open(self) -> None:
        self.line.connect()
        if self._epoch == self.line.epoch:
            return
        forgotten, self.line.forgotten[:] = tuple(self.line.forgotten), []
        opened = self.line.call("open", self._name, self._frames.stack_there, forgotten)
        self._epoch, self._there, self._known = self.line.epoch, set(opened.frames), set()
        self._sees_file = opened.sees_file

    def _question(
        self, method: str, arguments: tuple[Any, ...], frames: Sequence[int], tracks: Sequence[ObjectTrack]
    ) -> Question:
        keys = {frame: self._key(frame) for frame in frames}
        pixels = {
            key: PackedArray.of(self._frames.pixels(frame))
            for frame, key in keys.items()
            if key not in self._there and not self._sees_file
        }
        tables = [(track, (track.staged, track.bank.conditioning, track.bank.recent)) for track in tracks]
        memories = {self._number(m): m for _, parts in tables for part in parts for m in part.values()}
        memories |= {self._number(m): m for track in tracks for m in track.bank.exemplars}
        sent = tuple(self._sent(track, parts, frames) for track, parts in tables)
        unknown = {number: pack(m) for number, m in memories.items() if number not in self._known}
        return Question(method, sent, arguments, keys, pixels, unknown, self._next)

    def _sent(self, track: ObjectTrack, parts: Sequence[dict[int, FrameMemory]], frames: Iterable[int]) -> SentTrack:
        staged, conditioning, recent = ({t: self._number(m) for t, m in part.items()} for part in parts)
        there = list(frames)
        return SentTrack(
            track.object_id,
            staged,
            conditioning,
            recent,
            visited={t: track.visited[t] for t in (*there, *recent) if t in track.visited},
            fills={t: track.fills[t] for t in there if t in track.fills},
            absent=tuple(t for t in there if t in track.prompts and track.prompts[t].says_absent),
            exemplars=tuple(self._number(m) for m in track.bank.exemplars),
        )

    def _key(self, frame: int) -> str:
        if frame not in self._keys:
            self._keys[frame] = frame_key(self._frames.pixels(frame))
        return self._keys[frame]

    def _number(self, memory: FrameMemory) -> int:
        if memory not in self._numbers:
            self._numbers[memory] = self._next
            self._next += 1
        return self._numbers[memory]

    def _lose(self, answer: Lacking) -> None:
        """Note what is not there any more; what the worker cannot read of the file is sent."""
        for frame in answer.frames:
            self._sees_file = False
            self._there.discard(self._keys.get(frame, ""))
        self._known -= {*answer.memories}
