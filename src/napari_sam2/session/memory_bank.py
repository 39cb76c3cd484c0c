"""What is remembered of an object, and which of it a frame attends to (spec section 3.10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryRule:
    """How far a frame looks back.

    Attributes
    ----------
    num_memories : int
        Spatial memories: one slot for all conditioning frames, the rest for the most recent other frames.
    max_object_pointers : int
        Frames, the current one included, that object pointers are taken from.
    max_conditioning : int or None
        Most conditioning frames attended to, the nearest ones; ``None`` attends to all, as the reference does.
    """

    num_memories: int = 7
    max_object_pointers: int = 16
    max_conditioning: int | None = None

    def __post_init__(self) -> None:
        if self.max_conditioning is not None and self.max_conditioning < 2:
            raise ValueError(f"max_conditioning must be at least 2 or None, got {self.max_conditioning}")

    @property
    def num_recent(self) -> int:
        """Frames other than conditioning frames whose memory map may be attended to."""
        return self.num_memories - 1

    @property
    def reach(self) -> int:
        """How many frames back anything but a conditioning frame can matter."""
        return max(self.num_recent, self.max_object_pointers - 1)


@dataclass(frozen=True)
class MemoryChoice:
    """Which memories a frame attends to, in the order the attention takes them.

    Attributes
    ----------
    spatial : tuple of (frame, slot)
        Memory maps; slot 0 is a conditioning frame, else the number of frames back.
    pointers : tuple of (frame, distance)
        Object pointers and their signed distance along the direction of tracking.
    pointer_span : int
        Distance that the pointers' time code counts as 1.
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]
    pointer_span: int


def nearest_conditioning(frame: int, conditioning: Sequence[int], most: int | None) -> list[int]:
    """Choose conditioning frames: the nearest before, the nearest from here on, then by distance.

    The order of ``conditioning`` is kept.
    """
    if most is None or len(conditioning) <= most:
        return list(conditioning)
    before = [max(t for t in conditioning if t < frame)] if min(conditioning) < frame else []
    after = [min(t for t in conditioning if t >= frame)] if max(conditioning) >= frame else []
    first = before + after
    rest = sorted((t for t in conditioning if t not in first), key=lambda t: abs(t - frame))
    chosen = {*first, *rest[: most - len(first)]}
    return [t for t in conditioning if t in chosen]


def choose_memories(
    frame: int,
    conditioning: Sequence[int],
    *,
    others: Collection[int],
    step: int,
    num_frames: int,
    rule: MemoryRule,
) -> MemoryChoice:
    """Say which memories a frame attends to.

    Parameters
    ----------
    frame : int
        The current frame.
    conditioning : sequence of int
        Frames with a prompt, in the order they were prompted.
    others : collection of int
        Other frames with a memory.
    step : int
        1 when tracking forward, -1 backward.
    num_frames : int
        Frames in the stack: the pointers' time code depends on it in stacks shorter than
        ``rule.max_object_pointers``.
    rule : MemoryRule
        Limits.
    """
    selected = nearest_conditioning(frame, conditioning, rule.max_conditioning)
    recent = (set(others) | set(conditioning)) - set(selected)
    spatial = [(t, 0) for t in selected]
    spatial += [(frame - step * back, back) for back in range(rule.num_recent, 0, -1) if frame - step * back in recent]

    reach = min(num_frames, rule.max_object_pointers)
    # Pointers of conditioning frames that lie ahead are not used, though their memory maps are.
    pointers = [(t, (frame - t) * step) for t in selected if (frame - t) * step >= 0]
    pointers += [(frame - step * back, back) for back in range(1, reach) if frame - step * back in recent]
    return MemoryChoice(tuple(spatial), tuple(pointers), max(reach - 1, 1))
