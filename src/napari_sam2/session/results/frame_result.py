"""The result of a frame that a session returns: masks, scores and labels of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from napari_sam2.data.labels.label_painter import LabelPainter
from napari_sam2.data.labels.label_stack import label_dtype
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT
from napari_sam2.session.zoom.crop import Crop
from napari_sam2.session.zoom.crop_size import whole_if_none

from .upsample import upsample_logits


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
    views : tuple of (Crop or None)
        (N,) the part of the frame that each row of ``low_res_logits`` covers, ``None`` for all of it; empty where all
        rows cover all of it.
    prompted : frozenset of int
        Objects with a prompt on this frame; they win over those without one where masks overlap.
    """

    frame: int
    object_ids: tuple[int, ...]
    low_res_logits: NDArray[np.float32]
    object_score_logits: NDArray[np.float32]
    ious: NDArray[np.float32]
    object_pointers: NDArray[np.float32]
    size: tuple[int, int]
    views: tuple[Crop | None, ...] = ()
    prompted: frozenset[int] = frozenset()

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """(N, Y, X) float32 mask logits at the frame's size; made when first asked for."""
        # Outside its crop an object has the logit of a hidden one.
        full = np.full((len(self.object_ids), *self.size), NO_OBJECT_LOGIT, np.float32)
        for row in range(len(full)):
            crop, logits = self.row_logits(row)
            full[row][crop] = logits
        return full

    def row_logits(self, row: int) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
        """Upsample the mask logits of one object.

        Parameters
        ----------
        row : int
            Index of its row.

        Returns
        -------
        crop : tuple of slice
            Rows and columns of the frame that the logits cover; elsewhere they are -1024.
        logits : ndarray
            (h, w) float32 of the crop.
        """
        # Results of a session without zoom have no crops.
        crop = whole_if_none(self.views[row] if self.views else None, self.size)
        return crop.crop, upsample_logits(torch.from_numpy(self.low_res_logits[row]), crop.size)

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
        """Merge the masks into one label image.

        Where objects overlap, those with a prompt on this frame win over those without; among equals the higher logit.

        Returns
        -------
        ndarray
            (Y, X) unsigned integers, 0 for background.
        """
        # One object at a time, so that many masks of a large frame do not have to be held together.
        painter = LabelPainter(self.size, label_dtype(self.object_ids))
        for prompted in (False, True):
            painter.outrank()
            for row, object_id in enumerate(self.object_ids):
                if (object_id in self.prompted) == prompted:
                    crop, logits = self.row_logits(row)
                    painter.paint(object_id, logits, crop)
        return painter.image

    def row(self, object_id: int) -> int:
        """Look up an object's row.

        Parameters
        ----------
        object_id : int
            Label of the object.

        Returns
        -------
        int
            Index of its row.

        Raises
        ------
        ValueError
            If the object has none.
        """
        if object_id not in self.object_ids:
            raise ValueError(f"frame {self.frame} has no object {object_id}, only {list(self.object_ids)}")
        return self.object_ids.index(object_id)
