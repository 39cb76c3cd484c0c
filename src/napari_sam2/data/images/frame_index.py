"""Checks of frame indices and other whole numbers."""

from __future__ import annotations

import operator

import numpy as np


def check_frame(frame: int, n_frames: int | None = None) -> int:
    """Return a frame index (from 0; NumPy integers too) as an int; ``ValueError`` if there is no such frame."""
    index = whole_number(frame, "a frame index")
    if index < 0 or (n_frames is not None and index >= n_frames):
        frames = "frames count from 0" if n_frames is None else f"the stack has frames 0 to {n_frames - 1}"
        raise ValueError(f"there is no frame {index}: {frames}")
    return index


def whole_number(value: object, what: str) -> int:
    """Check that a value is a whole number, as anything that counts must be."""
    # True is an int to Python, but a slip when it is meant to count something.
    if isinstance(value, bool | np.bool_):
        raise ValueError(f"{what} must be a whole number, not {value}")
    # Accepts NumPy integers and refuses floats, even whole ones: 2.0 is most often a rounding slip.
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"{what} must be a whole number, not {value!r}") from error
