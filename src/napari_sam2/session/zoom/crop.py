"""Crops of a frame, locations of objects, and resampling of masks and memory maps from one crop to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

# Share of a mask's pixels left out at each end when its extent is measured: specks do not count.
SPECKS = 0.01
# Logit of a mask outside the crop in which it was predicted: clearly background.
BEYOND_LOGIT = -10.0


@dataclass(frozen=True)
class Crop:
    """A rectangle of the frame that is squeezed into the model's input."""

    # In frame pixels; inside the frame.
    top: int
    left: int
    height: int
    width: int

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns of the frame."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    def holds(self, y0: float, x0: float, y1: float, x1: float) -> bool:
        """Whether a rectangle of the frame lies inside."""
        bottom, right = self.top + self.height, self.left + self.width
        return self.top <= y0 and self.left <= x0 and y1 <= bottom and x1 <= right

    def meets(self, other: Crop) -> bool:
        """Whether two crops share a pixel."""
        rows = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        columns = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        return rows > 0 and columns > 0


def whole(frame_size: tuple[int, int]) -> Crop:
    """View of a whole frame of (Y, X) pixels."""
    return Crop(0, 0, *frame_size)


@dataclass(frozen=True)
class ObjectLocation:
    """Where an object is on a frame, or is thought to be."""

    # Middle of its bounding box in frame pixels.
    y: float
    x: float
    # Longer side of the box in pixels; grows while the object is hidden.
    extent: float

    @property
    def middle(self) -> tuple[float, float]:
        """(y, x)."""
        return self.y, self.x

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(y0, x0, y1, x1) of a square around it."""
        half = self.extent / 2
        return self.y - half, self.x - half, self.y + half, self.x + half


def place_of_box(y0: float, x0: float, y1: float, x1: float) -> ObjectLocation:
    """The location of a bounding box in frame pixels; at least one pixel in extent."""
    return ObjectLocation((y0 + y1) / 2, (x0 + x1) / 2, max(y1 - y0, x1 - x0, 1.0))


def place_of_mask(mask: NDArray[np.bool_], view: Crop) -> ObjectLocation | None:
    """Find where a mask lies.

    ``mask``: (h, w) bool, a grid of any size over the crop.
    Returns it in frame pixels, a few specks left out; ``None`` for an empty mask.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    # Quantiles instead of extremes: a few stray pixels must not make the crop larger.
    ends = (SPECKS, 1 - SPECKS)
    cell_y, cell_x = view.height / mask.shape[0], view.width / mask.shape[1]
    # From cells to pixels; the last cell is included in full.
    y0, y1 = np.quantile(rows, ends) * cell_y + view.top
    x0, x1 = np.quantile(columns, ends) * cell_x + view.left
    return place_of_box(float(y0), float(x0), float(y1 + cell_y), float(x1 + cell_x))


def cut_off(mask: NDArray[np.bool_], view: Crop, frame_size: tuple[int, int]) -> bool:
    """Whether a mask, a grid over a crop, reaches an edge of the crop beyond which the frame goes on; specks do not."""
    # An edge of the frame itself cuts nothing off that could be seen in a larger crop.
    edges = (
        (view.top > 0, mask[0]),
        (view.left > 0, mask[:, 0]),
        (view.top + view.height < frame_size[0], mask[-1]),
        (view.left + view.width < frame_size[1], mask[:, -1]),
    )
    least = SPECKS * np.count_nonzero(mask)
    return any(goes_on and np.count_nonzero(edge) > least for goes_on, edge in edges)


def align(map_bchw: Tensor, source: Crop, target: Crop, *, moved: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Resample a map made in one crop to the grid of another.

    ``map_bchw``: (objects, channels, h, w) over ``source``.
    ``moved``: how far, in pixels down and to the right, what the map shows has gone since.
    Returns the same shape over ``target``. Where the crops differ by whole cells, values are moved as they are;
    otherwise they are interpolated. Beyond the source, its border values are repeated.
    """
    if source == target and moved == (0.0, 0.0):
        return map_bchw
    axes = []
    for length, start, span, begin, reach in (
        (map_bchw.shape[-2], target.top - moved[0], target.height, source.top, source.height),
        (map_bchw.shape[-1], target.left - moved[1], target.width, source.left, source.width),
    ):
        # Middles of the target's cells in the source's coordinates, -1 to 1 from edge to edge; float64, so that cells
        # that coincide stay exact.
        centres = (torch.arange(length, dtype=torch.float64) + 0.5) / length
        axes.append(((start + centres * span - begin) / reach * 2 - 1).float())
    grid_yx = torch.stack(torch.meshgrid(axes[1], axes[0], indexing="xy"), dim=-1).to(map_bchw.device)
    resampled = F.grid_sample(
        map_bchw.float(),
        grid_yx.expand(len(map_bchw), -1, -1, -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return resampled.to(map_bchw.dtype)


def off_by(source: Crop, target: Crop, *, moved: tuple[float, float], cell: tuple[float, float]) -> tuple[float, float]:
    """How many cells apart what has moved by some pixels lies in two crops of one size: rows and columns."""
    down, across = target.top - source.top - moved[0], target.left - source.left - moved[1]
    return abs(down) / cell[0], abs(across) / cell[1]


def cell_centres(view: Crop, shape: Sequence[int], device: torch.device) -> list[Tensor]:
    """Rows (h,) and columns (w,) of the middles of the cells of an (h, w) grid over a crop, in frame pixels."""
    axes = zip(shape, (view.top, view.left), view.size, strict=True)
    return [start + (torch.arange(cells, device=device) + 0.5) / cells * length for cells, start, length in axes]


def align_logits(logits_bkhw: Tensor, source: Crop, target: Crop) -> Tensor:
    """Resample mask logits like `align`, but with background beyond the source.

    ``logits_bkhw``: (objects, masks, h, w) over ``source``.
    ``source``, ``target``: the crop of the logits and the one wanted. Returns the same shape over ``target``.
    """
    if source == target:
        return logits_bkhw
    y, x = cell_centres(target, logits_bkhw.shape[-2:], logits_bkhw.device)
    rows = (y >= source.top) & (y <= source.top + source.height)
    columns = (x >= source.left) & (x <= source.left + source.width)
    return torch.where(rows[:, None] & columns, align(logits_bkhw, source, target), BEYOND_LOGIT)
