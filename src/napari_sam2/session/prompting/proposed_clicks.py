"""Automatic clicks: one for every object of an image, proposed by the model's centre head in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_sam2.model.centre_head import CENTRE_THRESHOLD, find_peaks
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.frame_encoder import resize_rgb8


@dataclass(frozen=True)
class ProposedClick:
    """A click, with the model's score and the size of the object."""

    # In pixels of the image.
    y: float
    x: float
    # Probability, 0..1, that an object's innermost pixel is here.
    score: float
    # Estimated distance to the object's rim, in pixels of the image.
    radius: float


@torch.inference_mode()
def propose_clicks(
    model: Sam2, image: NDArray[np.uint8], *, threshold: float = CENTRE_THRESHOLD
) -> list[ProposedClick]:
    """Propose a click for every object of an image, the surest first.

    ``image``: (Y, X, 3) uint8 from `to_rgb8`: a frame or a part of one.
    """
    size = model.config.image_size
    pixels = torch.from_numpy(resize_rgb8(image, size).copy()).permute(2, 0, 1)[None].to(model.device)
    maps = model.find_centres(model.encode_image(pixels))
    if maps is None:
        raise ValueError(f"{model.config.name} has no centre head: it proposes no clicks.")
    # From pixels of the input to those of the image; radii by the mean of both scales.
    (found,) = find_peaks(maps, threshold=threshold)
    height, width = (length / size for length in image.shape[:2])
    rows = torch.column_stack((found.points_nxy, found.scores_n, found.radii_n)).tolist()
    return [
        ProposedClick(y * height, x * width, score, radius * (height * width) ** 0.5) for x, y, score, radius in rows
    ]
