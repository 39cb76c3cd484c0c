"""What a session gives back for a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from napari_sam2.data.labels import compose_labels
from napari_sam2.model.mask_decoder import resize_logits
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT

from .view import View


@dataclass(frozen=True, eq=False)
class FrameResult:
    """Masks and scores of one frame, a row per object.

    Attributes
    ----------
    frame : int
        Index of the frame.
    object_ids : tuple of int
        (N,) labels, in the order of the rows.
    low_res_logits : ndarray
        (N, h, w) float32 on the mask decoder's grid, -1024 where the object is hidden or nothing is known of it.
    object_score_logits : ndarray
        (N,) float32; positive means that the object is there. NaN where nothing is known of it on this frame.
    ious : ndarray
        (N,) float32 predicted IoU of the mask, NaN likewise.
    object_pointers : ndarray
        (N, channels) float32.
    size : tuple of int
        (Y, X) of the frame in pixels.
    views : tuple of (View or None)
        (N,) the part of the frame that each row of ``low_res_logits`` covers, ``None`` for all of it; empty where all
        rows cover all of it.
    """

    frame: int
    object_ids: tuple[int, ...]
    low_res_logits: NDArray[np.float32]
    object_score_logits: NDArray[np.float32]
    ious: NDArray[np.float32]
    object_pointers: NDArray[np.float32]
    size: tuple[int, int]
    views: tuple[View | None, ...] = ()

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """(N, Y, X) float32 mask logits at the frame's size; made when first asked for."""
        low_res = torch.from_numpy(self.low_res_logits)
        if not any(self.views):
            full: NDArray[np.float32] = resize_logits(low_res[None], self.size)[0].numpy()
            return full
        full = np.full((len(low_res), *self.size), NO_OBJECT_LOGIT, np.float32)
        for row, view in enumerate(self.views):
            part = full[row] if view is None else full[row][view.crop]
            part[...] = resize_logits(low_res[None, row : row + 1], (part.shape[0], part.shape[1]))[0, 0].numpy()
        return full

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(N, Y, X) bool: where the logits are positive."""
        return self.logits > 0

    @property
    def object_scores(self) -> NDArray[np.float32]:
        """(N,) probability that the object is there."""
        scores: NDArray[np.float32] = expit(self.object_score_logits)
        return scores

    def label_image(self) -> NDArray[Any]:
        """Merge the masks: (Y, X) unsigned integers; the higher logit wins where objects overlap."""
        return compose_labels(self.logits, self.object_ids)

    def row(self, object_id: int) -> int:
        """Index of an object's row; ``ValueError`` if it has none."""
        if object_id not in self.object_ids:
            raise ValueError(f"frame {self.frame} has no object {object_id}, only {list(self.object_ids)}")
        return self.object_ids.index(object_id)
