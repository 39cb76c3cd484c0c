"""Prompts put together of what a file says piece by piece: points, boxes and masks about an object on a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .prompt import Prompt, check_points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class _Pieces:
    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: tuple[float, float, float, float] | None = None
    mask: NDArray[np.bool_] | None = None


class PromptParts:
    """Pieces of prompts, by frame and object, in the order in which they are first named."""

    def __init__(self, source: object) -> None:
        self._source = source
        self._pieces: dict[tuple[int, int], _Pieces] = {}

    def add_point(self, frame: int, object_id: int, y: float, x: float, *, label: int = 1) -> None:
        """Add a point on the object, or with label 0 off it."""
        pieces = self._of(frame, object_id)
        pieces.points.append((y, x))
        pieces.labels.append(label)

    def add_box(self, frame: int, object_id: int, box: tuple[float, float, float, float]) -> None:
        """Add a box; one object has one box on a frame."""
        pieces = self._of(frame, object_id)
        if pieces.box is not None:
            raise ValueError(f"{self._source}: object {object_id} has two boxes on frame {frame}: leave one of them")
        pieces.box = box

    def add_mask(self, frame: int, object_id: int, mask: NDArray[np.bool_]) -> None:
        """Add a mask, together with those that are there."""
        pieces = self._of(frame, object_id)
        pieces.mask = mask if pieces.mask is None else pieces.mask | mask

    def prompts(self) -> list[Prompt]:
        """Make the prompts."""
        return [self._prompt(*key, pieces) for key, pieces in self._pieces.items()]

    def _of(self, frame: int, object_id: int) -> _Pieces:
        return self._pieces.setdefault((frame, object_id), _Pieces())

    def _prompt(self, frame: int, object_id: int, pieces: _Pieces) -> Prompt:
        try:
            points, labels = check_points(pieces.points, pieces.labels) if pieces.points else (None, None)
            return Prompt(frame, object_id, points, labels, pieces.box, pieces.mask)
        except ValueError as error:
            raise ValueError(f"{self._source}: object {object_id} on frame {frame}: {error}") from error
