"""Comparison of what frames show: prototypes of objects, and memory maps that say nothing new."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from .choice import MemoryChoice

# Of seven memory maps, this many are dropped.
_DROPPED = 2


def prototypes(features_bchw: Tensor, low_res_bhw: Tensor) -> list[Tensor | None]:
    """Mean feature inside each object's mask, (channels,); ``None`` where the mask is empty.

    ``features_bchw``: stride-16 features, of each object or one for all.
    """
    # A cell counts by how much of it the mask covers.
    height, width = features_bchw.shape[-2:]
    share_b1hw = F.adaptive_avg_pool2d((low_res_bhw > 0).float()[:, None], (height, width))
    sums_bc = (features_bchw.float() * share_b1hw).sum(dim=(-2, -1))
    total_b = share_b1hw.sum(dim=(1, 2, 3))
    return [total / weight if weight > 0 else None for total, weight in zip(sums_bc, total_b, strict=True)]


def pruned(choice: MemoryChoice, maps: Mapping[int, Tensor], *, num_memories: int) -> MemoryChoice:
    """Leave out the recent maps that are most like the newest, where all slots are taken.

    ``maps``: (1, channels, h, w) by frame.
    """
    recent = {slot: t for t, slot in choice.spatial if slot}
    if len(choice.spatial) < num_memories or min(recent, default=0) != 1 or len(recent) <= _DROPPED:
        return choice
    newest = maps[recent.pop(1)].float()
    # Cell by cell: the same look at another place is something new.
    likeness = {
        slot: float(F.cosine_similarity(maps[t].float(), newest, dim=1).sum()) for slot, t in sorted(recent.items())
    }
    dropped = sorted(likeness, key=lambda slot: -likeness[slot])[:_DROPPED]
    spatial = tuple((t, slot) for t, slot in choice.spatial if slot not in dropped)
    return MemoryChoice(spatial, choice.pointers, choice.pointer_span)
