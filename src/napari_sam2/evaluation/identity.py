"""Whether objects are found again after an absence, and whether tracks stay on their own object."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .grading import mean_known
from .labelled_sequences import LabelledSequence
from .metrics import region_similarity

# From so many frames without the object in a row on, it was gone.
GONE = 6
# From this IoU on, a mask lies on an object.
ON_OBJECT = 0.5


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
