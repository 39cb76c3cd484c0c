"""Frames that deserve a look, each with its reason: pure functions over what is known of an object's results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .result_store import DOUBTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .result_store import ResultStore

WORTH, MIXED = "worth", "mixed"
# What the user can choose from; the first is the default.
DOUBT_KINDS = {
    WORTH: "most to gain",
    MIXED: "all reasons",
    **DOUBTS,
    "division": "divides",
    "pieces": "falls into pieces",
    "jump": "jumps",
    "border": "touches the border",
    "overlap": "overlaps another",
}
# From these on a frame is doubtful: confidence, shape quality (both 0 to 1); growth of area, as a ratio; way of the
# centre, in diameters of the object; common part of two boxes. The last three must be unusual for the object, too.
_SURE, _GOOD_SHAPE, _GROWTH, _WAY, _COMMON = 0.9, 0.6, 1.5, 0.75, 0.5
_UNUSUAL = 4.0


@dataclass(frozen=True)
class Doubt:
    """A frame that deserves a look."""

    frame: int
    # For the user.
    reason: str
    # 0 for none, rising.
    weight: float
    # Whom it is about, where that is not the object asked for.
    object_id: int | None = None


def next_correction(results: ResultStore) -> Doubt | None:
    """The frame of any object where a correction is expected to bring most, of those not gone to yet."""
    found = results.review.next()
    if found is None:
        return None
    frame, object_id = found.frame, found.object_id
    doubts = [one for measure in _MEASURES.values() for one in measure(results, object_id) if one.frame == frame]
    worst = max(doubts, key=lambda doubt: doubt.weight, default=None)
    expected = results.review.expected(frame, object_id) or 0.0
    reason = f"expected overlap {expected:.2f}" + (f", {worst.reason}" if worst else "")
    return Doubt(frame, reason, found.worth, object_id)


def find_doubts(results: ResultStore, object_id: int, kind: str = MIXED) -> list[Doubt]:
    """Doubtful frames of an object, the most doubtful first.

    Mixed reasons leave out frames that the user prompted or accepted, and name one frame of each bad stretch.
    """
    if kind in DOUBTS:
        return [_named(results, object_id, frame, kind) for frame in results.doubtful(object_id, kind)]
    # Divisions are those of all objects: `ResultStore.open_divisions`.
    found = [doubt for name in _MEASURES if kind in (MIXED, name) for doubt in _MEASURES[name](results, object_id)]
    seen = {*results.state.prompted.get(object_id, ()), *results.accepted.frames_done}
    worst = _worst_of_stretches([doubt for doubt in found if kind != MIXED or doubt.frame not in seen])
    if not worst and kind == MIXED:
        # Nothing stands out: by confidence, so that the button always leads somewhere.
        return [_named(results, object_id, frame, "score") for frame in results.doubtful(object_id, "score")]
    return worst


def _worst_of_stretches(doubts: Iterable[Doubt]) -> list[Doubt]:
    # Of a frame with several reasons the gravest counts, and of frames in a row one.
    by_frame: dict[int, Doubt] = {}
    for doubt in doubts:
        if doubt.frame not in by_frame or doubt.weight > by_frame[doubt.frame].weight:
            by_frame[doubt.frame] = doubt
    stretches: list[list[Doubt]] = []
    for frame in sorted(by_frame):
        if stretches and stretches[-1][-1].frame == frame - 1:
            stretches[-1].append(by_frame[frame])
        else:
            stretches.append([by_frame[frame]])
    worst = [max(stretch, key=lambda doubt: doubt.weight) for stretch in stretches]
    return sorted(worst, key=lambda doubt: (-doubt.weight, doubt.frame))


def _named(results: ResultStore, object_id: int, frame: int, kind: str) -> Doubt:
    column, noun = {"score": ("object_score", "confidence"), "iou": ("predicted_iou", "shape quality")}.get(
        kind, ("area", "area")
    )
    value = results.series(object_id, column)[frame]
    text = f"{value:.0f} pixels, after a sudden change" if kind == "area" else f"{value:.2f}"
    return Doubt(frame, f"{noun} {text}", 0.0)


def _low_scores(results: ResultStore, object_id: int) -> list[Doubt]:
    score = results.series(object_id, "object_score")
    low = np.flatnonzero(score < _SURE)
    return [Doubt(int(t), f"confidence {score[t]:.2f}", (_SURE - score[t]) / _SURE) for t in low]


def _poor_shapes(results: ResultStore, object_id: int) -> list[Doubt]:
    quality, area = results.series(object_id, "predicted_iou"), results.series(object_id, "area")
    poor = np.flatnonzero((quality < _GOOD_SHAPE) & (area > 0))
    return [Doubt(int(t), f"shape quality {quality[t]:.2f}", (_GOOD_SHAPE - quality[t]) / _GOOD_SHAPE) for t in poor]


def _area_changes(results: ResultStore, object_id: int) -> list[Doubt]:
    area = results.series(object_id, "area")
    seen = np.where(area > 0, area, np.nan)
    change = np.full(len(area), np.nan)
    change[1:] = results.within_volumes(np.diff(np.log(seen)))
    size = np.abs(change)
    found = np.flatnonzero((size > np.log(_GROWTH)) & (size > _UNUSUAL * _typical(size)))
    return [
        Doubt(int(t), f"area {'grows' if change[t] > 0 else 'shrinks'} {np.exp(size[t]):.1f} times at once",
              min(size[t] / np.log(4), 1.0))
        for t in found
    ]  # fmt: skip


def _jumps(results: ResultStore, object_id: int) -> list[Doubt]:
    centres, area = results.centres(object_id), results.series(object_id, "area")
    way = np.full(len(area), np.nan)
    way[1:] = results.within_volumes(np.hypot(*np.diff(centres, axis=0).T))
    with np.errstate(invalid="ignore", divide="ignore"):
        diameters = way / np.sqrt(area * 4 / np.pi)
    found = np.flatnonzero((diameters > _WAY) & (way > _UNUSUAL * _typical(way)))
    return [Doubt(int(t), f"jumps by {way[t]:.0f} pixels", min(diameters[t] / 2, 1.0)) for t in found]


def _pieces(results: ResultStore, object_id: int) -> list[Doubt]:
    pieces = results.pieces(object_id)
    usual = max(np.nanmedian(pieces), 1.0) if np.isfinite(pieces).any() else 1.0
    more = np.flatnonzero(pieces > usual)
    return [Doubt(int(t), f"falls into {pieces[t]:.0f} pieces", min(0.3 + 0.1 * pieces[t], 0.9)) for t in more]


def _at_border(results: ResultStore, object_id: int) -> list[Doubt]:
    boxes = results.boxes(object_id)
    first, last = np.array(results.origin), np.add(results.origin, results.shape[1:])
    with np.errstate(invalid="ignore"):
        touches: NDArray[np.bool_] = np.any(np.hstack((boxes[:, :2] <= first, boxes[:, 2:] >= last)), axis=1)
    known = np.isfinite(boxes[:, 0])
    # Where it comes to the border or leaves it; an object that lies there all the time is cut off by the image.
    comes = touches[1:] & ~touches[:-1] & known[:-1]
    return [Doubt(int(t) + 1, "touches the border", 0.25) for t in np.flatnonzero(comes)]


def _overlaps(results: ResultStore, object_id: int) -> list[Doubt]:
    boxes, doubts = results.boxes(object_id), []
    for other in results.object_ids:
        if other != object_id:
            common = _common_part(boxes, results.boxes(other))
            found = np.flatnonzero(common > _COMMON)
            doubts += [Doubt(int(t), f"lies on object {other}", float(common[t])) for t in found]
    return doubts


def _common_part(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) intersection over union of two lists of boxes, (n, 4); NaN where one is missing."""
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    common = np.clip(sides, 0, None).prod(1)
    union = sum((box[:, 2:] - box[:, :2]).prod(1) for box in (boxes, others)) - common
    with np.errstate(invalid="ignore", divide="ignore"):
        part: NDArray[np.float64] = common / union
    return part


def _typical(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


_MEASURES = {
    "score": _low_scores,
    "iou": _poor_shapes,
    "area": _area_changes,
    "jump": _jumps,
    "pieces": _pieces,
    "border": _at_border,
    "overlap": _overlaps,
}
