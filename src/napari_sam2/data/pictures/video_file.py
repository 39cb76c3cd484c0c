"""Writing of video files: H.264, or lossless with transparency."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack

# Frames per second; the limits are those between which a stack's own rate can be watched.
_DEFAULT_RATE = 10.0
_SLOWEST, _FASTEST = 5.0, 120.0
# What every player shows; quality such that outlines stay sharp.
_H264 = {"crf": "18", "preset": "medium", "movflags": "+faststart"}


def frame_rate(stack: Stack) -> float:
    """Choose the frames per second to show a stack with: its own for videos, ten for slow time-lapses and z-stacks."""
    if stack.axis == "t" and stack.step and stack.step_unit == "s" and _SLOWEST <= 1 / stack.step <= _FASTEST:
        return 1 / stack.step
    return _DEFAULT_RATE


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], *, rate: float, codec: str = "libx264") -> None:
    """Write (Y, X, 3) or, for ``qtrle``, (Y, X, 4) uint8 frames of one shape at `rate` frames per second."""
    av = load_extra("av", "writing videos")
    lossless = codec == "qtrle"
    with av.open(str(path), "w") as container:
        # The stream takes its size from the first frame, so that any iterator will do.
        stream: Any = None
        for frame in frames:
            picture = frame if lossless else _even(frame)
            if stream is None:
                # Containers store rates as small fractions, such as 30000/1001 of television.
                fraction = Fraction(rate).limit_denominator(1001)
                stream = container.add_stream(codec, rate=fraction, options={} if lossless else dict(_H264))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "argb" if lossless else "yuv420p"
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgba" if lossless else "rgb24")
            container.mux(stream.encode(image))
        # The encoder still holds some frames back.
        if stream is not None:
            container.mux(stream.encode())


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    # H.264 shares colour between 2 x 2 pixels and refuses odd sides.
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
