"""Settings of drawn clips, and clips themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .imaging import Imaging
from .textures import Field

KINDS = ("shapes", "cells", "slices", "endoscope", "natural")
# Drawn only where it is asked for: look-alikes that cross and are gone for a while, which takes long clips.
ABSENCES = "absences"


@dataclass(frozen=True)
class Clip:
    """A rendered clip and the truth about it."""

    # (T, Y, X, 3) uint8.
    frames: NDArray[np.uint8]
    # (T, Y, X) uint8: 0 for background, one id per object throughout the clip. Only visible pixels are labelled.
    labels: NDArray[np.uint8]
    # Whether every object has a label.
    complete: bool = True


@dataclass(frozen=True)
class SceneSettings:
    """What to render."""

    # Rows and columns of a frame.
    size: tuple[int, int] = (256, 256)
    # Frames of the clip.
    n_frames: int = 8
    # One of `KINDS`, or `ABSENCES`; one of the former is drawn at random if None.
    kind: str | None = None
    # Factor for the speed of objects and camera, 1 for the usual range.
    motion: float = 1.0
    # Factor for blur, noise and flicker; 0 is a perfect instrument.
    noise: float = 1.0
    # Share of the surfaces of "shapes" and "natural" that are cut out of photographs, 0 to 1; the rest is drawn.
    photographs: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be rendered."""
        if min(self.size) < 16:
            raise ValueError(f"size={self.size} is too small to draw in; give at least (16, 16).")
        if self.n_frames < 1:
            raise ValueError(f"n_frames={self.n_frames} leaves nothing to render; give at least 1.")
        if self.kind is not None and self.kind not in (*KINDS, ABSENCES):
            raise ValueError(
                f"kind={self.kind!r} is not a kind of scene; choose one of {', '.join((*KINDS, ABSENCES))}."
            )
        if self.motion < 0 or self.noise < 0:
            raise ValueError(f"motion={self.motion} and noise={self.noise} must not be negative.")
        if not 0 <= self.photographs <= 1:
            raise ValueError(f"photographs={self.photographs} is a share; give 0 to 1.")


@dataclass(frozen=True)
class DrawnScene:
    """A scene before it is photographed."""

    # (T, Y, X, channels) float32, about 0..1; channels is 1 or 3.
    frames: Field
    # (T, Y, X) uint8.
    labels: NDArray[np.uint8]
    # The instrument.
    imaging: Imaging
