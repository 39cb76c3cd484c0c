"""Backgrounds of video edits: transparent, one colour, or the blurred frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .outlines import Color

# How strongly a background is blurred where nothing else is asked for, as a share of the frame's longer side.
USUAL_BLUR = 0.02


def cut_out(image: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Take the background away: (Y, X, 4), the last channel 255 on objects and 0 elsewhere."""
    alpha = np.where(labels > 0, np.uint8(255), np.uint8(0))
    # Hidden pixels are black as well: some players ignore transparency.
    return np.dstack([image * (alpha[..., None] > 0), alpha])


def on_colour(image: NDArray[np.uint8], labels: NDArray[Any], colour: Color) -> NDArray[np.uint8]:
    """Put one colour in place of the background."""
    return np.where(labels[..., None] > 0, image, np.array(colour, np.uint8))


def on_blur(image: NDArray[np.uint8], labels: NDArray[Any], blur: float) -> NDArray[np.uint8]:
    """Blur the background, by a share of the frame's longer side; what is blurred takes nothing from the objects."""
    radius = blur * max(image.shape[:2])
    outside = (labels == 0).astype(np.uint8)
    # Both are blurred, so that the average is one of the background's pixels only: objects shed no light around them.
    light, share = (
        np.asarray(Image.fromarray(part).filter(ImageFilter.GaussianBlur(radius)), np.float32)
        for part in (image * outside[..., None], outside * np.uint8(255))
    )
    ground = np.clip(255 * light / np.maximum(share, 1)[..., None], 0, 255).round().astype(np.uint8)
    return np.where(labels[..., None] > 0, image, ground)
