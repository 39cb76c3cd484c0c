"""Conversion of pixels of any type to the 8-bit RGB that the model takes, with one contrast window per stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


# A hot pixel or a metal implant must not set the window, but nuclei that cover half a percent of the frame
# must: so a thousandth at either end.
_PERCENTILES = (0.1, 99.9)
# Enough for steady percentiles, and few enough to open a stack of terabytes at once.
_SAMPLED_FRAMES = 16
_SAMPLED_PIXELS = 2**18


class Frames(Protocol):
    """What a stack must offer for its contrast to be measured."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X), without the colour axis."""

    @property
    def is_rgb(self) -> bool:
        """Whether frames are in colour."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def read(self, frame: int) -> NDArray[Any]:
        """Fetch one frame."""

    def close(self) -> None:
        """Let go of open files."""


@dataclass(frozen=True)
class Window:
    """The range of pixel values that is stretched over 0..255."""

    # Values shown black and white; everything beyond is clipped.
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"contrast limits must be finite, not {self.low} and {self.high}")
        if self.high <= self.low:
            raise ValueError(f"the upper contrast limit ({self.high}) must be above the lower one ({self.low})")


def choose_window(stack: Frames, contrast_limits: Sequence[float] | None = None) -> Window | None:
    """Choose the one window a whole stack is mapped with.

    `contrast_limits` are the lowest and highest value to show. Without them the window runs from the
    0.1th to the 99.9th percentile of up to 16 frames spread over the stack, or from the lowest to the highest of their
    values where those percentiles are the same (a few bright spots on an even ground). None for uint8 RGB, which goes
    to the model unchanged whatever the limits.
    """
    if contrast_limits is not None and len(contrast_limits) != 2:
        raise ValueError(f"contrast limits are two numbers, low and high, not {contrast_limits}")
    if stack.is_rgb and stack.dtype == np.uint8:
        return None
    if contrast_limits is not None:
        return Window(float(contrast_limits[0]), float(contrast_limits[1]))
    # One window for all frames: measured frame by frame, brightness would flicker and mislead the memory of the model.
    values = _sample(stack)
    low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    # The percentiles coincide where fewer than a thousandth of the pixels differ: then the extremes decide.
    if high <= low:
        # A constant stack has no contrast to show; any width gives a valid window.
        high = low + max(1.0, abs(low))
    return Window(low, high)


def to_rgb8(frame: NDArray[Any], window: Window | None) -> NDArray[np.uint8]:
    """Turn a (Y, X) or (Y, X, 3) frame into the (Y, X, 3) uint8 image that the model takes.

    Without a window the values are left alone, which is for uint8 only. Grey frames get three equal channels.
    """
    if window is None:
        if frame.dtype != np.uint8:
            raise ValueError(f"a {frame.dtype} frame needs a window to become 8-bit")
        image = frame
    else:
        image = stretch(frame, window)
    # The encoder has three input channels whatever the image.
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    return np.ascontiguousarray(image)


def stretch(frame: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Map pixel values to brightness 0..255; values outside of the window are clipped, and NaN is black."""
    # float32 holds 16-bit values exactly; wider integers need float64.
    values = frame.astype(np.result_type(frame.dtype, np.float32))
    values -= window.low
    values *= 255 / (window.high - window.low)
    np.clip(values, 0, 255, out=values)
    np.rint(values, out=values)
    # One NaN would spread through the encoder over the whole frame.
    np.nan_to_num(values, copy=False, nan=0.0)
    return values.astype(np.uint8)


def _sample(stack: Frames) -> NDArray[np.float64]:
    """Collect pixels from frames spread evenly over the stack, the first and the last among them."""
    # Spread over the stack, because brightness fades over time and with depth.
    count = min(stack.shape[0], _SAMPLED_FRAMES)
    indices = np.linspace(0, stack.shape[0] - 1, count).round().astype(int)
    # An odd stride does not fall in step with patterns that repeat every two or four pixels.
    stride = math.ceil(math.sqrt(stack.shape[1] * stack.shape[2] / _SAMPLED_PIXELS)) | 1
    pixels, problems = [], []
    for index in indices:
        try:
            pixels.append(stack.read(int(index))[::stride, ::stride].ravel())
        except ValueError as error:
            # One bad frame must not keep the user from the others; it is reported when it is needed itself.
            problems.append(error)
    if not pixels:
        raise problems[0]
    values = np.concatenate(pixels).astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError(f"the frames {', '.join(map(str, indices))} hold nothing but NaN and infinite values")
    return values
