"""Masks painted over each other into a label image: the most certain object wins each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .label_stack import label_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

WHOLE = (slice(None), slice(None))


def compose_labels(
    logits: NDArray[np.floating[Any]],
    object_ids: Sequence[int],
    *,
    visible: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Merge the objects' mask logits into one label image.

    Parameters
    ----------
    logits : ndarray
        (N, Y, X); a pixel is an object's where its logit is above 0. Where several claim it, the highest
        logit wins, and the earlier object in a tie.
    object_ids : sequence of int
        (N,) labels to write.
    visible : sequence of bool, optional
        (N,) which objects to draw at all.

    Returns
    -------
    ndarray
        (Y, X) uint16, or uint32 where an id needs it; 0 is background.

    Raises
    ------
    ValueError
        If the lengths do not match.
    """
    shown = [True] * len(object_ids) if visible is None else visible
    if logits.ndim != 3 or not len(logits) == len(object_ids) == len(shown):
        raise ValueError(
            f"logits of shape {logits.shape} do not match {len(object_ids)} objects and {len(shown)} visibilities"
        )
    # One object at a time, so that memory does not grow with their number.
    painter = LabelPainter((logits.shape[1], logits.shape[2]), label_dtype(object_ids), logits=logits.dtype)
    for logit, object_id, show in zip(logits, object_ids, shown, strict=True):
        if show:
            painter.paint(object_id, logit)
    return painter.image


class LabelPainter:
    """Merges mask logits into a label image one object after the other, so that one of them is held at a time.

    Parameters
    ----------
    size : tuple of int
        (Y, X) of the image.
    dtype : dtype-like
        An unsigned integer type that holds the ids.
    logits : dtype-like, default: float32
        Type of the logits.

    Attributes
    ----------
    image : ndarray
        (Y, X) labels so far; 0 is background.
    """

    def __init__(self, size: tuple[int, int], dtype: DTypeLike, *, logits: DTypeLike = np.float32) -> None:
        self.image: NDArray[Any] = np.zeros(size, dtype)
        self._best: NDArray[Any] = np.zeros(size, logits)

    def paint(self, object_id: int, logits: NDArray[np.floating[Any]], crop: tuple[slice, slice] = WHOLE) -> None:
        """Paint an object where its logit is above 0 and above those of all objects before it.

        Parameters
        ----------
        object_id : int
            The label.
        logits : ndarray
            (h, w), of the crop.
        crop : tuple of slice, optional
            Rows and columns that the logits cover; all by default.
        """
        # Views into the whole image: writing to them paints only the crop.
        best = self._best[crop]
        # `best` starts at 0, the outline of a mask, so a negative logit never wins over background.
        wins = logits > best
        self.image[crop][wins] = object_id
        np.copyto(best, logits, where=wins)

    def outrank(self) -> None:
        """Let every object that is painted from now on win over all before this call, whatever their logits."""
        self._best[...] = 0
