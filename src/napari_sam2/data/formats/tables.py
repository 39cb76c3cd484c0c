"""Export of tables: scores, and tracks of the objects' centres as napari's Tracks layer takes them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from .tiff_and_tables import score_cells, write_scores_csv

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .export_data import Region, Results


def tracks_array(results: Results) -> NDArray[np.float64]:
    """Return the data of a napari Tracks layer: (N, 4) float64, rows (object id, frame, y, x) in pixels.

    Rows are sorted by object, then frame; for volumes over time they are (object id, t, z, y, x). A frame without the
    object has no row; the layer draws a straight line across.
    """
    if results.volumes is not None:
        return _volume_tracks(results, results.volumes.n_planes)
    rows = [(region.object_id, region.frame, *_centre(region)) for region in results.regions()]
    return np.array(sorted(rows), np.float64).reshape(-1, 4)


def tracks_graph(results: Results) -> dict[int, list[int]]:
    """Return the graph of a napari Tracks layer: by object, the one that it was born of, where that is known."""
    return {child: [parent] for child, parent in results.parents.items()}


def write_tracks(path: Path, results: Results) -> None:
    """Write tracks as CSV: ``track_id``, ``t`` or ``z``, ``y``, ``x``, and the object score where there is one.

    Where it is known which object was born of which, a column ``parent_track_id`` comes last.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        axes = [results.stack.axis] if results.volumes is None else ["t", "z"]
        parents = results.parents
        writer.writerow(["track_id", *axes, "y", "x", "object_score", *(["parent_track_id"] if parents else [])])
        for object_id, frame, *centre in tracks_array(results).tolist():
            score = _score(results, int(object_id), int(frame))
            score_text = "" if score is None else f"{score:.6f}"
            born = [parents.get(int(object_id), "")] if parents else []
            writer.writerow([int(object_id), int(frame), *(f"{value:.3f}" for value in centre), score_text, *born])


def write_scores(path: Path, results: Results) -> None:
    """Write scores as CSV: a row per object and frame, or per object, time point and plane."""
    if results.volumes is None:
        write_scores_csv(path, results.scores)
        return
    planes = results.volumes.n_planes
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = results.scores.columns
        writer.writerow(["t", "z", *columns[1:]])
        for row in results.scores:
            writer.writerow([*divmod(row.frame, planes), *score_cells(row, columns)[1:]])


def _score(results: Results, object_id: int, frame: int) -> float | None:
    """Score on a frame, or the mean of those in a volume, weighted with the object's area on the planes."""
    if results.volumes is None:
        row = results.scores.get(frame, object_id)
        return None if row is None else row.object_score
    planes = results.volumes.n_planes
    rows = [results.scores.get(place, object_id) for place in range(frame * planes, (frame + 1) * planes)]
    known = [row for row in rows if row is not None and row.area]
    if not known:
        return None
    return sum(row.object_score * row.area for row in known) / sum(row.area for row in known)


def _volume_tracks(results: Results, planes: int) -> NDArray[np.float64]:
    sums: dict[tuple[int, int], NDArray[np.float64]] = {}
    for region in results.regions():
        time, plane = divmod(region.frame, planes)
        # The centre of a volume is the mean of its planes' centres, weighted with their areas.
        weight = np.count_nonzero(region.mask)
        here = weight * np.array([1.0, plane, *_centre(region)])
        sums[region.object_id, time] = sums.get((region.object_id, time), np.zeros(4)) + here
    rows = [(*key, *(total[1:] / total[0])) for key, total in sorted(sums.items())]
    return np.array(rows, np.float64).reshape(-1, 5)


def _centre(region: Region) -> tuple[float, float]:
    # From the pixels and not from the scores: labels may have been corrected since.
    rows, columns = np.nonzero(region.mask)
    return float(rows.mean()) + region.area[0].start, float(columns.mean()) + region.area[1].start
