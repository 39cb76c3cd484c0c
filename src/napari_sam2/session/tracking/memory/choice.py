"""How many memories a frame attends to, and the standard choice of them (spec section 3.10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from napari_sam2.model.sam2 import Sam2


@dataclass(frozen=True)
class MemoryRule:
    """How many earlier frames a frame attends to."""

    # Spatial memories: one slot for all conditioning frames, the rest for the most recent other frames.
    num_memories: int = 7
    # Frames, the current one included, that object pointers are taken from.
    max_object_pointers: int = 16
    # Most conditioning frames attended to, the nearest ones; ``None`` attends to all, as the reference does.
    max_conditioning: int | None = None

    def __post_init__(self) -> None:
        # One before and one after the frame are always attended to, so a smaller number cannot be kept.
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


def memory_rule(model: Sam2) -> MemoryRule:
    """How many earlier frames a frame attends to with this model and its options."""
    config, options = model.config, model.options
    # The model has one slot more than it has recent frames: that of the conditioning frames.
    recent = config.num_memories - 1
    if options.recent_memories is not None:
        recent = min(recent, options.recent_memories)
    # Without a limit everything is to be attended to, as the reference does.
    most = options.max_conditioning
    if most is not None and config.learned_conditioning is not None:
        most = min(most, config.learned_conditioning)
    return MemoryRule(recent + 1, config.max_object_pointers, most)


@dataclass(frozen=True)
class MemoryChoice:
    """Which memories a frame attends to, in the order the attention takes them."""

    # Memory maps; slot 0 is a conditioning frame, else the number of frames back, or the rank among those that count.
    spatial: tuple[tuple[int, int], ...]
    # Object pointers and their signed distance along the direction of tracking.
    pointers: tuple[tuple[int, int], ...]
    # Distance that the pointers' time code counts as 1.
    pointer_span: int

    @property
    def layout(self) -> MemoryChoice:
        """The same without the frames in the slots of recent ones: objects that share it fit into one batch."""
        spatial = tuple((-1 if slot else t, slot) for t, slot in self.spatial)
        return replace(self, spatial=spatial, pointers=tuple((-1, distance) for _, distance in self.pointers))


def nearest_conditioning(frame: int, conditioning: Sequence[int], most: int | None) -> list[int]:
    """Choose conditioning frames: the nearest before, the nearest from here on, then by distance.

    The order of ``conditioning`` is kept.
    """
    if most is None or len(conditioning) <= most:
        return list(conditioning)
    # One on each side comes first, as in the reference: an object is then held from both ends of a gap between prompts.
    before = [max(t for t in conditioning if t < frame)] if min(conditioning) < frame else []
    after = [min(t for t in conditioning if t >= frame)] if max(conditioning) >= frame else []
    first = before + after
    # The remaining places go to the nearest frames on either side; ties go to the one committed first.
    rest = sorted((t for t in conditioning if t not in first), key=lambda t: abs(t - frame))
    chosen = {*first, *rest[: most - len(first)]}
    # Attention sums in this order; another order would change the last bits of the result.
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
    """Choose the memories that a frame attends to as the reference does.

    ``num_frames``: frames in the stack: the pointers' time code depends on it in stacks shorter than
    ``rule.max_object_pointers``.
    """
    selected = nearest_conditioning(frame, conditioning, rule.max_conditioning)
    # A conditioning frame that was not chosen may still be attended to as an ordinary recent frame.
    recent = (set(others) | set(conditioning)) - set(selected)
    ranked = {back: frame - step * back for back in range(1, rule.reach + 1) if frame - step * back in recent}
    return ranked_choice(frame, selected, ranked, step=step, num_frames=num_frames, rule=rule)


def ranked_choice(
    frame: int, selected: Sequence[int], ranked: Mapping[int, int], *, step: int, num_frames: int, rule: MemoryRule
) -> MemoryChoice:
    """Lay out conditioning frames and recent ones, which are given by their rank from 1, the nearest."""
    # Memory maps: all chosen conditioning frames in slot 0, then the recent ones, the farthest first, as in the
    # reference.
    spatial = [(t, 0) for t in selected]
    spatial += [(ranked[rank], rank) for rank in range(rule.num_recent, 0, -1) if rank in ranked]
    # Object pointers are small, so they reach farther back than the maps. Those of conditioning frames that lie ahead
    # are not used, though their memory maps are.
    reach = min(num_frames, rule.max_object_pointers)
    pointers = [(t, (frame - t) * step) for t in selected if (frame - t) * step >= 0]
    pointers += [(ranked[rank], rank) for rank in range(1, reach) if rank in ranked]
    return MemoryChoice(tuple(spatial), tuple(pointers), max(reach - 1, 1))
