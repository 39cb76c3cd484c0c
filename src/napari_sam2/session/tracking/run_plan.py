"""A tracking run: the frames and objects it goes over, how far it has come, and how such runs are planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.session.tracking.frame_directions import FrameDirections

from .object_track import ObjectTrack
from .schedule import DIRECTIONS, Visit, outward, schedule, straight


@dataclass(frozen=True, eq=False)
class TrackingRun:
    """A tracking run; read-only, so that recorded states can share it."""

    # All of them, in order.
    visits: tuple[Visit, ...]
    # How many are behind.
    done: int = 0
    # How many there are to do; all where ``None``.
    end: int | None = None

    @property
    def left(self) -> int:
        """How many visits are ahead."""
        return (len(self.visits) if self.end is None else self.end) - self.done

    @property
    def turns(self) -> frozenset[int]:
        """The first frame of each direction."""
        # Reversed, so that of each direction the first visit is the one that stays in the dictionary.
        return frozenset({visit.step: visit.frame for visit in reversed(self.visits)}.values())

    @property
    def object_ids(self) -> list[int]:
        """All objects that take part, rising."""
        return sorted({object_id for visit in self.visits for object_id in visit.object_ids})

    def further(self) -> TrackingRun:
        """The run after one more visit."""
        return replace(self, done=self.done + 1)


def pass_visits(
    tracks: Sequence[ObjectTrack],
    direction: str,
    *,
    start: int | None,
    max_frames: int | None,
    within: tuple[int, int] | None,
    num_frames: int,
) -> list[Visit]:
    """Plan a pass; see `Session.propagate`."""
    # Everything is checked before the first frame is tracked: the caller gets the error at once, not from the iterator.
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(DIRECTIONS)}, got {direction!r}")
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, got {max_frames}")
    first, last = (0, num_frames - 1) if within is None else (check_frame(frame, num_frames) for frame in within)
    if within is not None and start is not None and not first <= start <= last:
        raise ValueError(f"tracking within frames {first} to {last} cannot start at frame {start}")
    # Outward: every object has a plan of its own, from its own first prompt.
    reach = num_frames if max_frames is None else max_frames
    if direction == "outward":
        if start is not None:
            raise ValueError(f"outward tracking starts at each object's first prompt: leave out start={start}")
        plans = {t.object_id: outward(t.first_prompt, reach=reach, num_frames=num_frames) for t in tracks}
        return [visit for visit in _schedule(tracks, plans) if first <= visit.frame <= last]
    # Otherwise all objects share one plan, as in the reference, from the prompt at the end where the pass begins.
    prompted = [frame for track in tracks for frame in track.prompts or (track.first_prompt,)]
    if start is None:
        start = max(prompted) if direction == "backward" else min(prompted)
    plan = straight(check_frame(start, num_frames), direction, reach=reach, num_frames=num_frames)
    visits = _schedule(tracks, {track.object_id: plan for track in tracks})
    return [visit for visit in visits if first <= visit.frame <= last]


def _schedule(tracks: Iterable[ObjectTrack], plans: Mapping[int, Mapping[int, int]]) -> list[Visit]:
    """Schedule plans of objects, each only where it is there: not before it is born, nor after its end."""
    spans = {track.object_id: track.span for track in tracks}
    return schedule({i: {t: step for t, step in plan.items() if t in spans[i]} for i, plan in plans.items()})


def update_plans(
    wanted: Iterable[ObjectTrack], tracks: Iterable[ObjectTrack], *, num_frames: int
) -> dict[int, FrameDirections]:
    """By object, the frames that `Session.update` would track, with their directions; ``tracks``: all there are."""
    # A new object is tracked over the frames on which the others have results.
    covered = np.zeros(num_frames, bool)
    for track in tracks:
        covered |= track.visited.array(num_frames) != 0
    return {track.object_id: _update_plan(track, covered) for track in wanted}


def _update_plan(track: ObjectTrack, covered: NDArray[np.bool_]) -> FrameDirections:
    # An object that was tracked before only needs what edits have made out of date.
    if track.visited or not track.is_known:
        return track.stale
    # A new one goes both ways from its first prompt.
    outwards = np.where(np.arange(len(covered)) >= track.first_prompt, 1, -1)
    plan = FrameDirections.of(outwards * covered).only(track.span)
    # Where an earlier, interrupted update has left a direction, that one counts.
    plan.merge(track.stale)
    return plan
