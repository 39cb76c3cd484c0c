"""What a policy keeps of an object on a frame, beyond its scores: where it lies, and its past in short."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.session.zoom.crop import Crop

# (y0, x0, y1, x1).
Box = tuple[float, float, float, float]
# How many of the last frames on which the object was seen a median is taken over.
_REMEMBERED = 10


@dataclass(frozen=True)
class Rivals:
    """How the candidates that the decoder did not choose differ from the one it chose."""

    # Least IoU of the chosen mask's box with that of the mask and the largest part of another that lies outside it.
    box_iou: float = 1.0
    # Largest Hausdorff distance to such a part, in equivalent diameters of the chosen mask.
    distance: float = 0.0
    # Predicted IoU of the chosen candidate over that of the second best.
    lead: float = 1.0


@dataclass(frozen=True)
class Motion:
    """Where an object's box is and where it goes: what a Kalman filter knows of it."""

    # x and y of the middle, aspect (width over height) and height, in frame pixels; and their changes a frame.
    place: tuple[float, ...]
    velocity: tuple[float, ...]
    # For each of the four, variance of the place, its covariance with the velocity, and variance of the velocity.
    spread: tuple[tuple[float, float, float], ...]
    # How many frames in a row went in, in which direction.
    stable: int
    step: int
    # IoU of the box seen with the one expected; ``None`` where nothing was expected yet.
    overlap: float | None = None


@dataclass(frozen=True)
class Observation:
    """An object on a frame; the rest of a pass follows from that of its last frame, so it is kept and saved."""

    # Of the mask, in frame pixels; no box where it is empty.
    box: Box | None = None
    area: float = 0.0
    # Of the last frames on which it was seen, this one included.
    areas: tuple[float, ...] = ()
    ious: tuple[float, ...] = ()
    # The last frame of the pass on which it was hidden, and the last prompt or anchor.
    hidden: int | None = None
    anchor: int | None = None
    # Frames in the long-term store.
    stored: tuple[int, ...] = ()
    motion: Motion | None = None
    # Only until the frame is remembered.
    rivals: Rivals | None = None

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_], view: Crop, *, iou: float) -> Observation:
        """Measure a mask, a grid over a crop; its past begins here."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls()
        cell_y, cell_x = view.height / mask.shape[0], view.width / mask.shape[1]
        box = (
            view.top + rows[0] * cell_y,
            view.left + columns[0] * cell_x,
            view.top + (rows[-1] + 1) * cell_y,
            view.left + (columns[-1] + 1) * cell_x,
        )
        area = float(np.count_nonzero(mask) * cell_y * cell_x)
        return cls(tuple(map(float, box)), area, areas=(area,), ious=(iou,))  # type: ignore[arg-type]

    def as_prompt(self, frame: int) -> Observation:
        """The same as the beginning of a pass: a prompt is an anchor."""
        return replace(self, anchor=frame, hidden=frame if self.box is None else None)

    def after(self, before: Observation, frame: int) -> Observation:
        """The same with the past of the frame before it in the pass."""
        return replace(
            self,
            areas=(*before.areas, *self.areas)[-_REMEMBERED:],
            ious=(*before.ious, *self.ious)[-_REMEMBERED:],
            hidden=frame if self.box is None else before.hidden,
            anchor=before.anchor,
        )


NOTHING_SEEN = Observation()


def box_iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(height, 0.0) * max(width, 0.0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (both - shared) if both > shared else 0.0
