"""Memory on several paths at once, of which in the end the best counts, as SAM2Long has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .gated import GatedMemory
from .policy import RememberedFrame

# A mask that is expected to be all wrong ends no path by itself.
_LEAST = 1e-5


@dataclass(frozen=True)
class Branch:
    """A candidate that a path may go on with."""

    path: int
    candidate: int
    # Of the path, with this candidate: the sum of the logarithms of predicted IoUs.
    score: float


@dataclass(frozen=True)
class PathwayMemory(GatedMemory):
    """Follows several of the decoder's candidates, each with a memory of its own; what was doubtful is decided later.

    Within a path, frames are attended to as with the gated rule.
    """

    paths: int = 3
    # Least predicted IoU of a frame that is attended to.
    least_iou: float = 0.1
    # Object score (logit, either way) above which the model is sure.
    sure: float = 2.0

    def counts(self, seen: RememberedFrame) -> bool:
        """Whether a tracked frame was seen at all well."""
        return seen.object_score_logit > 0 and seen.iou > self.least_iou

    def keep(self, scores: Sequence[float], looks: Sequence[Sequence[RememberedFrame]]) -> list[Branch]:
        """Choose the branches that go on as paths, the best first.

        ``scores``: of the paths so far. ``looks``: for each path, the candidates of its next frame.
        """
        branches = [
            Branch(path, candidate, scores[path] + math.log(max(seen.iou, 0.0) + _LEAST))
            for path, look in enumerate(looks)
            for candidate, seen in enumerate(look)
        ]
        branches.sort(key=lambda branch: -branch.score)
        if max(abs(look[0].object_score_logit) for look in looks) > self.sure:
            return branches[: self.paths]
        return self._kept_apart(branches, looks)

    def _kept_apart(self, branches: list[Branch], looks: Sequence[Sequence[RememberedFrame]]) -> list[Branch]:
        # Where the model is not sure, those that differ go on: not three of about the same mask.
        differ: dict[tuple[float, bool], Branch] = {}
        for branch in branches:
            seen = looks[branch.path][branch.candidate]
            differ.setdefault((round(seen.iou, 2), seen.object_score_logit > 0), branch)
        kept = list(differ.values())[: self.paths]
        for branch in branches:
            if len(kept) < self.paths and branch.path not in {one.path for one in kept}:
                kept.append(branch)
        return kept
