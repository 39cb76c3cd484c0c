"""All objects of a frame without a prompt: places to click on, masks proposed there, and a choice among them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam2.generators import finish
from napari_sam2.session.features.frame_encoder import FrameEncoder

from .choose import choose_objects
from .found_objects import FoundObjects, paint_objects
from .proposals.blobs import Blob, find_blobs
from .proposals.candidates import Candidate, make_candidates, without_ground
from .proposals.dim_objects import show_dim
from .proposals.level_sets import level_proposals
from .proposals.mask_proposals import proposing_masks

# Beside the blobs, places on a grid of so many rows and columns: what is large and uneven shows no blob.
_GRID = 8
# What is less sure is not worth showing: a mask that one place led to, and that is expected to be half right.
LEAST_SCORE = 0.1
# An object is like an example from half to twice its size, and where its features point the same way.
_SIZES, _SAME_WAY = (0.5, 2.0), 0.5


@dataclass(frozen=True)
class FindOptions:
    """Which objects are wanted."""

    # Areas in pixels.
    min_area: float = 0.0
    max_area: float = float("inf")
    min_score: float = LEAST_SCORE
    # (y0, x0, y1, x1) in pixels: where their middle is.
    region: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_area <= self.max_area:
            raise ValueError(f"areas go from min_area to max_area, got {self.min_area} to {self.max_area}")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score is a number from 0 to 1, got {self.min_score}")
        if self.region is not None and not (self.region[0] < self.region[2] and self.region[1] < self.region[3]):
            raise ValueError(f"region is (y0, x0, y1, x1) with y0 < y1 and x0 < x1, got {self.region}")

    def want(self, one: Candidate) -> bool:
        """Whether a candidate is one of them."""
        return self.min_area <= one.size <= self.max_area and one.score >= self.min_score and self.holds(*one.centre)

    def holds(self, y: float, x: float) -> bool:
        """Whether a place is in the region."""
        if self.region is None:
            return True
        y0, x0, y1, x1 = self.region
        return y0 <= y < y1 and x0 <= x < x1


class ObjectFinder:
    """Finds the objects of a session's frames."""

    def __init__(self, encoder: FrameEncoder) -> None:
        self.encoder = encoder
        self.frame_size = (encoder.stack.height, encoder.stack.width)

    def candidates(self, frame: int, options: FindOptions) -> list[Candidate]:
        """Masks that may be objects, the heaviest first; many overlap."""
        return finish(self.looking(frame, options))

    def looking(self, frame: int, options: FindOptions) -> Generator[float, None, list[Candidate]]:
        """Do as `candidates` does, in steps; yields the share that is done."""
        pixels = self.encoder.stack.read(frame)
        image = show_dim(pixels, self.encoder.window)
        grey = image.mean(axis=-1)
        places = (*_grid(self.frame_size), *find_blobs(grey))
        inside = [place for place in places if options.holds(place.y, place.x)]
        proposals = yield from proposing_masks(self.encoder.model, image, inside)
        levels = level_proposals(grey, proposals)
        proposals += [one for one in levels if options.holds(one.place.y, one.place.x)]
        made = make_candidates(proposals, pixels.reshape(*self.frame_size, -1).mean(axis=-1, dtype=np.float32))
        return [one for one in without_ground(made, grey) if options.want(one)]

    def finding(
        self, frame: int, options: FindOptions, *, like: tuple[int, NDArray[np.bool_]] | None = None
    ) -> Generator[float, None, FoundObjects]:
        """Find the objects of a frame; yields the share that is done.

        ``like``: a frame and the (Y, X) mask of an example on it.
        """
        made = yield from self.looking(frame, options)
        if like is not None:
            made = self._like(made, frame, like)
        (chosen,) = choose_objects([made], self.frame_size).objects
        return paint_objects(frame, [made[index] for index in chosen], self.frame_size)

    def _like(self, made: list[Candidate], frame: int, like: tuple[int, NDArray[np.bool_]]) -> list[Candidate]:
        size = np.count_nonzero(like[1])
        low, high = (factor * size for factor in _SIZES)
        sized = [one for one in made if low <= one.size <= high]
        if not sized:
            return []
        # Features without what all of the frame has in common: what tells objects apart is left.
        wanted = self._features(like[0], [np.nonzero(like[1])])[0]
        pixels = [
            tuple(axis + s.start for axis, s in zip(np.nonzero(one.mask), one.area, strict=True)) for one in sized
        ]
        return [one for one, f in zip(sized, self._features(frame, pixels), strict=True) if f @ wanted >= _SAME_WAY]

    def _features(self, frame: int, masks: list[tuple[NDArray[np.intp], ...]]) -> NDArray[np.float32]:
        """(masks, channels) mean features inside masks, given by their rows and columns, of length 1."""
        maps = self.encoder.encode(frame).s4_bchw[0].float().cpu().numpy()
        maps = maps - maps.mean(axis=(1, 2), keepdims=True)
        scale = np.divide(maps.shape[1:], self.frame_size)
        means = [
            maps[:, (rows * scale[0]).astype(int), (columns * scale[1]).astype(int)].mean(1) for rows, columns in masks
        ]
        features = np.array(means)
        return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6))


def _grid(frame_size: tuple[int, int]) -> list[Blob]:
    # Seen in the whole frame: of blobs this large, the window is.
    radius = max(frame_size) / 6
    rows, columns = ((np.arange(_GRID) + 0.5) / _GRID * length for length in frame_size)
    return [Blob(float(y), float(x), radius, 0.0) for y in rows for x in columns]
