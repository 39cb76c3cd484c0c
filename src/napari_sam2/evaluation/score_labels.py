"""J and F of labels that are there already, against the truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from .grading import mean_figures
from .metrics import boundary_accuracy, region_similarity

Labels = NDArray[np.integer]


def score_labels(
    labels: Sequence[Labels], truth: Sequence[Labels], prompted: Mapping[int, Collection[int]] | None = None
) -> dict[str, Any]:
    """Grade labels against the truth, object by object.

    Parameters
    ----------
    labels, truth : sequence of ndarray
        (Y, X) ids by frame, 0 for the background. An object keeps its id where the labels have all ids of the truth;
        otherwise each true object is compared with the one that overlaps it best, one for one.
    prompted : mapping, optional
        By id of the labels, its prompted frames, which are not graded.

    Returns
    -------
    dict
        ``J``, ``F`` and ``J&F``, means over the objects, and ``objects``: by id of the truth the same three, the
        ``label`` compared, ``None`` where there is none, and the ``frames`` graded.

    Raises
    ------
    ValueError
        If numbers or shapes of frames differ, or the truth is empty.
    """
    if len(labels) != len(truth) or any(a.shape != b.shape for a, b in zip(labels, truth, strict=True)):
        sizes = [f"{len(images)} frames of {images[0].shape}" for images in (labels, truth)]
        raise ValueError(f"results of {sizes[0]} cannot be compared with a truth of {sizes[1]}")
    partners = match_objects(labels, truth)
    objects: dict[int, dict[str, Any]] = {}
    for object_id, label in partners.items():
        skipped = (prompted or {}).get(label or 0, ())
        frames = [t for t in range(len(truth)) if t not in skipped] or list(range(len(truth)))
        pairs = [(_mask(labels[t], label), truth[t] == object_id) for t in frames]
        j = float(np.mean([region_similarity(*pair) for pair in pairs]))
        f = float(np.mean([boundary_accuracy(*pair) for pair in pairs]))
        figures = {"J": round(j, 4), "F": round(f, 4), "J&F": round((j + f) / 2, 4)}
        objects[object_id] = {**figures, "label": label, "frames": len(frames)}
    if not objects:
        raise ValueError("there is no object in the truth: its labels are all 0")
    return {**mean_figures(list(objects.values())), "objects": objects}


def match_objects(labels: Sequence[Labels], truth: Sequence[Labels]) -> dict[int, int | None]:
    """Find the label to compare with each true object: that of its id, or the one that overlaps it best."""
    own, true = (sorted({int(i) for image in images for i in np.unique(image)} - {0}) for images in (labels, truth))
    if set(true) <= set(own):
        return {i: i for i in true}
    # Pixels that each pair has in common, over all frames: rows for the truth, columns for the labels, 0 first.
    columns_of, rows_of = np.array([0, *own]), np.array([0, *true])
    table = np.zeros((len(rows_of), len(columns_of)), int)
    for image, wanted in zip(labels, truth, strict=True):
        np.add.at(table, (np.searchsorted(rows_of, wanted), np.searchsorted(columns_of, image)), 1)
    common = table[1:, 1:]
    union = table[1:].sum(axis=1)[:, None] + table[:, 1:].sum(axis=0)[None] - common
    rows, columns = linear_sum_assignment(-common / np.maximum(union, 1))
    found = {true[r]: own[c] for r, c in zip(rows, columns, strict=True) if common[r, c]}
    return {i: found.get(i) for i in true}


def _mask(image: Labels, label: int | None) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.zeros(image.shape, bool) if label is None else image == label
    return mask
