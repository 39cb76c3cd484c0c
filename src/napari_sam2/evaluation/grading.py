"""Grades of objects and sequences: J, F and their mean, J after an absence, and switches to another object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .labelled_sequences import LabelledSequence
from .metrics import boundary_accuracy, region_similarity

Figures = dict[str, float]
Masks = dict[tuple[int, int], NDArray[np.bool_]]

# From so many frames without the object in a row on, it was gone.
GONE = 6
# From this IoU on, a mask lies on an object.
ON_OBJECT = 0.5


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


def similarity_after_return(
    sequence: LabelledSequence, object_id: int, masks: Mapping[int, NDArray[np.bool_]]
) -> float | None:
    """Mean J over the frames that show an object after it was first gone; ``None`` if it never came back."""
    missing, found, was_gone = 0, [], False
    nothing = np.zeros(sequence.labels.shape[1:], dtype=bool)
    for frame in range(sequence.prompt_frame(object_id) + 1, len(sequence.labels)):
        truth = sequence.truth(frame, object_id)
        missing = 0 if truth.any() else missing + 1
        was_gone |= missing >= GONE
        if was_gone and truth.any() and frame in sequence.graded:
            found.append(region_similarity(masks.get(frame, nothing), truth))
    return mean_known(found)


def identity_switches(sequence: LabelledSequence, object_id: int, masks: Mapping[int, NDArray[np.bool_]]) -> int:
    """How many times a track goes over to another labelled object than the one it was last on."""
    switches, own = 0, object_id
    for frame in sorted(masks):
        mask, labels = masks[frame], sequence.labels[frame]
        # Only an object that most of the mask lies on can be the one.
        ids, counts = np.unique(labels[mask], return_counts=True)
        if not len(ids) or not ids[counts.argmax()]:
            continue
        on = int(ids[counts.argmax()])
        if on != own and region_similarity(mask, labels == on) >= ON_OBJECT:
            switches, own = switches + 1, on
    return switches


def mean_known(values: Iterable[float | None]) -> float | None:
    """Average those that are known, to four digits; ``None`` if none is."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def mean_figures(figures: Sequence[Mapping[str, float]]) -> Figures:
    """Average J, F and J&F, to four digits; ``ValueError`` if there are none."""
    if not figures:
        raise ValueError("nothing was measured: no object is seen on half the labelled frames of its sequence, or on 8")
    return {key: round(float(np.mean([figure[key] for figure in figures])), 4) for key in ("J", "F", "J&F")}
