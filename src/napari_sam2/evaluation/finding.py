"""Recall and precision of the clicks that a model proposes: each is answered, and its mask compared to the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.prompting.proposed_clicks import propose_clicks
from napari_sam2.session.session import Session

from .labelled_sequences import LabelledSequence
from .track_and_score import SessionFactory

FRAMES = 3
LEAST_IOU = 0.5


def evaluate_finding(
    model: Sam2,
    sequences: Iterable[LabelledSequence],
    *,
    session_factory: SessionFactory = Session,
    done: Callable[[str, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Propose clicks on up to three frames of each sequence, and answer each of them.

    Each of the report's ``sequences``, and their ``mean``, has ``recall``: the share of the objects with a mask of IoU
    0.5 or more, each mask counting for one; ``precision``: the share of the masks that have an object; ``on_object``:
    the share of the objects with a click inside.
    """
    reports: dict[str, dict[str, float]] = {}
    for sequence in sequences:
        # Evenly spread frames that show something.
        labelled = [t for t in sequence.graded if sequence.labels[t].any()]
        chosen = [labelled[i] for i in np.unique(np.linspace(0, len(labelled) - 1, FRAMES).round().astype(int))]
        counts = np.sum([_find(model, sequence, frame, session_factory=session_factory) for frame in chosen], axis=0)
        matched, clicked, proposed, true = (float(count) for count in counts)
        report = {
            "recall": round(matched / max(true, 1), 4),
            "precision": round(matched / max(proposed, 1), 4),
            "on_object": round(clicked / max(true, 1), 4),
            "objects": true,
        }
        reports[sequence.name] = report
        sequence.stack.close()
        if done is not None:
            done(sequence.name, report)
    if not reports:
        raise ValueError("no sequence to find objects in")
    mean = {key: round(float(np.mean([r[key] for r in reports.values()])), 4) for key in next(iter(reports.values()))}
    return {"model": model.config.name, "sequences": reports, "mean": mean}


def _find(
    model: Sam2, sequence: LabelledSequence, frame: int, *, session_factory: SessionFactory
) -> tuple[int, int, int, int]:
    """Objects with a mask, objects with a click, clicks, and objects."""
    image = to_rgb8(sequence.stack.read(frame), choose_window(sequence.stack))
    clicks, labels = propose_clicks(model, image), sequence.labels[frame]
    # Each click is an object of its own, as a user's would be.
    session = session_factory(model, sequence.stack)
    masks = []
    for object_id, click in enumerate(clicks, 1):
        result = session.add_points(frame, object_id, [(click.y, click.x)], [1])
        masks.append(result.masks[result.row(object_id)])
    # One mask for one object: the assignment of the largest summed IoU.
    ids = [int(i) for i in np.unique(labels) if i]
    under = {int(labels[int(click.y), int(click.x)]) for click in clicks} - {0}
    matched = 0
    if masks and ids:
        overlaps = np.array([[_iou(mask, labels == i) for i in ids] for mask in masks])
        matched = int((overlaps[linear_sum_assignment(overlaps, maximize=True)] >= LEAST_IOU).sum())
    return matched, len(under), len(clicks), len(ids)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 0.0
