"""Features are made once and kept within the budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2.data.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.feature_cache import FrameEncoder, feature_bytes, resize_rgb8

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def stack(frames: np.ndarray) -> Stack:
    return Stack.from_array(frames)


def test_features_are_those_of_the_model(model: Sam2, frames: np.ndarray, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack, contrast_limits=(0, 255))
    features = encoder.encode(3)
    rgb = np.asarray(Image.fromarray(frames[3]).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB"))
    expected = model.encode_image(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None])
    for ours, theirs in zip(vars(features).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not ours.requires_grad
    assert features.s16_bchw.shape == (1, 64, 4, 4)
    assert features.s8_bchw.shape == (1, 16, 8, 8)
    assert features.s4_bchw.shape == (1, 8, 16, 16)


def test_the_latest_features_within_the_budget_are_kept(model: Sam2, stack: Stack) -> None:
    one = feature_bytes(FrameEncoder(model, stack).encode(0))
    assert one == 4 * (64 * 16 + 16 * 64 + 8 * 256)
    encoder = FrameEncoder(model, stack, cache_bytes=3 * one)
    for frame in (0, 1, 2, 0, 3):  # 1 is now the one used longest ago
        encoder.encode(frame)
    assert encoder.frames_encoded == 4
    kept = encoder.encode(0)
    assert encoder.encode(0) is kept
    encoder.encode(2)
    encoder.encode(3)
    assert encoder.frames_encoded == 4
    encoder.encode(1)
    assert encoder.frames_encoded == 5
    encoder.clear()
    encoder.encode(1)
    assert encoder.frames_encoded == 6


def test_the_last_features_are_kept_whatever_the_budget(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack, cache_bytes=0)
    assert encoder.encode(5) is encoder.encode(5)
    encoder.encode(6)
    encoder.encode(5)
    assert encoder.frames_encoded == 3


def test_the_window(model: Sam2, stack: Stack, frames: np.ndarray) -> None:
    assert FrameEncoder(model, stack, contrast_limits=(10, 20)).window.low == 10
    chosen = FrameEncoder(model, stack).window
    assert frames.min() <= chosen.low < chosen.high <= frames.max()
    colour = Stack.from_array(np.repeat(frames[..., None], 3, axis=-1))
    assert FrameEncoder(model, colour).window is None
    with pytest.raises(ValueError, match="above"):
        FrameEncoder(model, stack, contrast_limits=(20, 10))


def test_frames_that_fail_leave_nothing_behind(model: Sam2, frames: np.ndarray) -> None:
    values = frames.astype(np.float32)
    values[2] = np.inf
    encoder = FrameEncoder(model, Stack.from_array(values), contrast_limits=(0, 255))
    for _ in range(2):
        with pytest.raises(ValueError, match="frame 2 holds 2688 values"):
            encoder.encode(2)
    assert encoder.frames_encoded == 0
    values[2] = 0
    encoder.encode(2)
    assert encoder.frames_encoded == 1


def test_resizing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 50, 3), dtype=np.uint8)
    out = resize_rgb8(image, 32)
    assert (out.shape, out.dtype) == ((32, 32, 3), np.uint8)
    assert resize_rgb8(out, 32) is out
    # A flat picture stays flat.
    assert (resize_rgb8(np.full((7, 90, 3), 77, np.uint8), 64) == 77).all()
