"""Labels and scores of a part of a stack, put back in their place."""

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


def place_labels(labels: LabelStack, geometry: Geometry) -> LabelStack:
    """Put label images back in place."""
    whole = LabelStack(geometry.whole_shape, labels.dtype)
    done = _first_places(geometry, labels)
    for frame, place in done.items():
        whole.set(frame, geometry.paste(labels[place]))
    for before, after in _gaps(sorted(done), geometry.selection.every.numerator):
        ends = labels[done[before]], labels[done[after]]
        for frame in range(before + 1, after):
            weight = (frame - before) / (after - before)
            whole.set(frame, geometry.paste(blend_labels(*ends, weight)))
    return whole


def place_scores(scores: ScoreTable, geometry: Geometry) -> ScoreTable:
    """Put scores back in place."""
    y0, x0 = geometry.crop[:2]
    whole = ScoreTable()
    for row in scores:
        frame = geometry.frame_outside(row.frame)
        if whole.get(frame, row.object_id) is None:
            centroid = row.centroid and (row.centroid[0] + y0, row.centroid[1] + x0)
            bbox = row.bbox and (row.bbox[0] + y0, row.bbox[1] + x0, row.bbox[2] + y0, row.bbox[3] + x0)
            whole.put(replace(row, frame=frame, centroid=centroid, bbox=bbox))
    return whole


def _first_places(geometry: Geometry, labels: LabelStack) -> dict[int, int]:
    """Map frames of the whole that were tracked to the first frame of the part that is it."""
    done: dict[int, int] = {}
    for place in labels.frames_done:
        done.setdefault(geometry.frame_outside(place), place)
    return done


def blend_labels(before: NDArray[Any], after: NDArray[Any], weight: float) -> NDArray[Any]:
    """Draw the shapes between two label images.

    Each object's outline moves from its one place to the other by signed distance, so that a shape that grows grows
    evenly. An object that is on one image only is not drawn.

    ``before``, ``after``: (Y, X) integers.
    Result: (Y, X) of the type of `before`.
    """
    image = np.zeros_like(before)
    best = np.zeros(before.shape)
    ends = measure(LabelRuns.of(before)), measure(LabelRuns.of(after))
    for object_id in sorted(ends[0].keys() & ends[1].keys()):
        bounds = np.array([measured[object_id].bbox for measured in ends])
        (y0, x0), (y1, x1) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        rows, columns = slice(y0, y1), slice(x0, x1)
        first, second = (image[rows, columns] == object_id for image in (before, after))
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
    """Give pairs of neighbours among the tracked frames with frames between them that were left out."""
    return ((a, b) for a, b in pairwise(done) if 1 < b - a <= stride)
