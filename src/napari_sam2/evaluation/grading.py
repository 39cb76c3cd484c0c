"""J, F and their mean of objects and sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .labelled_sequences import LabelledSequence
from .metrics import boundary_accuracy, region_similarity

Figures = dict[str, float]
Masks = dict[tuple[int, int], NDArray[np.bool_]]


def grade_object(sequence: LabelledSequence, object_id: int, masks: Mapping[int, NDArray[np.bool_]]) -> Figures:
    """Grade an object on all labelled frames but that of its first prompt.

    ``masks``: (Y, X) bool by frame; where there is none, nothing was found.
    """
    # A missing mask counts as an empty one.
    nothing = np.zeros(sequence.labels.shape[1:], dtype=bool)
    pairs = [(masks.get(t, nothing), sequence.truth(t, object_id)) for t in sequence.tracked_frames(object_id)]
    j = float(np.mean([region_similarity(mask, truth) for mask, truth in pairs]))
    f = float(np.mean([boundary_accuracy(mask, truth) for mask, truth in pairs]))
    return {"J": j, "F": f, "J&F": (j + f) / 2}


def similarity_where_seen(
    sequence: LabelledSequence, object_id: int, masks: Mapping[int, NDArray[np.bool_]]
) -> float | None:
    """Mean J as `grade_object` has it, but only over frames that show the object; ``None`` if none of them does."""
    nothing = np.zeros(sequence.labels.shape[1:], dtype=bool)
    truths = {t: sequence.truth(t, object_id) for t in sequence.tracked_frames(object_id)}
    return mean_known(region_similarity(masks.get(t, nothing), truth) for t, truth in truths.items() if truth.any())


def mean_known(values: Iterable[float | None]) -> float | None:
    """Average those that are known, to four digits; ``None`` if none is."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def mean_figures(figures: Sequence[Mapping[str, float]]) -> Figures:
    """Average J, F and J&F, to four digits; ``ValueError`` if there are none."""
    if not figures:
        raise ValueError("nothing was measured: no object is seen on half the labelled frames of its sequence, or on 8")
    return {key: round(float(np.mean([figure[key] for figure in figures])), 4) for key in ("J", "F", "J&F")}
