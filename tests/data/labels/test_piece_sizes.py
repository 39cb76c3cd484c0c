"""The parts that objects are drawn in."""

from __future__ import annotations

import numpy as np

from napari_sam2.data.labels.piece_sizes import piece_sizes
from napari_sam2.data.labels.scores import ScoreRow


def test_parts_are_measured_and_specks_are_not() -> None:
    image = np.zeros((40, 40), np.uint16)
    image[2:12, 2:12] = image[12:20, 12:20] = 1
    image[30:35, 2:7] = image[30:35, 10:15] = image[25, 38] = 2
    rows = [
        ScoreRow(0, 1, 1.0, 1.0, 164, (10.0, 10.0), (2, 2, 20, 20)),
        ScoreRow(0, 2, 1.0, 1.0, 51, (32.0, 8.0), (25, 2, 35, 39)),
        ScoreRow(0, 3, 0.1, 1.0, 0),
    ]
    # Corners that meet hold together; a pixel is less than a fiftieth of the second object.
    assert piece_sizes(image, rows) == {1: (164,), 2: (25, 25)}
