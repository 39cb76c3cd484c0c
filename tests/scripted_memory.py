"""Frames that are remembered, made up without a model, for tests of memory policies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from napari_sam2.session.tracking.memory.observation import Observation


@dataclass(frozen=True)
class Scripted:
    """What a policy may know of a frame."""

    object_score_logit: float = 10.0
    iou: float = 0.9
    observation: Observation | None = None
    prototype_c: Tensor | None = None


PROMPT, SEEN, HIDDEN = Scripted(iou=1.0), Scripted(), Scripted(-10.0)


def random_script(seed: int, end: int) -> dict[int, Scripted]:
    """Frames 1 to before ``end``, a third of which the object is hidden on, and some of which are anchors."""
    rng = np.random.default_rng(seed)
    shown = Observation((0, 0, 9, 9), 81)
    return {
        t: Scripted(iou=rng.choice([0.4, 0.9]), observation=replace(shown, anchor=t if rng.random() < 0.1 else None))
        if rng.random() < 2 / 3
        else HIDDEN
        for t in range(1, end)
    }


def mirrored(frames: dict[int, Scripted], last: int) -> dict[int, Scripted]:
    """The same seen from the other end of the stack."""

    def mirror(seen: Scripted) -> Scripted:
        if seen.observation is None or seen.observation.anchor is None:
            return seen
        return replace(seen, observation=replace(seen.observation, anchor=last - seen.observation.anchor))

    return {last - t: mirror(seen) for t, seen in frames.items()}
