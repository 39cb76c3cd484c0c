"""The interface of a memory policy, and the standard one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from torch import Tensor

from .choice import MemoryChoice, MemoryRule, choose_memories
from .observation import NOTHING_SEEN, Box, Observation


class RememberedFrame(Protocol):
    """What a policy may know of a frame that is remembered."""

    @property
    def object_score_logit(self) -> float:
        """Positive where the object is visible."""

    @property
    def iou(self) -> float:
        """IoU with the true mask that the model expects, 0..1."""

    @property
    def observation(self) -> Observation | None:
        """What else is known; ``None`` where the policy does not observe."""

    @property
    def prototype_c(self) -> Tensor | None:
        """Mean feature of the object; ``None`` where it is hidden or the policy does not compare looks."""


Frames: TypeAlias = Mapping[int, RememberedFrame]


def behind(frame: int, frames: Iterable[int], step: int) -> list[int]:
    """Frames that a pass has behind it, the nearest first."""
    return sorted((t for t in frames if (frame - t) * step > 0), key=lambda t: (frame - t) * step)


@dataclass(frozen=True)
class MemoryPolicy:
    """Which memories of an object a frame attends to: the standard choice, the last frames whatever they show."""

    rule: MemoryRule
    # Of two tracks on one object, one gives way; see `excluded`.
    exclusive: bool = False
    # Frames that were tracked the other way are left out.
    one_way: bool = False
    # Recent maps that say nothing new are left out; see `pruned`.
    sparse: bool = False

    @property
    def observes(self) -> bool:
        """Whether frames have an observation."""
        return self.exclusive

    @property
    def compares_candidates(self) -> bool:
        """Whether the decoder's other candidates are measured."""
        return False

    @property
    def compares_looks(self) -> bool:
        """Whether frames have prototypes."""
        return False

    def choose(self, frame: int, conditioning: Frames, recent: Frames, *, step: int, num_frames: int) -> MemoryChoice:
        """Choose among prompted frames and tracked ones, each by frame; see `choose_memories`."""
        return choose_memories(
            frame, list(conditioning), others=recent, step=step, num_frames=num_frames, rule=self.rule
        )

    def needed(self, first: int, conditioning: Frames, recent: Frames, *, step: int) -> dict[int, bool]:
        """Tracked frames that a pass beginning at ``first`` may attend to, and whether to their map or the pointer."""
        back = {t: (first - t) * step for t in recent}
        return {t: n <= self.rule.num_recent for t, n in back.items() if 1 <= n <= self.rule.reach}

    def expect(self, before: Observation, *, step: int) -> Box | None:
        """Box in which an object is expected on the next frame; ``None`` where nothing is."""
        return None

    def prefer(self, boxes: Sequence[Box | None], ious: Sequence[float], expected: Box) -> int:
        """Index of the candidate to choose where the object was expected in a box; others go by their predicted IoU."""
        return ious.index(max(ious))

    def observe(
        self, frame: int, seen: RememberedFrame, before: Observation, *, step: int, recent: Frames
    ) -> Observation:
        """Make the observation of a tracked frame from its mask and the observation of the frame before."""
        return (seen.observation or NOTHING_SEEN).after(before, frame)
