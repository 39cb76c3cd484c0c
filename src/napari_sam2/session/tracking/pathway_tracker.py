"""Tracking on several paths at once, some frames ahead, before the best of them counts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from .frame_tracker import FrameTracker
from .memory.pathways import PathwayMemory
from .memory_bank import FrameMemory, MemoryBank
from .object_track import ObjectTrack
from .run_plan import TrackingRun
from .schedule import Visit

# Visits after which the paths are decided between, so that memory does not grow with the length of the stack.
AHEAD = 64


def window_of(run: TrackingRun) -> tuple[Visit, ...]:
    """The visits that are looked at together with the next one of a run: all go the same way."""
    first = run.done // AHEAD * AHEAD
    step, place, visits = run.visits[run.done].step, run.done - first, run.visits[first : first + AHEAD]
    before = [*takewhile(lambda visit: visit.step == step, reversed(visits[:place]))]
    return (*reversed(before), *takewhile(lambda visit: visit.step == step, visits[place:]))


@dataclass(frozen=True, eq=False)
class _Path:
    """One way to have seen an object: a track with memories of its own."""

    track: ObjectTrack
    score: float = 0.0

    def further(self, frame: int, memory: FrameMemory, score: float) -> _Path:
        track = _fork(self.track, {**self.track.bank.recent, frame: memory})
        return _Path(track, score)


class PathwayTracker:
    """Looks for objects a window of frames ahead, and hands out what the best path saw."""

    def __init__(self, tracker: FrameTracker, policy: PathwayMemory) -> None:
        self._tracker = tracker
        self._policy = policy
        # By object, what the window depends on besides the frames, and what was seen in it.
        self._ahead: dict[int, tuple[object, dict[int, FrameMemory]]] = {}

    def look(self, tracks: Sequence[ObjectTrack], run: TrackingRun) -> list[FrameMemory]:
        """Look for objects on the next frame of a run, those prompted there left out; nothing is changed."""
        window, frame = window_of(run), run.visits[run.done].frame
        return [self._seen(track, window, frame) for track in tracks if frame not in track.bank.conditioning]

    def _seen(self, track: ObjectTrack, window: Sequence[Visit], frame: int) -> FrameMemory:
        step = window[0].step
        # Frames that come from both sides are decided by these.
        if track.fills.going(1):
            return self._tracker.look([track], frame, step)[0]
        frames = tuple(v.frame for v in window if track.object_id in v.object_ids and v.frame in track.span)
        # The window is looked at anew where it begins, and where a prompt has come on the way.
        basis = step, frames, tuple(track.bank.conditioning.items()), track.bank.exemplars
        known = self._ahead.get(track.object_id)
        if known is None or known[0] != basis or frame == _to_see(track, frames)[0]:
            known = self._ahead[track.object_id] = basis, self.explore(track, frames, step)
        return known[1][frame]

    def explore(self, track: ObjectTrack, frames: Sequence[int], step: int) -> dict[int, FrameMemory]:
        """Follow an object on all paths over some frames: by frame, what the best saw."""
        known = {t: memory for t, memory in track.bank.known(track.visited, step).items() if t not in frames}
        paths = [_Path(_fork(track, known))]
        for place, frame in enumerate(_to_see(track, frames)):
            looks = self._tracker.branches([path.track for path in paths], frame, step)
            kept = self._policy.keep([path.score for path in paths], looks)
            # The first frame is seen once; the paths part behind it.
            kept = kept if place else [replace(kept[0], score=0.0)]
            paths = [paths[b.path].further(frame, looks[b.path][b.candidate], b.score) for b in kept]
        best_path = max(paths, key=lambda path: path.score)
        return {t: memory for t, memory in best_path.track.bank.recent.items() if t in frames}


def _to_see(track: ObjectTrack, frames: Sequence[int]) -> list[int]:
    """Frames on which an object is looked for: not where a person has said what is there."""
    return [frame for frame in frames if frame not in track.bank.conditioning and frame not in track.accepted]


def _fork(track: ObjectTrack, recent: dict[int, FrameMemory]) -> ObjectTrack:
    # Memories never change, so paths share those that they have in common; a window's are few enough to keep.
    bank = MemoryBank(track.bank.policy, spare_bytes=sys.maxsize)
    bank.conditioning, bank.exemplars, bank.recent = track.bank.conditioning, track.bank.exemplars, dict(recent)
    return ObjectTrack(track.object_id, bank, track.accepted)
