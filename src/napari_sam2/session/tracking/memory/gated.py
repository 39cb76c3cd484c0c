"""Memory of the last frames on which the object was seen well, as SAM 3 has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .choice import MemoryChoice, nearest_conditioning, ranked_choice
from .policy import Frames, MemoryPolicy, RememberedFrame, behind


def quality(seen: RememberedFrame) -> float:
    """How well the object was seen, 0..1: predicted IoU times certainty that it is there; 0 where it is hidden."""
    return max(0.0, math.tanh(seen.object_score_logit / 2)) * seen.iou


@dataclass(frozen=True)
class GatedMemory(MemoryPolicy):
    """Attends to the last frames on which the object was seen: an absence, however long, displaces none of them.

    With every frame seen well the choice is the standard one.
    """

    # Least quality of a frame that counts.
    threshold: float = 0.01

    def counts(self, seen: RememberedFrame) -> bool:
        """Whether a tracked frame may be attended to."""
        return quality(seen) > self.threshold

    def choose(self, frame: int, conditioning: Frames, recent: Frames, *, step: int, num_frames: int) -> MemoryChoice:
        """Choose by rank among the frames that count."""
        selected = nearest_conditioning(frame, list(conditioning), self.rule.max_conditioning)
        # A chosen conditioning frame on the way takes a rank, as it takes a slot in the standard choice.
        walk = enumerate(self.walk(frame, conditioning, recent, step=step), 1)
        ranked = {rank: t for rank, t in walk if t not in selected}
        return ranked_choice(frame, selected, ranked, step=step, num_frames=num_frames, rule=self.rule)

    def needed(self, first: int, conditioning: Frames, recent: Frames, *, step: int) -> dict[int, bool]:
        """Later frames of the pass have newer ones to attend to: ranks only rise from those at its first frame."""
        walk = enumerate(self.walk(first, conditioning, recent, step=step), 1)
        return {t: rank <= self.rule.num_recent for rank, t in walk if t in recent}

    def walk(self, frame: int, conditioning: Frames, recent: Frames, *, step: int) -> list[int]:
        """Frames behind ``frame`` that are attended to, the nearest first; the one just passed in any case."""
        passed = behind(frame, {*conditioning, *recent}, step)
        kept = [t for t in passed if t == frame - step or t in conditioning or self.counts(recent[t])]
        return kept[: self.rule.reach]
