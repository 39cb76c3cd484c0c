"""Counts the separate parts of each object on a frame, which says whether a mask has fallen apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_sam2.data.labels.scores import ScoreRow

# Smaller shares of an object are specks, of which a mask may have many.
_SPECK = 0.02
_WITH_CORNERS = np.ones((3, 3), bool)


def count_pieces(image: NDArray[Any], rows: Iterable[ScoreRow]) -> dict[int, int]:
    """Count parts of objects that are drawn on a (Y, X) label image; ``rows`` have their boxes there."""
    pieces = {}
    for row in rows:
        if row.bbox is None:
            continue
        y0, x0, y1, x1 = row.bbox
        # Each in its own box: to label a whole large frame takes as long as the model.
        parts, n_parts = label(image[y0:y1, x0:x1] == row.object_id, _WITH_CORNERS)
        if n_parts > 1:
            n_parts = int((np.bincount(parts.ravel())[1:] >= _SPECK * row.area).sum())
        if n_parts:
            pieces[row.object_id] = n_parts
    return pieces
