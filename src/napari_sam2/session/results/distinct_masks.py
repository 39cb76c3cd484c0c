"""Masks that the model proposes for one prompt, those that differ, the surest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_sam2.session.zoom.crop import Crop

from .frame_result import FrameResult

# Masks that have more than this in common (J) look the same to a user.
_THE_SAME = 0.85


def distinct_masks(
    low_res: NDArray[np.float32], ious: NDArray[np.float32], *, views: Sequence[Crop | None], size: tuple[int, int]
) -> list[NDArray[np.bool_]]:
    """Draw proposals at the frame's size and leave out empty ones and those that look like a surer one.

    ``low_res``: (N, h, w) logits, each over its view. ``ious``: (N,) predicted IoU. ``size``: (Y, X).
    """
    n_masks = len(low_res)
    drawn = FrameResult(
        0,
        tuple(range(1, n_masks + 1)),
        low_res_logits=low_res,
        object_score_logits=np.ones(n_masks, np.float32),
        ious=ious,
        object_pointers=np.zeros((n_masks, 1), np.float32),
        size=size,
        views=tuple(views),
    )
    kept: list[NDArray[np.bool_]] = []
    for row in np.argsort(-ious, kind="stable"):
        mask = drawn.logits[row] > 0
        if mask.any() and all(_overlap(mask, other) <= _THE_SAME for other in kept):
            kept.append(mask)
    return kept


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())
