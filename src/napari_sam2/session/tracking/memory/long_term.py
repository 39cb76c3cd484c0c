"""A small store of looks that differ, kept for as long as a pass lasts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

import torch.nn.functional as F
from torch import Tensor

from .choice import MemoryChoice, nearest_conditioning, ranked_choice
from .gated import GatedMemory, quality
from .observation import Observation
from .policy import Frames, RememberedFrame


@dataclass(frozen=True)
class LongMemory(GatedMemory):
    """Attends, beside the last frames seen well, to frames of a store that are most like what was seen last.

    The store takes a good frame now and then, and, when it is full, lets go of one of the two that are most alike.
    """

    # Frames in the store, prompts and frames of it that are attended to, and slots that recent frames keep.
    capacity: int = 8
    most_anchors: int = 4
    least_recent: int = 3
    # Least quality of a stored frame, unless it is usual for the object to be lower; and how far apart they are.
    good: float = 0.5
    apart: int = 5

    @property
    def observes(self) -> bool:
        """The store is part of the observation."""
        return True

    @property
    def compares_looks(self) -> bool:
        """Frames are compared by their prototypes."""
        return True

    def observe(
        self, frame: int, seen: RememberedFrame, before: Observation, *, step: int, recent: Frames
    ) -> Observation:
        """Decide whether the frame goes into the store, and what has to leave it."""
        now = super().observe(frame, seen, before, step=step, recent=recent)
        stored = tuple(t for t in before.stored if t in recent)
        rested = now.anchor is None or (frame - now.anchor) * step >= self.apart
        if not rested or seen.prototype_c is None or quality(seen) <= min(self.good, median(now.ious or (1.0,))):
            return replace(now, stored=stored)
        looks = {t: recent[t] for t in stored} | {frame: seen}
        if len(looks) > self.capacity:
            pair = max(combinations(looks, 2), key=lambda two: alike(looks[two[0]], looks[two[1]].prototype_c))
            del looks[min(pair, key=lambda t: quality(looks[t]))]
        return replace(now, anchor=frame, stored=tuple(looks))

    def choose(self, frame: int, conditioning: Frames, recent: Frames, *, step: int, num_frames: int) -> MemoryChoice:
        """Choose prompts, stored frames and recent ones, which share the slots."""
        walk = self.walk(frame, conditioning, recent, step=step)
        prompts = nearest_conditioning(frame, list(conditioning), self.most_anchors)
        stored = self._most_like(walk, conditioning, recent, frame=frame, step=step)[: self.most_anchors - len(prompts)]
        selected = [*prompts, *sorted(stored, key=lambda t: (t - frame) * step)]
        ranks = enumerate((t for t in walk if t not in stored), 1)
        ranked = {rank: t for rank, t in ranks if t not in prompts}
        choice = ranked_choice(frame, selected, ranked, step=step, num_frames=num_frames, rule=self.rule)
        room = max(self.rule.num_memories - len(selected), min(self.least_recent, self.rule.num_recent))
        spatial = tuple((t, slot) for t, slot in choice.spatial if slot <= room)
        return replace(choice, spatial=spatial, pointers=choice.pointers[: self.rule.max_object_pointers])

    def needed(self, first: int, conditioning: Frames, recent: Frames, *, step: int) -> dict[int, bool]:
        """Stored frames besides the recent ones."""
        stored = dict.fromkeys(_stored(first, recent, step), True)
        return super().needed(first, conditioning, recent, step=step) | stored

    def _most_like(self, walk: list[int], conditioning: Frames, recent: Frames, *, frame: int, step: int) -> list[int]:
        known = {**conditioning, **recent}
        # The nearest frames are attended to in any case.
        others = [t for t in _stored(frame, recent, step) if t not in walk[: self.least_recent]]
        shown = (known[t].prototype_c for t in walk if known[t].object_score_logit > 0)
        look = next((prototype for prototype in shown if prototype is not None), None)
        return sorted(others, key=lambda t: (-alike(recent[t], look), (frame - t) * step))


def alike(one: RememberedFrame, prototype_c: Tensor | None) -> float:
    """Cosine similarity of two looks; 0 where one is not known."""
    if one.prototype_c is None or prototype_c is None:
        return 0.0
    return float(F.cosine_similarity(one.prototype_c.float(), prototype_c.float(), dim=0))


def _stored(frame: int, recent: Frames, step: int) -> list[int]:
    last = recent.get(frame - step)
    stored = () if last is None or last.observation is None else last.observation.stored
    return [t for t in stored if t in recent and (frame - t) * step > 0]
