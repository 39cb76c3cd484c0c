"""The results of all objects on a frame, collected from their memories for the user and for drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import max_pool2d

from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.config import Sam2Config
from napari_sam2.model.sam2 import NO_OBJECT_LOGIT
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.session.zoom.crop import Crop
from napari_sam2.session.zoom.crop_size import whole_if_none

from .frame_result import FrameResult
from .upsample import upsample_logits


def frame_result(
    frame: int, tracks: Sequence[ObjectTrack], *, config: Sam2Config, size: tuple[int, int]
) -> FrameResult:
    """Collect the latest results of objects on a frame.

    ``size``: (Y, X) of the frame in pixels.
    """
    # Rows of objects that are not known here keep these values: no mask, no scores.
    low_res = np.full((len(tracks), config.low_res_size, config.low_res_size), NO_OBJECT_LOGIT, np.float32)
    scores = np.full((2, len(tracks)), np.nan, np.float32)
    pointers = np.zeros((len(tracks), config.d_model), np.float32)
    views: list[Crop | None] = [None] * len(tracks)
    for row, track in enumerate(tracks):
        memory = track.result(frame)
        if memory is None or memory.low_res_bhw is None:
            continue
        # To the CPU and to float32, whatever the model runs on.
        low_res[row] = memory.low_res_bhw[0].cpu().numpy()
        scores[:, row] = memory.object_score_logit, memory.iou
        views[row] = memory.view
        pointers[row] = memory.pointer_bc[0].to("cpu", torch.float32).numpy()
    ids = tuple(track.object_id for track in tracks)
    return FrameResult(
        frame,
        ids,
        low_res_logits=low_res,
        object_score_logits=scores[0],
        ious=scores[1],
        object_pointers=pointers,
        size=size,
        views=tuple(views),
        prompted=frozenset(track.object_id for track in tracks if track.is_prompted(frame)),
    )


def live_tracks(frame: int, tracks: Iterable[ObjectTrack]) -> list[ObjectTrack]:
    """Select the objects whose mask on a frame is still kept as logits."""
    results = [(track, track.result(frame)) for track in tracks]
    return [track for track, memory in results if memory is not None and memory.low_res_bhw is not None]


class PixelBox(NamedTuple):
    """A rectangle of the frame in pixels, with one at least; the ends are excluded."""

    y0: int
    x0: int
    y1: int
    x1: int

    @classmethod
    def of(cls, rows: slice, columns: slice) -> PixelBox | None:
        """Make it of slices; ``None`` if one is empty."""
        return cls(rows.start, columns.start, rows.stop, columns.stop).meet()

    @classmethod
    def of_view(cls, view: Crop) -> PixelBox:
        """Make it of a crop."""
        return cls(view.top, view.left, view.top + view.height, view.left + view.width)

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.y1 - self.y0, self.x1 - self.x0

    def moved(self, down: int, right: int) -> PixelBox:
        """Move it by a number of pixels."""
        return PixelBox(self.y0 + down, self.x0 + right, self.y1 + down, self.x1 + right)

    def meet(self, *others: PixelBox) -> PixelBox | None:
        """Intersect it with others; ``None`` if nothing is left."""
        y0, x0, y1, x1 = zip(self, *others, strict=True)
        common = PixelBox(max(y0), max(x0), min(y1), min(x1))
        return common if common.y0 < common.y1 and common.x0 < common.x1 else None

    @classmethod
    def around(cls, boxes: Sequence[tuple[int, int, int, int]]) -> PixelBox | None:
        """Find the smallest rectangle around others; ``None`` if there are none."""
        if not boxes:
            return None
        y0, x0, y1, x1 = zip(*boxes, strict=True)
        return cls(min(y0), min(x0), max(y1), max(x1))


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """One object's mask on a frame, ready to be drawn."""

    # Its label.
    object_id: int
    # Its latest result there, with the logits.
    memory: FrameMemory
    # The prompt whose mask the user gave, which is drawn to the pixel in place of the logits.
    painted: Prompt | None
    # Whether the memory answers a prompt on the frame: then it wins over objects that have none.
    is_prompted: bool = False
    # How it came about, one of `SOURCES`; ``None`` where it answers a prompt that is gone.
    source: str | None = None

    def score_row(self, frame: int) -> ScoreRow:
        """The object's row of the score table, without measures of its mask."""
        score = float(expit(np.float32(self.memory.object_score_logit)))
        iou, logits = float(np.float32(self.memory.iou)), self.memory.logits_bhw
        return ScoreRow(frame, self.object_id, score, iou, sharpness=None if self.painted else _sharpness(logits))

    def reach(self, frame_size: tuple[int, int]) -> PixelBox | None:
        """Find a box that holds all pixels of the mask; ``None`` where it has none."""
        # A box is enough: it only limits the area that has to be drawn again.
        if self.painted is not None:
            return PixelBox.of(*self.painted.mask_bounds)
        # From positive cells of the grid to pixels of the crop, then of the frame.
        positive = (self.memory.logits_bhw[0] > 0).cpu().numpy()
        cells = PixelBox.of(*bounding_box(positive))
        if cells is None:
            return None
        view = whole_if_none(self.memory.view, frame_size)
        y0, y1 = _pixels_of_cells(cells.y0, cells.y1, view.height / positive.shape[0])
        x0, x1 = _pixels_of_cells(cells.x0, cells.x1, view.width / positive.shape[1])
        return PixelBox(y0, x0, y1, x1).moved(view.top, view.left).meet(PixelBox.of_view(view))

    def logits(self, area: PixelBox, frame_size: tuple[int, int]) -> tuple[PixelBox, NDArray[np.float32]] | None:
        """Upsample the logits in the part of an area in which they may be positive; ``None`` if there is none."""
        view = whole_if_none(self.memory.view, frame_size)
        # Compare crops first: most objects lie elsewhere, and their masks need not be read at all.
        if self.painted is None and area.meet(PixelBox.of_view(view)) is None:
            return None
        reach = self.reach(frame_size)
        if reach is None or (part := area.meet(reach)) is None:
            return None
        if self.painted is not None and self.painted.mask is not None:
            # Above any logit of the model: a painted mask keeps all its pixels.
            return part, np.where(self.painted.mask[part.crop], np.float32(np.inf), np.float32(-np.inf))
        seen = part.moved(-view.top, -view.left).crop
        return part, upsample_logits(self.memory.logits_bhw[0], view.size, seen)


def _pixels_of_cells(first: int, end: int, pixels: float) -> tuple[int, int]:
    """The pixels that positive cells ``first`` to ``end`` of a grid can make positive; a cell has ``pixels`` pixels."""
    # A pixel is interpolated between two cells: one reaches less than a cell, and a pixel, beyond its own.
    return math.floor((first - 1) * pixels) - 1, math.ceil((end + 1) * pixels) + 1


def object_masks(frame: int, tracks: Iterable[ObjectTrack]) -> list[ObjectMask]:
    """Collect the masks to be drawn on a frame, of the objects whose mask is still kept as logits."""
    masks = []
    for track in live_tracks(frame, tracks):
        memory, prompt = track.result(frame), track.prompts.get(frame)
        if memory is not None:
            painted = prompt if prompt is not None and prompt.mask is not None else None
            is_prompted = track.is_prompted(frame)
            masks.append(ObjectMask(track.object_id, memory, painted, is_prompted, _source(track, frame)))
    return masks


def _source(track: ObjectTrack, frame: int) -> str | None:
    """Say how an object's latest mask on a frame came about; ``None`` where it answers a prompt that is gone."""
    prompt = track.prompts.get(frame)
    if prompt is None:
        tracked = "filled" if track.fills.get(frame) == -1 else "tracked"
        return None if track.is_prompted(frame) else tracked
    if prompt.mask is not None:
        return "found" if prompt.is_found else "painted"
    return "boxed" if prompt.points is None else "clicked"


def contested_frames(track: ObjectTrack, others: Sequence[ObjectTrack], frames: Sequence[int]) -> list[int]:
    """The frames on which an object's mask may meet another's, so that only those need be drawn again."""
    contested = []
    for frame in frames:
        memory, prompt = track.result(frame), track.prompts.get(frame)
        rivals = [other.result(frame) for other in live_tracks(frame, others) if other is not track]
        if not rivals or memory is None or memory.low_res_bhw is None:
            continue
        # What the user painted may have parts too thin for the model's grid.
        painted = prompt is not None and prompt.mask is not None
        if painted or any(_may_meet(memory, rival) for rival in rivals if rival is not None):
            contested.append(frame)
    return contested


def _may_meet(one: FrameMemory, other: FrameMemory) -> bool:
    # Different grids cannot be compared cell by cell; it is safe to say yes when the crops share pixels.
    if one.view != other.view:
        return one.view is None or other.view is None or one.view.meets(other.view)
    # Resized to the frame, each of two masks grows by less than a cell of this grid.
    near = max_pool2d((one.logits_bhw > 0).float(), 5, stride=1, padding=2) > 0
    return bool(((other.logits_bhw > 0) & near).any())


def _sharpness(logits_bhw: Tensor) -> float:
    """IoU of the masks at logits 1 and -1; 1 where there is neither."""
    inner, outer = (int((logits_bhw > level).sum()) for level in (1.0, -1.0))
    return round(inner / outer, 4) if outer else 1.0
