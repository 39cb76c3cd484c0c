"""A part of a stack that is tracked by itself, and its results put back in their place."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.scores import ScoreTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam2.data.prompts.prompt import Prompt

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placement:
    """Where the frames of a part lie in the whole stack.

    Attributes
    ----------
    frames : tuple of int
        For every frame of the part the frame of the whole it is; repeated slices come several times.
    crop : tuple of int
        (y0, x0, y1, x1) in pixels of the whole, the ends excluded.
    shape : tuple of int
        (T, Y, X) of the whole.
    """

    frames: tuple[int, ...]
    crop: Box
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, shape: tuple[int, int, int], crop: Box | None = None, every: Fraction | int = 1) -> Placement:
        """Choose a part.

        Parameters
        ----------
        shape : tuple of int
            (T, Y, X) of the whole.
        crop : tuple of int, optional
            (y0, x0, y1, x1); the whole frame by default.
        every : Fraction or int, default: 1
            3 takes every third frame, from the first on; 1/2 takes each frame twice.

        Returns
        -------
        Placement
            The part.

        Raises
        ------
        ValueError
            If the crop is empty or leaves the frame, or `every` is neither a whole number nor one over one.
        """
        ratio = Fraction(every)
        if ratio <= 0 or 1 not in (ratio.numerator, ratio.denominator):
            raise ValueError(f"every is a whole number (3: each third frame) or one over one (1/2: twice), not {every}")
        frames = [t for t in range(0, shape[0], ratio.numerator) for _ in range(ratio.denominator)]
        return cls(tuple(frames), _checked_crop(crop, shape), shape)

    @property
    def is_whole(self) -> bool:
        """Whether the part is all there is."""
        return self.crop == (0, 0, *self.shape[1:]) and self.frames == tuple(range(self.shape[0]))

    def frame_inside(self, frame: int) -> int:
        """Find a frame of the whole in the part.

        Parameters
        ----------
        frame : int
            Index in the whole.

        Returns
        -------
        int
            Index in the part, the first where the frame is repeated.

        Raises
        ------
        ValueError
            If it is left out; the message names its neighbours.
        """
        place = bisect_left(self.frames, frame)
        if place == len(self.frames) or self.frames[place] != frame:
            around = " and ".join(map(str, dict.fromkeys(self.frames[max(0, place - 1) : place + 1])))
            raise ValueError(f"frame {frame} is left out of the part that is tracked: take {around} instead")
        return place

    def prompt_inside(self, prompt: Prompt) -> Prompt:
        """Move a prompt from the whole into the part.

        Parameters
        ----------
        prompt : Prompt
            In frames and pixels of the whole.

        Returns
        -------
        Prompt
            In those of the part. A box or mask is cut at the edge; an empty mask, which says that the object is not
            there, stays one.

        Raises
        ------
        ValueError
            If its frame is left out, a point lies outside the crop, or nothing of the box or mask lies inside.
        """
        y0, x0, y1, x1 = self.crop
        frame = self.frame_inside(prompt.frame)
        points, box, mask = prompt.points, prompt.box, prompt.mask
        if points is not None:
            inside = (points >= (y0 - 0.5, x0 - 0.5)) & (points < (y1 - 0.5, x1 - 0.5))
            if not inside.all():
                y, x = points[~inside.all(axis=1)][0]
                raise ValueError(f"the point y={y:g}, x={x:g} is outside the crop {self.crop}")
            points = points - np.array((y0, x0), np.float32)
        if box is not None:
            box = (max(box[0], y0) - y0, max(box[1], x0) - x0, min(box[2], y1) - y0, min(box[3], x1) - x0)
            if box[0] >= box[2] or box[1] >= box[3]:
                raise ValueError(f"the box {prompt.box} is outside the crop {self.crop}")
        if mask is not None:
            mask = mask[y0:y1, x0:x1]
            if not (mask.any() or prompt.says_absent):
                raise ValueError(f"nothing of the mask lies inside the crop {self.crop}")
        return replace(prompt, frame=frame, points=points, box=box, mask=mask)

    def prompt_outside(self, prompt: Prompt) -> Prompt:
        """Move a prompt from the part into the whole.

        Parameters
        ----------
        prompt : Prompt
            In frames and pixels of the part.

        Returns
        -------
        Prompt
            In those of the whole.
        """
        y0, x0, _, _ = self.crop
        points, box, mask = prompt.points, prompt.box, prompt.mask
        if points is not None:
            points = points + np.array((y0, x0), np.float32)
        if box is not None:
            box = (box[0] + y0, box[1] + x0, box[2] + y0, box[3] + x0)
        if mask is not None:
            mask = self._pasted(mask)
        return replace(prompt, frame=self.frames[prompt.frame], points=points, box=box, mask=mask)

    def labels(self, labels: LabelStack) -> LabelStack:
        """Put label images back in place.

        Parameters
        ----------
        labels : LabelStack
            Of the part.

        Returns
        -------
        LabelStack
            Of the whole, background outside the crop. A frame that was left out between two that were tracked gets
            shapes halfway between theirs.
        """
        whole = LabelStack(self.shape, labels.dtype)
        done = self._done(labels)
        for frame, place in done.items():
            whole.set(frame, self._pasted(labels[place]))
        for before, after in _gaps(sorted(done), _stride(self.frames)):
            ends = labels[done[before]], labels[done[after]]
            for frame in range(before + 1, after):
                weight = (frame - before) / (after - before)
                whole.set(frame, self._pasted(blend_labels(*ends, weight)))
        return whole

    def scores(self, scores: ScoreTable) -> ScoreTable:
        """Put scores back in place.

        Parameters
        ----------
        scores : ScoreTable
            Of the part.

        Returns
        -------
        ScoreTable
            With frames and coordinates of the whole; frames that were left out have no rows.
        """
        y0, x0 = self.crop[:2]
        whole = ScoreTable()
        for row in scores:
            frame = self.frames[row.frame]
            if whole.get(frame, row.object_id) is None:
                centroid = row.centroid and (row.centroid[0] + y0, row.centroid[1] + x0)
                bbox = row.bbox and (row.bbox[0] + y0, row.bbox[1] + x0, row.bbox[2] + y0, row.bbox[3] + x0)
                whole.put(replace(row, frame=frame, centroid=centroid, bbox=bbox))
        return whole

    def _done(self, labels: LabelStack) -> dict[int, int]:
        """Map frames of the whole that were tracked to the first frame of the part that is it."""
        done: dict[int, int] = {}
        for place in labels.frames_done:
            done.setdefault(self.frames[place], place)
        return done

    def _pasted(self, image: NDArray[Any]) -> NDArray[Any]:
        y0, x0, y1, x1 = self.crop
        frame = np.zeros(self.shape[1:], image.dtype)
        frame[y0:y1, x0:x1] = image
        return frame


def blend_labels(before: NDArray[Any], after: NDArray[Any], weight: float) -> NDArray[Any]:
    """Draw the shapes between two label images.

    Each object's outline moves from its one place to the other by signed distance, so that a shape that grows grows
    evenly. An object that is on one image only is not drawn.

    Parameters
    ----------
    before, after : ndarray
        (Y, X) integers.
    weight : float
        0 for `before`, 1 for `after`.

    Returns
    -------
    ndarray
        (Y, X) of the type of `before`.
    """
    image = np.zeros_like(before)
    best = np.zeros(before.shape)
    for object_id in np.intersect1d(before[before > 0], after[after > 0]):
        first, second = before == object_id, after == object_id
        rows, columns = ndimage.find_objects((first | second).astype(np.uint8))[0]
        depth = (1 - weight) * _depth(first[rows, columns]) + weight * _depth(second[rows, columns])
        wins = depth > best[rows, columns]
        image[rows, columns][wins] = object_id
        best[rows, columns][wins] = depth[wins]
    return image


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance from the outline, positive inside; half a pixel on either side of it."""
    # Padded, so that the box that was cut out around the object counts as outside.
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded) - 0.5
    outside = ndimage.distance_transform_edt(~padded) - 0.5
    depth: NDArray[np.float64] = np.where(padded, inside, -outside)[1:-1, 1:-1]
    return depth


def _stride(frames: tuple[int, ...]) -> int:
    return max((b - a for a, b in pairwise(frames)), default=1)


def _gaps(done: list[int], stride: int) -> Iterator[tuple[int, int]]:
    """Give pairs of neighbours among the tracked frames with frames between them that were left out."""
    return ((a, b) for a, b in pairwise(done) if 1 < b - a <= stride)


def _checked_crop(crop: Box | None, shape: tuple[int, int, int]) -> Box:
    height, width = shape[1:]
    if crop is None:
        return (0, 0, height, width)
    y0, x0, y1, x1 = (int(edge) for edge in crop)
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ValueError(
            f"the crop {y0},{x0},{y1},{x1} (y0, x0, y1, x1) must be a box inside the frame of {height} x {width} pixels"
        )
    return (y0, x0, y1, x1)
