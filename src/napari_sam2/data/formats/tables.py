"""Tracks of the objects' centres, as napari's Tracks layer takes them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .results import Region, Results


def tracks_array(results: Results) -> NDArray[np.float64]:
    """Make the data of a napari Tracks layer.

    Parameters
    ----------
    results : Results
        The labels.

    Returns
    -------
    ndarray
        (N, 4) float64, rows (object id, frame, y, x) in pixels, by object, then frame. A frame that an object is not on
        has no row; the layer draws a straight line across.
    """
    rows = [(region.object_id, region.frame, *_centre(region)) for region in results.regions()]
    return np.array(sorted(rows), np.float64).reshape(-1, 4)


def write_tracks(path: Path, results: Results) -> None:
    """Write tracks as CSV: ``track_id``, ``t`` or ``z``, ``y``, ``x``, and the object score where there is one.

    Parameters
    ----------
    path : Path
        The file.
    results : Results
        What to write.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["track_id", results.stack.axis, "y", "x", "object_score"])
        for object_id, frame, y, x in tracks_array(results).tolist():
            row = results.scores.get(int(frame), int(object_id))
            score = "" if row is None else f"{row.object_score:.6f}"
            writer.writerow([int(object_id), int(frame), f"{y:.3f}", f"{x:.3f}", score])


def _centre(region: Region) -> tuple[float, float]:
    rows, columns = np.nonzero(region.mask)
    return float(rows.mean()) + region.area[0].start, float(columns.mean()) + region.area[1].start
