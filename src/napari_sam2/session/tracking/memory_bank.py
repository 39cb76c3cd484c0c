"""The memories kept of one object, and the choice of those that a frame attends to (spec section 3.10)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from napari_sam2.session.zoom.crop import Crop, ObjectLocation


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


@dataclass(frozen=True)
class MemoryChoice:
    """Which memories a frame attends to, in the order the attention takes them."""

    # Memory maps; slot 0 is a conditioning frame, else the number of frames back.
    spatial: tuple[tuple[int, int], ...]
    # Object pointers and their signed distance along the direction of tracking.
    pointers: tuple[tuple[int, int], ...]
    # Distance that the pointers' time code counts as 1.
    pointer_span: int


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
    """Choose the memories that a frame attends to.

    ``num_frames``: frames in the stack: the pointers' time code depends on it in stacks shorter than
    ``rule.max_object_pointers``.
    """
    # Memory maps: all chosen conditioning frames in slot 0, then the frames just passed in the direction of tracking,
    # the farthest first, as in the reference.
    selected = nearest_conditioning(frame, conditioning, rule.max_conditioning)
    # A conditioning frame that was not chosen may still be attended to as an ordinary recent frame.
    recent = (set(others) | set(conditioning)) - set(selected)
    spatial = [(t, 0) for t in selected]
    spatial += [(frame - step * back, back) for back in range(rule.num_recent, 0, -1) if frame - step * back in recent]

    # Object pointers are small, so they reach farther back than the maps.
    reach = min(num_frames, rule.max_object_pointers)
    # Pointers of conditioning frames that lie ahead are not used, though their memory maps are.
    pointers = [(t, (frame - t) * step) for t in selected if (frame - t) * step >= 0]
    pointers += [(frame - step * back, back) for back in range(1, reach) if frame - step * back in recent]
    return MemoryChoice(tuple(spatial), tuple(pointers), max(reach - 1, 1))


@dataclass(frozen=True)
class FrameMemory:
    """What is kept of one object on one frame."""

    # (1, h, w) float32 mask logits, holes filled; ``None`` once only the pointer is kept.
    low_res_bhw: Tensor | None
    # (1, channels) object pointer.
    pointer_bc: Tensor
    # Logit of the probability that the object is visible; its mask is empty where this is not positive.
    object_score_logit: float
    # IoU with the true mask that the model expects, 0..1.
    iou: float
    # (1, memory_dim, h, w); ``None`` before it is encoded, and once only the pointer is kept.
    memory_bchw: Tensor | None = None
    # The part of the frame that the maps cover; ``None`` for all of it.
    view: Crop | None = None
    # Location of the object, or of the search for it while it is hidden; ``None`` without zoom.
    place: ObjectLocation | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        tensors = (self.low_res_bhw, self.pointer_bc, self.memory_bchw)
        return sum(t.numel() * t.element_size() for t in tensors if t is not None)

    @property
    def logits_bhw(self) -> Tensor:
        """The mask logits, where the caller knows that they are kept."""
        if self.low_res_bhw is None:
            raise LookupError("the mask logits of this frame are no longer kept")
        return self.low_res_bhw

    @property
    def map_bchw(self) -> Tensor:
        """The memory map, where the caller knows that it is kept."""
        if self.memory_bchw is None:
            raise LookupError("the memory map of this frame is not encoded yet, or no longer kept")
        return self.memory_bchw

    def thin(self) -> FrameMemory:
        """Keep the pointer and the scores only."""
        return replace(self, low_res_bhw=None, memory_bchw=None)


class MemoryBank:
    """The memories of one object: all conditioning frames, and of the others what a frame may still attend to.

    ``spare_bytes``: beyond what has to be kept, the most recent memories stay as long as they fit into this many bytes,
    so that clicking on a frame tracked lately sees what the reference would see.
    """

    def __init__(self, rule: MemoryRule, *, spare_bytes: int) -> None:
        self.rule = rule
        self.spare_bytes = spare_bytes
        # By frame, in the order in which their prompts were committed, which the attention keeps.
        self.conditioning: dict[int, FrameMemory] = {}
        # By frame, in the order of tracking; the oldest are thinned out and dropped first.
        self.recent: dict[int, FrameMemory] = {}
        # Frames at which passes start or turn: tracking from there may attend to frames on its other side.
        self.starts: Collection[int] = ()

    def get(self, frame: int) -> FrameMemory | None:
        """Memory of a frame, if it is kept."""
        return self.conditioning.get(frame) or self.recent.get(frame)

    def __getitem__(self, frame: int) -> FrameMemory:
        memory = self.get(frame)
        if memory is None:
            raise LookupError(f"no memory of frame {frame} is kept")
        return memory

    def put_recent(self, frame: int, memory: FrameMemory, *, step: int) -> None:
        """Remember a tracked frame and forget what no later frame of this pass can attend to."""
        # Taken out first, so that the dictionary's order is the order of tracking.
        self.recent.pop(frame, None)
        self.recent[frame] = memory
        self._trim(frame, step)

    def _trim(self, frame: int, step: int) -> None:
        # Memory must not grow with the length of the stack. What fits into the budget stays, however far away it is.
        total = sum(memory.nbytes for memory in self.recent.values())
        for old, memory in list(self.recent.items()):
            if total <= self.spare_bytes:
                return
            if old == frame:
                continue  # It is going to be shown, even if no frame attends to it.
            # Beyond the reach of the pointers nothing is used again; beyond the reach of the maps only the pointer is.
            distance = self._distance_to_use(old, frame, step)
            if distance >= self.rule.reach:
                del self.recent[old]
                total -= memory.nbytes
            elif distance >= self.rule.num_recent:
                self.recent[old] = memory.thin()
                total -= memory.nbytes - self.recent[old].nbytes

    def _distance_to_use(self, old: int, frame: int, step: int) -> float:
        """Number of frames between a memory and the nearest frame that will attend to it."""
        # The present pass comes from behind. A later one may begin at a prompt of this object or at a start of a run,
        # and goes from there in either direction.
        behind = (frame - old) * step
        own = (min(self.conditioning), max(self.conditioning)) if self.conditioning else ()
        # A start that is no conditioning frame of this object is itself tracked, and attends to earlier frames.
        distances = [abs(old - anchor) for anchor in own] + [abs(old - start) - 1 for start in self.starts]
        # Frames ahead in this pass (negative distance) do not count: they are tracked again before any frame attends
        # to them.
        return min([*distances, *([behind] if behind >= 0 else [])], default=math.inf)

    def choose(self, frame: int, *, step: int, num_frames: int) -> MemoryChoice:
        """Choose those of the memories that a frame attends to; see `choose_memories`."""
        choice = choose_memories(
            frame, list(self.conditioning), others=self.recent, step=step, num_frames=num_frames, rule=self.rule
        )
        # A memory that was thinned out, or whose map is not encoded yet, has only its pointer to attend to.
        whole = tuple((t, slot) for t, slot in choice.spatial if self._has_map(t))
        return replace(choice, spatial=whole)

    def _has_map(self, frame: int) -> bool:
        memory = self.get(frame)
        return memory is not None and memory.memory_bchw is not None
