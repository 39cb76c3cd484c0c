"""A session's model parts on the worker: they get what a question needs, and answer it as they would here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.model_parts import make_parts
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory, MemoryBank
from napari_sam2.session.tracking.object_track import ObjectState, ObjectTrack

from .frames_there import FramesThere, KeptFrames, LackingFrameError
from .packing import PackedTensor, pack, unpack_memory, unpack_prompt
from .protocol import KnownThere, Lacking, Question, Refused, Reply, SentTrack, StackThere

# Memories that a worker keeps for a session; the others are sent again when they are needed.
_MEMORY_BYTES = 2**30


class SessionThere:
    """Answers the questions of one session."""

    def __init__(self, model: Sam2, stack: StackThere, kept: KeptFrames) -> None:
        self._model = model
        self._kept = kept
        self._source = FramesThere(stack, kept)
        self._parts = make_parts(model, Stack(self._source, stack.axis), stack.settings)
        # By number, those used last at the end.
        self._memories: OrderedDict[int, FrameMemory] = OrderedDict()
        # What the next question will see, if it is about the frame that is expected.
        self._coming: Callable[[], None] | None = None
        # A long answer that is given in steps.
        self._steps: Generator[float, None, Any] | None = None
        self._answers: dict[str, Callable[..., Any]] = {
            "prepare": self._prepare,
            "look": self._look,
            "branches": self._branches,
            "predict": self._predict,
            "proposals": self._proposals,
            "remembered": self._remembered,
            "candidates": self._candidates,
            "finding": self._finding,
            "go_on": self._go_on,
        }

    @property
    def opened(self) -> KnownThere:
        """What there is already."""
        return KnownThere(self._kept.keys, self._source.sees_file)

    def ask(self, question: Question) -> Reply | Lacking | Refused:
        """Reply a question, or say what is missing for that."""
        self._kept.put(question.pixels)
        self._source.keys.update(question.frames)
        self._memories.update({n: unpack_memory(m, self._model.device) for n, m in question.memories.items()})
        named = {n for t in question.tracks for part in (t.staged, t.conditioning, t.recent) for n in part.values()}
        named |= {number for track in question.tracks for number in track.exemplars}
        if lacking := named - self._memories.keys():
            return Lacking(memories=tuple(sorted(lacking)))
        try:
            tracks = [self._track(sent) for sent in question.tracks]
            value = self._answers[question.method](question, tracks, *question.arguments)
        except LackingFrameError as lack:
            return Lacking(frames=(lack.frame,))
        except Exception as error:  # noqa: BLE001 - raised again where the question was asked
            return Refused(error)
        self._forget(named)
        return Reply(value, self._parts.encoder.frames_encoded)

    def encode_ahead(self) -> None:
        """Encode what the next question is likely to be about."""
        coming, self._coming = self._coming, None
        if coming is not None:
            # Nobody has asked yet: what is missing is said when somebody does.
            with suppress(LackingFrameError):
                coming()

    def _track(self, sent: SentTrack) -> ObjectTrack:
        """The object, as far as an answer depends on it."""
        track = ObjectTrack(sent.object_id, MemoryBank(self._parts.tracker.policy, spare_bytes=0))
        staged, conditioning, recent = (
            {frame: self._memories[number] for frame, number in part.items()}
            for part in (sent.staged, sent.conditioning, sent.recent)
        )
        nothing = np.zeros((self._parts.encoder.stack.height, self._parts.encoder.stack.width), bool)
        absent = {frame: Prompt(frame, sent.object_id, mask=nothing) for frame in sent.absent}
        visited, fills = FrameDirections(sent.visited), FrameDirections(sent.fills)
        exemplars = tuple(self._memories[number] for number in sent.exemplars)
        state = ObjectState(
            sent.object_id, absent, staged, conditioning, recent, visited, fills=fills, exemplars=exemplars
        )
        track.restore(state)
        return track

    def _told(self, question: Question, memories: Iterable[FrameMemory]) -> list[dict[str, Any]]:
        """Pack memories, and keep them by the numbers that they have on the other side."""
        made = list(memories)
        self._memories.update(enumerate(made, question.number))
        return [pack(memory) for memory in made]

    def _forget(self, needed: set[int]) -> None:
        total = sum(memory.nbytes for memory in self._memories.values())
        for number in list(self._memories):
            if total <= _MEMORY_BYTES:
                return
            if number not in needed:
                total -= self._memories.pop(number).nbytes

    # Answers

    def _prepare(self, _question: Question, _tracks: object, frame: int) -> None:
        self._parts.encoder.prepare(frame)

    def _look(self, question: Question, tracks: list[ObjectTrack], frame: int, step: int) -> list[dict[str, Any]]:
        tracker = self._parts.tracker
        found = tracker.look(tracks, frame, step)
        if question.next_frame is not None:
            # The objects are copies: on the other side they are not told yet what was found.
            tracker.take(tracks, found, frame=frame, step=step)
            self._coming = partial(tracker.encode_ahead, tracks, question.next_frame, step)
        return self._told(question, found)

    def _branches(self, question: Question, tracks: list[ObjectTrack], frame: int, step: int) -> list[dict[str, Any]]:
        found = self._parts.tracker.branches(tracks, frame, step)
        return self._told(question, [record for records in found for record in records])

    def _predict(self, question: Question, tracks: list[ObjectTrack], prompt: Any, drawn: Any) -> list[dict[str, Any]]:
        mask = None if drawn is None else drawn.unpack()
        return self._told(question, [self._parts.answerer.predict(tracks[0], unpack_prompt(prompt), mask)])

    def _proposals(self, _question: Question, tracks: list[ObjectTrack], prompt: Any) -> tuple[Any, ...]:
        masks, ious, views = self._parts.answerer.proposals(tracks[0], unpack_prompt(prompt))
        return PackedTensor.of(masks), PackedTensor.of(ious), views

    def _remembered(self, question: Question, tracks: list[ObjectTrack]) -> dict[int, dict[str, Any]]:
        found = self._parts.answerer.remembered(tracks[0])
        return dict(zip(found, self._told(question, found.values()), strict=True))

    def _candidates(self, _question: Question, _tracks: object, frame: int, options: Any) -> tuple[float, Any]:
        return self._begin(self._parts.finder.looking(frame, options), frame)

    def _finding(self, _question: Question, _tracks: object, frame: int, options: Any, like: Any) -> tuple[float, Any]:
        example = None if like is None else (like[0], like[1].unpack())
        return self._begin(self._parts.finder.finding(frame, options, like=example), frame, *(like or ())[:1])

    def _begin(self, steps: Generator[float, None, Any], *frames: int) -> tuple[float, Any]:
        # A frame that is lacking is missed now: a generator that has failed cannot go on.
        for frame in frames:
            self._parts.encoder.stack.read(frame)
        self._steps = steps
        return self._go_on(None, None)

    def _go_on(self, _question: object, _tracks: object) -> tuple[float, Any]:
        """The next step: the share that is done and ``None``, or at the end 1 and what was found."""
        if self._steps is None:
            raise LookupError("nothing is being looked for")
        try:
            return next(self._steps), None
        except StopIteration as end:
            self._steps = None
            return 1.0, end.value

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):
            self._source.close()
