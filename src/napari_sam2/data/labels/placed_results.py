"""Conversion of labels and scores of a part of a stack (crop, stride) to frames and pixels of the whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from .label_stack import LabelStack
from .label_storage import LabelRuns
from .scores import ScoreTable, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam2.data.images.geometry import Geometry


def place_results(labels: LabelStack, scores: ScoreTable, geometry: Geometry) -> tuple[LabelStack, ScoreTable]:
    """Convert labels and scores of a part to the whole stack; those of a whole one are returned as they are."""
    return (labels, scores) if geometry.is_whole else (place_labels(labels, geometry), place_scores(scores, geometry))


def place_labels(labels: LabelStack, geometry: Geometry) -> LabelStack:
    """Convert label images of a part to the whole stack, with frames between tracked ones interpolated."""
    whole = LabelStack(geometry.whole_shape, labels.dtype)
    done = _first_places(geometry, labels)
    for frame, place in done.items():
        whole.set(frame, geometry.paste(labels[place]))
    # Frames that the stride left out are drawn between their tracked neighbours.
    for before, after in _gaps(sorted(done), geometry.selection.every.numerator):
        ends = labels[done[before]], labels[done[after]]
        for frame in range(before + 1, after):
            weight = (frame - before) / (after - before)
            whole.set(frame, geometry.paste(blend_labels(*ends, weight)))
    return whole


def place_scores(scores: ScoreTable, geometry: Geometry) -> ScoreTable:
    """Convert scores of a part to frames and pixels of the whole stack; interpolated frames have none."""
    y0, x0 = geometry.crop[:2]
    whole = ScoreTable()
    for row in scores:
        frame = geometry.frame_outside(row.frame)
        # Of repeated frames the first counts, as for labels.
        if whole.get(frame, row.object_id) is None:
            centroid = row.centroid and (row.centroid[0] + y0, row.centroid[1] + x0)
            bbox = row.bbox and (row.bbox[0] + y0, row.bbox[1] + x0, row.bbox[2] + y0, row.bbox[3] + x0)
            whole.put(replace(row, frame=frame, centroid=centroid, bbox=bbox))
    return whole


def _first_places(geometry: Geometry, labels: LabelStack) -> dict[int, int]:
    """Map each tracked frame of the whole to its first frame in the part, where frames can be repeated."""
    done: dict[int, int] = {}
    for place in labels.frames_done:
        done.setdefault(geometry.frame_outside(place), place)
    return done


def blend_labels(before: NDArray[Any], after: NDArray[Any], weight: float) -> NDArray[Any]:
    """Interpolate between two (Y, X) label images; `weight` 0 is `before`, 1 is `after`.

    Each object's outline moves from its one place to the other by signed distance, so that a shape that grows grows
    evenly. An object that is on one image only is not drawn.
    """
    image = np.zeros_like(before)
    best = np.zeros(before.shape)
    ends = measure(LabelRuns.of(before)), measure(LabelRuns.of(after))
    for object_id in sorted(ends[0].keys() & ends[1].keys()):
        # Distances are computed in the box around both shapes only: whole frames would take seconds per object.
        bounds = np.array([measured[object_id].bbox for measured in ends])
        (y0, x0), (y1, x1) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        rows, columns = slice(y0, y1), slice(x0, x1)
        first, second = (image[rows, columns] == object_id for image in (before, after))
        # Where objects overlap on the way, the pixel goes to the one it lies deeper in.
        depth = (1 - weight) * _depth(first) + weight * _depth(second)
        wins = depth > best[rows, columns]
        image[rows, columns][wins] = object_id
        best[rows, columns][wins] = depth[wins]
    return image


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance from the outline, positive inside; half a pixel on either side of it."""
    # Padded, so that the box that was cut out around the object counts as outside.
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded) - 0.5
    outside = ndimage.distance_transform_edt(~padded) - 0.5
    depth: NDArray[np.float64] = np.where(padded, inside, -outside)[1:-1, 1:-1]
    return depth


def _gaps(done: list[int], stride: int) -> Iterator[tuple[int, int]]:
    """Find neighbouring tracked frames between which the stride left out others."""
    # A wider gap was not tracked at all (a run that stopped, or separate runs): nothing is made up for it.
    return ((a, b) for a, b in pairwise(done) if 1 < b - a <= stride)
