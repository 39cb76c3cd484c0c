"""The order of frames in a tracking run, and the objects tracked on each; pure functions of frame numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Steps of each direction that a user can name, in the order in which they are gone through.
DIRECTIONS: dict[str, tuple[int, ...]] = {
    "forward": (1,),
    "backward": (-1,),
    "both": (1, -1),
    "outward": (1, -1),
}
# What runs in each direction are called where they can be undone.
RUN_NAMES = {
    "forward": "Track forward",
    "backward": "Track back",
    "both": "Track both ways",
    "outward": "Track both ways",
}


@dataclass(frozen=True)
class Visit:
    """One frame of a pass."""

    # Index of the frame.
    frame: int
    # 1 when the pass goes forward, -1 backward.
    step: int
    # Who is tracked there.
    object_ids: tuple[int, ...]


def straight(start: int, direction: str, *, reach: int, num_frames: int) -> dict[int, int]:
    """Step by frame of a pass from ``start`` over at most ``reach`` frames each way; the start is visited once."""
    plan: dict[int, int] = {}
    for step in DIRECTIONS[direction]:
        end = min(start + reach, num_frames) if step > 0 else max(start - reach, -1)
        # Going back does not track the start again: its result from the way forward stands.
        plan |= {frame: step for frame in range(start, end, step) if frame not in plan}
    return plan


def outward(first: int, *, reach: int, num_frames: int) -> dict[int, int]:
    """Step by frame for an object tracked both ways from its first prompt."""
    frames = range(max(first - reach + 1, 0), min(first + reach, num_frames))
    return {frame: 1 if frame >= first else -1 for frame in frames}


def schedule(plans: Mapping[int, Mapping[int, int]]) -> list[Visit]:
    """Merge the objects' plans, so that a frame is visited once a direction: all forward visits, then all backward."""
    visits = []
    # A frame with several objects is visited once, so that its image is read and encoded once for all of them.
    for step in (1, -1):
        frames = sorted({frame for plan in plans.values() for frame, way in plan.items() if way == step})
        # Backward visits go from the last frame to the first.
        for frame in frames[::step]:
            due = tuple(object_id for object_id, plan in plans.items() if plan.get(frame) == step)
            visits.append(Visit(frame, step, due))
    return visits
