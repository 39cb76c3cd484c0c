"""The next frame by how little it looks like those that were clicked on, as XMem++ chooses it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_sam2.session.features.frame_encoder import FrameEncoder

# Side of the grid that features are pooled to; weight of the mask; least share of a frame that the object covers.
_GRID, _MASK_WEIGHT, _LEAST_SHARE = 8, 0.5, 0.0025


def look_of(encoder: FrameEncoder, frame: int, mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """What a frame shows, above all inside a mask, as a vector of length 1; ``None`` where the mask is too small."""
    if mask.mean() < _LEAST_SHARE:
        return None
    features_bchw = F.adaptive_avg_pool2d(encoder.encode(frame).s16_bchw.float(), _GRID)
    share_hw = F.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None, None], _GRID).to(features_bchw.device)
    look = (features_bchw * (_MASK_WEIGHT * share_hw + 1 - _MASK_WEIGHT)).flatten()
    return np.asarray(F.normalize(look, dim=0).cpu().numpy(), np.float32)


def most_dissimilar_first(looks: Mapping[int, NDArray[np.float32]], clicked: Collection[int]) -> list[int]:
    """Frames that were not clicked on, the one first that is least like the most similar of those that were."""
    known = np.array([looks[t] for t in clicked if t in looks])
    likeness = {t: float((known @ look).max()) if len(known) else 0.0 for t, look in looks.items() if t not in clicked}
    return sorted(likeness, key=lambda t: likeness[t])
