"""Clicks of a careful simulated user: on the deepest pixel of an object or of the largest error."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from napari_sam2.evaluation.labelled_sequences import deepest_point
from napari_sam2.session.results.frame_result import FrameResult


class Clickable(Protocol):
    """The part of `Session` that takes clicks."""

    def add_points(self, frame: int, object_id: int, points: Any, labels: Any, replace: bool = True) -> FrameResult:
        """Click."""


def first_click(truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Where an object is clicked first: (y, x) of its deepest pixel, and 1."""
    return *deepest_point(truth), 1


def worst_click(answer: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int] | None:
    """(y, x) of the deepest pixel of the largest wrong region, and its label, 1 or 0; ``None`` if nothing is wrong."""
    regions, count = label(answer ^ truth)
    if not count:
        return None
    largest = regions == 1 + int(np.argmax(np.bincount(regions.ravel())[1:]))
    y, x = deepest_point(largest)
    return y, x, int(truth[y, x])


def correct(
    session: Clickable, key: tuple[int, int], *, answer: NDArray[np.bool_], truth: NDArray[np.bool_], clicks: int
) -> NDArray[np.bool_]:
    """Click on one frame of an object until nothing is wrong or the clicks are used up.

    ``answer``: the mask to correct; an empty one gets its first click on the deepest pixel of the truth. Returned is
    the mask after the last click.
    """
    frame, object_id = key
    for _ in range(clicks):
        unseen = truth.any() and not answer.any()
        click = first_click(truth) if unseen else worst_click(answer, truth)
        if click is None:
            break
        result = session.add_points(frame, object_id, [click[:2]], [click[2]], replace=False)
        answer = result.masks[result.row(object_id)]
    return answer
