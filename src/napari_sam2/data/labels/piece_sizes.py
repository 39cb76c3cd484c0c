"""Measures the separate parts of each object on a frame, which say whether a mask has fallen apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .scores import ScoreRow

# Smaller shares of an object are specks, of which a mask may have many.
_SPECK = 0.02
_WITH_CORNERS = np.ones((3, 3), bool)


def piece_sizes(image: NDArray[Any], rows: Iterable[ScoreRow]) -> dict[int, tuple[int, ...]]:
    """Pixels of the parts of objects that are drawn on a (Y, X) label image, the largest first, without specks.

    ``rows`` have their boxes there.
    """
    pieces = {}
    for row in rows:
        if row.bbox is None:
            continue
        y0, x0, y1, x1 = row.bbox
        # Each in its own box: to label a whole large frame takes as long as the model.
        parts, _ = label(image[y0:y1, x0:x1] == row.object_id, _WITH_CORNERS)
        sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
        # A lone part may be smaller than the object where others cover it.
        if kept := tuple(sizes[sizes >= _SPECK * row.area].tolist()) or tuple(sizes[:1].tolist()):
            pieces[row.object_id] = kept
    return pieces
