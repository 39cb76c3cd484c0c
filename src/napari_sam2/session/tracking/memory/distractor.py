"""Memory that keeps frames on which something like the object was told apart from it, as DAM4SAM has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from .choice import MemoryChoice, nearest_conditioning
from .observation import Observation
from .policy import Frames, MemoryPolicy, RememberedFrame, behind

# Slots for recent frames that anchors never take.
_LEAST_RECENT = 3


def visible(seen: RememberedFrame) -> bool:
    """Whether the object has a mask on a frame."""
    return seen.object_score_logit > 0 and (seen.observation is None or seen.observation.box is not None)


def is_anchor(seen: RememberedFrame, frame: int) -> bool:
    """Whether a tracked frame is attended to like a prompted one."""
    return seen.observation is not None and seen.observation.anchor == frame


@dataclass(frozen=True)
class DistractorMemory(MemoryPolicy):
    """Attends to the prompts, to anchors, and to recent frames that lie apart.

    A frame becomes an anchor where the object is seen well and as large as usual, while another candidate of the
    decoder has a part beside it: then the frame shows what the object is not.
    """

    # Recent frames, but for the last one, are multiples of this.
    stride: int = 5
    # Least predicted IoU of an anchor; adaptive, the usual one of the object counts where it is lower.
    bar: float = 0.8
    adaptive: bool = False
    # Area of an anchor over the usual one, most box IoU with what is beside it, and how many frames lie between two.
    usual_area: tuple[float, float] = (0.8, 1.2)
    most_alike: float = 0.7
    apart: int = 5
    # How many prompts and anchors are attended to.
    most_anchors: int = 4
    # Least distance of two recent frames.
    gap: int = 1

    @property
    def observes(self) -> bool:
        """Anchors are found from observations."""
        return True

    @property
    def compares_candidates(self) -> bool:
        """Something like the object is seen in the decoder's other candidates."""
        return True

    def observe(
        self, frame: int, seen: RememberedFrame, before: Observation, *, step: int, recent: Frames
    ) -> Observation:
        """Decide whether the frame becomes an anchor."""
        now = super().observe(frame, seen, before, step=step, recent=recent)
        rested = now.anchor is None or (frame - now.anchor) * step > self.apart
        becomes = rested and visible(seen) and self.tells_apart(now, seen.iou)
        return replace(now, anchor=frame if becomes else now.anchor, rivals=None)

    def tells_apart(self, now: Observation, iou: float) -> bool:
        """Whether the object is seen well, as large as usual, and beside something like it."""
        good = iou > self.bar or (self.adaptive and iou >= median(now.ious))
        low, high = self.usual_area
        usual = low <= now.area / median(now.areas) <= high
        return good and usual and now.rivals is not None and now.rivals.box_iou <= self.most_alike

    def choose(self, frame: int, conditioning: Frames, recent: Frames, *, step: int, num_frames: int) -> MemoryChoice:
        """Choose prompts and anchors, recent frames by rank, and pointers by distance."""
        last, passed = frame - step, behind(frame, recent, step)
        prompts = self._prompts(frame, list(conditioning))
        # The frame just passed is a recent one, even where it is an anchor.
        anchors = [t for t in passed if t != last and is_anchor(recent[t], t)][: self.most_anchors - len(prompts)]
        selected = [*prompts, *reversed(anchors)]
        room = max(self.rule.num_memories - len(selected), min(_LEAST_RECENT, self.rule.num_recent))
        near = list(enumerate(self.recent_frames(passed, recent, last=last, step=step)[:room], 1))
        maps = [(t, 0) for t in selected] + [(t, rank) for rank, t in reversed(near)]
        # Pointers of frames on which the object was hidden say nothing of it.
        reach = min(num_frames, self.rule.max_object_pointers)
        pointers = [(t, (frame - t) * step) for t in selected if (frame - t) * step >= 0]
        others = [(t, (frame - t) * step) for t in passed if t not in selected and visible(recent[t])]
        pointers += [(t, back) for t, back in others if back < reach][: self.rule.max_object_pointers - len(pointers)]
        return MemoryChoice(tuple(maps), tuple(pointers), max(reach - 1, 1))

    def needed(self, first: int, conditioning: Frames, recent: Frames, *, step: int) -> dict[int, bool]:
        """Anchors and frames that lie apart, as many as there are slots for, and the pointers of the last frames."""
        last, passed = first - step, behind(first, recent, step)
        anchors = [t for t in passed if is_anchor(recent[t], t)][: self.most_anchors]
        near = self.recent_frames(passed, recent, last=last, step=step)[: self.rule.num_recent]
        # Later frames have others to begin with: the choice goes on from the nearest one that is no anchor, or, where
        # frames have to lie apart, from the nearest beyond a gap.
        for beyond in range(self.gap):
            some = [t for t in passed if (first - t) * step > beyond]
            near += self.recent_frames(some, recent, last=None, step=step)[: self.rule.num_recent]
        pointers = [t for t in passed if t == last or (first - t) * step < self.rule.max_object_pointers]
        return dict.fromkeys(pointers, False) | dict.fromkeys((*anchors, *near), True)

    def recent_frames(self, passed: list[int], recent: Frames, *, last: int | None, step: int) -> list[int]:
        """The last frame, or the nearest that shows the object, and from there multiples of the stride."""
        shown = [t for t in passed if visible(recent[t]) and (t == last or not is_anchor(recent[t], t))]
        return shown[:1] + [t for t in shown[1:] if t % self.stride == 0]

    def _prompts(self, frame: int, conditioning: list[int]) -> list[int]:
        nearest = nearest_conditioning(frame, conditioning, self.most_anchors)
        if not nearest or conditioning[0] in nearest:
            return nearest
        # The first prompt always counts.
        return [conditioning[0], *nearest_conditioning(frame, conditioning[1:], self.most_anchors - 1)]


@dataclass(frozen=True)
class StrictDistractorMemory(DistractorMemory):
    """Takes an anchor only where the decoder is sure of its choice and the other lies far away, as HiM2SAM does."""

    usual_area: tuple[float, float] = (0.75, 1.25)
    # The first prompt, and the last anchor.
    most_anchors: int = 2
    # Predicted IoU of the chosen candidate over the second best, and distance of the other in diameters of the object.
    least_lead: float = 1.5
    least_distance: float = 2.0
    gap: int = 3
    # Least predicted IoU of a recent frame.
    good: float = 0.5

    def tells_apart(self, now: Observation, iou: float) -> bool:
        """Whether the object is seen well, as large as usual, and far from something that is clearly less like it."""
        low, high = self.usual_area
        rivals = now.rivals
        return (
            iou > self.bar
            and low <= now.area / median(now.areas) <= high
            and rivals is not None
            and rivals.lead > self.least_lead
            and rivals.distance > self.least_distance
        )

    def recent_frames(self, passed: list[int], recent: Frames, *, last: int | None, step: int) -> list[int]:
        """The last frame, and good ones that lie apart."""
        chosen: list[int] = []
        for t in passed:
            good = visible(recent[t]) and recent[t].iou > self.good and not is_anchor(recent[t], t)
            if (t == last) or (good and (not chosen or (chosen[-1] - t) * step >= self.gap)):
                chosen.append(t)
        return chosen
