"""Models with random weights and noise for frames: the time does not depend on either."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.session import Session

VARIANTS = ("sam2_nano", "sam2.1_hiera_tiny")
# Enough for a full memory: a conditioning frame and six others.
WARM_FRAMES = 8


@pytest.fixture(scope="session", params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Sam2:
    torch.manual_seed(0)
    return build_sam2(CONFIGS[request.param]).requires_grad_(False)


def noise(num_frames: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, size, size, 3), dtype=np.uint8)


def tracking_session(model: Sam2, num_frames: int, num_objects: int) -> Session:
    """A session whose objects are prompted and whose memory is full."""
    session = Session(model, noise(num_frames, 256), fill_hole_area=0)
    for object_id in range(1, num_objects + 1):
        mask = np.zeros((256, 256), bool)
        mask[10 * object_id : 10 * object_id + 40, 60:120] = True
        session.add_mask(0, object_id, mask)
    for _ in session.propagate(max_frames=WARM_FRAMES):
        pass
    return session
