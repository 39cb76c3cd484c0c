"""The memories kept of one object: those that a frame may still attend to (spec section 3.10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from napari_sam2.session.tracking.memory.choice import MemoryChoice
from napari_sam2.session.tracking.memory.looks import pruned
from napari_sam2.session.tracking.memory.observation import NOTHING_SEEN, Observation
from napari_sam2.session.tracking.memory.policy import MemoryPolicy
from napari_sam2.session.zoom.crop import Crop, ObjectLocation


@dataclass(frozen=True, eq=False)
class FrameMemory:
    """What is kept of one object on one frame; never changed, so that each is itself only."""

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
    # What else the memory policy keeps; ``None`` where it needs nothing.
    observation: Observation | None = None
    # (channels,) mean image feature inside the mask, for policies that compare looks.
    prototype_c: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        tensors = (self.low_res_bhw, self.pointer_bc, self.memory_bchw, self.prototype_c)
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
        # The same object where nothing changes: it need not be saved again.
        if self.low_res_bhw is None and self.memory_bchw is None:
            return self
        return replace(self, low_res_bhw=None, memory_bchw=None)


class MemoryBank:
    """The memories of one object: all conditioning frames, and of the others what a frame may still attend to.

    ``spare_bytes``: beyond what has to be kept, the most recent memories stay as long as they fit into this many bytes,
    so that clicking on a frame tracked lately sees what the reference would see.
    """

    def __init__(self, policy: MemoryPolicy, *, spare_bytes: int) -> None:
        self.policy = policy
        self.spare_bytes = spare_bytes
        # By frame, in the order in which their prompts were committed, which the attention keeps.
        self.conditioning: dict[int, FrameMemory] = {}
        # By frame, in the order of tracking; the oldest are thinned out and dropped first.
        self.recent: dict[int, FrameMemory] = {}
        # Memories of prompted frames of other stacks, attended to like prompted frames before the first.
        self.exemplars: tuple[FrameMemory, ...] = ()
        # Frames at which passes start or turn: tracking from there may attend to frames on its other side.
        self.starts: Collection[int] = ()
        # Frames whose mask waits for that from the other side.
        self.waiting: Collection[int] = ()

    def get(self, frame: int) -> FrameMemory | None:
        """Memory of a frame, if it is kept."""
        return self.conditioning.get(frame) or self.recent.get(frame)

    def __getitem__(self, frame: int) -> FrameMemory:
        memory = self._chosen(frame)
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
        if total <= self.spare_bytes:
            return
        needed = self._needed(frame, step)
        for old, memory in list(self.recent.items()):
            if total <= self.spare_bytes:
                return
            if old == frame or old in self.starts:
                continue  # It is going to be shown, or tracked first, even if no frame attends to it.
            # What no frame will attend to goes; of what some attend to by its pointer alone, the pointer is kept.
            total -= memory.nbytes
            if old in self.waiting:
                self.recent[old] = replace(memory, memory_bchw=None)
            elif old not in needed:
                del self.recent[old]
                continue
            elif not needed[old]:
                self.recent[old] = memory.thin()
            total += self.recent[old].nbytes

    def _needed(self, frame: int, step: int) -> dict[int, bool]:
        """Frames that will be attended to, and whether to their map or the pointer alone."""
        # The present pass goes on from here. A later one may begin at a prompt of this object or at a start of a run,
        # and goes from there in either direction. A start that is no conditioning frame of this object is itself
        # tracked.
        passes = {(frame + step, step)}
        own = (min(self.conditioning), max(self.conditioning)) if self.conditioning else ()
        for way in (1, -1):
            passes |= {(prompted + way, way) for prompted in own} | {(start, way) for start in self.starts}
        needed: dict[int, bool] = {}
        for first, way in passes:
            for old, has_map in self.policy.needed(first, self.conditioning, self.recent, step=way).items():
                needed[old] = needed.get(old, False) or has_map
        return needed

    def before(self, frame: int, step: int) -> Observation:
        """Observation from which a tracked frame's goes on: that of the frame before it, or of the nearest prompt."""
        last = self.recent.get(frame - step)
        if last is not None:
            return last.observation or NOTHING_SEEN
        if not self.conditioning:
            return NOTHING_SEEN
        # A prompt is a new beginning, so that what follows it does not depend on the direction it was reached from.
        prompted = frame - step
        if prompted not in self.conditioning:
            prompted = min(self.conditioning, key=lambda t: abs(t - frame))
        return (self.conditioning[prompted].observation or NOTHING_SEEN).as_prompt(prompted)

    def known(self, visited: Mapping[int, int], step: int) -> dict[int, FrameMemory]:
        """Tracked frames that a pass in a direction may attend to; ``visited``: the direction of each frame."""
        if not self.policy.one_way:
            return self.recent
        return {t: memory for t, memory in self.recent.items() if visited.get(t) != -step}

    def choose(
        self,
        frame: int,
        visited: Mapping[int, int],
        *,
        step: int,
        num_frames: int,
        within: tuple[int, int] | None = None,
    ) -> MemoryChoice:
        """Choose those of the memories that a frame attends to; of tracked frames only those between two, if given.

        ``visited``: as for `known`.
        """
        recent = self.known(visited, step)
        if within is not None:
            recent = {t: memory for t, memory in recent.items() if within[0] < t < within[1]}
        conditioning = {-1 - place: memory for place, memory in enumerate(self.exemplars)} | self.conditioning
        choice = self.policy.choose(frame, conditioning, recent, step=step, num_frames=num_frames)
        # A memory that was thinned out, or whose map is not encoded yet, has only its pointer to attend to.
        whole = tuple((t, slot) for t, slot in choice.spatial if self._has_map(t))
        choice = replace(choice, spatial=whole)
        if not self.policy.sparse:
            return choice
        maps = {t: self[t].map_bchw for t, _ in whole}
        return pruned(choice, maps, num_memories=self.policy.rule.num_memories)

    def _chosen(self, frame: int) -> FrameMemory | None:
        """Memory of a frame of a choice, in which exemplars are those below 0."""
        return self.get(frame) if frame >= 0 else self.exemplars[-1 - frame]

    def _has_map(self, frame: int) -> bool:
        memory = self._chosen(frame)
        return memory is not None and memory.memory_bchw is not None
