"""Features are made once and kept within the budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.model.config import CONFIGS, InferenceOptions
from napari_sam2.model.sam2 import ImageFeatures, Sam2, build_sam2
from napari_sam2.session.features.frame_encoder import (
    FrameEncoder,
    convert,
    default_cache_bytes,
    feature_bytes,
    feature_dtype,
    resize_rgb8,
)
from napari_sam2.session.zoom.crop import Crop

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def stack(frames: np.ndarray) -> Stack:
    return Stack.from_array(frames)


@pytest.fixture
def exact_model(model: Sam2) -> Sam2:
    exact = build_sam2(model.config, InferenceOptions("exact")).requires_grad_(False)
    exact.load_state_dict(model.state_dict())
    return exact


def numbers(features: ImageFeatures) -> list[np.ndarray]:
    return [x.float().numpy() for x in vars(features).values()]


@torch.no_grad()
def test_features_are_those_of_the_model(exact_model: Sam2, frames: np.ndarray, stack: Stack) -> None:
    features = FrameEncoder(exact_model, stack, contrast_limits=(0, 255)).encode(3)
    rgb = np.asarray(Image.fromarray(frames[3]).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB"))
    expected = exact_model.encode_image(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None])
    for ours, theirs in zip(vars(features).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not ours.requires_grad
    assert features.s16_bchw.shape == (1, 64, 4, 4)
    assert features.s8_bchw.shape == (1, 16, 8, 8)
    assert features.s4_bchw.shape == (1, 8, 16, 16)


@torch.no_grad()
def test_a_smaller_input_is_kept_beside_the_usual_one(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack)
    usual, small = encoder.encode(3), encoder.encode(3, size=32)
    assert usual.s16_bchw.shape[-1] == 2 * small.s16_bchw.shape[-1]
    assert encoder.encode(3, size=model.config.image_size).s16_bchw.equal(usual.s16_bchw)
    assert encoder.encode(3, size=32).s16_bchw.equal(small.s16_bchw)
    assert encoder.frames_encoded == 2


@torch.no_grad()
def test_features_are_rounded_from_the_beginning(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack)
    fresh, kept = numbers(encoder.encode(2)), numbers(encoder.encode(2))
    assert encoder.frames_encoded == 1
    pixels = torch.from_numpy(resize_rgb8(encoder.look(2), 64).copy())
    whole = numbers(model.encode_image(pixels.permute(2, 0, 1)[None]))
    for ours, again, theirs in zip(fresh, kept, whole, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, again)
        np.testing.assert_array_equal(ours, theirs.astype(np.float16).astype(np.float32))
        assert (ours != theirs).any()


def test_numbers_too_large_for_half_precision_stay_finite() -> None:
    maps = [torch.tensor([[-1e9, 0.1], [7e4, 1]]).view(1, 2, 1, 2).permute(0, 3, 1, 2)] * 3
    for x in vars(convert(ImageFeatures(*maps), torch.float16)).values():
        assert x.flatten().tolist() == [-65504, 65504, float(np.float16(0.1)), 1]
    for x in vars(convert(ImageFeatures(*maps), torch.float32)).values():
        assert x is maps[0]


@pytest.mark.parametrize("preset", ["exact", "balanced"])
def test_sizes(model: Sam2, exact_model: Sam2, stack: Stack, preset: str) -> None:
    model = exact_model if preset == "exact" else model
    bytes_each = 4 if preset == "exact" else 2
    assert feature_bytes(model.config, feature_dtype(model)) == bytes_each * (64 * 16 + 16 * 64 + 8 * 256)
    encoder = FrameEncoder(model, stack)
    encoder.encode(0)
    held = [x for features in encoder._features.values() for x in vars(features).values()]
    assert sum(x.numel() * x.element_size() for x in held) == feature_bytes(model.config, feature_dtype(model))
    assert feature_dtype(build_sam2(model.config).bfloat16()) is torch.bfloat16


def test_by_default_many_frames_of_a_small_model_fit_and_some_of_a_large_one() -> None:
    nano, large = CONFIGS["sam2_nano"], CONFIGS["sam2.1_hiera_large"]
    assert default_cache_bytes(nano, torch.float16) == 48 * 2**20
    assert 48 * 2**20 // feature_bytes(nano, torch.float16) >= 80
    assert default_cache_bytes(large, torch.float32) == 6 * 4 * 4 * 256 * 64 * 64


def test_the_latest_features_within_the_budget_are_kept(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack, cache_bytes=3 * feature_bytes(model.config, torch.float16))
    for frame in (0, 1, 2, 0, 3):  # 1 is now the one used longest ago
        encoder.encode(frame)
    assert encoder.frames_encoded == 4
    for frame in (0, 2, 3):
        encoder.encode(frame)
    assert encoder.frames_encoded == 4
    encoder.encode(1)
    assert encoder.frames_encoded == 5
    encoder.clear()
    encoder.encode(1)
    assert encoder.frames_encoded == 6


def test_parts_of_a_frame_are_kept_apart(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack)
    views = [None, Crop(0, 0, 20, 20), Crop(4, 0, 20, 20)]
    first = [numbers(encoder.encode(1, view)) for view in views]
    again = [numbers(encoder.encode(1, view)) for view in views]
    assert encoder.frames_encoded == 3
    np.testing.assert_equal(first, again)
    assert (first[1][0] != first[2][0]).any()


@torch.no_grad()
@pytest.mark.parametrize("cache_bytes", [0, None])
def test_parts_encoded_together_are_as_those_encoded_alone(
    model: Sam2, stack: Stack, cache_bytes: int | None, tmp_path: Path
) -> None:
    views = [Crop(0, 0, 20, 20), None, Crop(4, 0, 20, 30), Crop(0, 0, 20, 20)]
    one = FrameEncoder(model, stack, cache_bytes=cache_bytes)
    expected = [numbers(one.encode(1, view)) for view in views]
    for folder in (None, tmp_path, tmp_path):
        encoder = FrameEncoder(model, stack, cache_bytes=cache_bytes, cache_folder=folder)
        if folder is None:
            encoder.encode(1, views[2])
        for maps in zip(*expected, numbers(encoder.encode_views(1, views)), strict=True):
            for index in range(4):
                np.testing.assert_allclose(maps[4][index], maps[index][0], rtol=0, atol=1e-3)
    # The last took everything from disk; the first had one of the three different parts already.
    assert encoder.frames_encoded == 0
    assert one.frames_encoded == (4 if cache_bytes == 0 else 3)
    held = [x for features in encoder._features.values() for x in vars(features).values()]
    assert sum(x.untyped_storage().nbytes() for x in held) == len(encoder._features) * 2 * (64 * 16 + 16 * 64 + 8 * 256)


def test_what_was_encoded_ahead_is_used_for_the_same_batch_alone(model: Sam2, stack: Stack) -> None:
    one, other = FrameEncoder(model, stack), FrameEncoder(model, stack)
    views = [Crop(0, 0, 20, 20), None]
    other.encode_ahead(1, [views, [Crop(4, 0, 20, 30)]])
    assert other.frames_encoded == 3
    np.testing.assert_equal(numbers(other.encode_views(1, views)), numbers(one.encode_views(1, views)))
    assert other.frames_encoded == 3
    # One of them alone may round in another way.
    other.encode_ahead(2, [views])
    np.testing.assert_equal(numbers(other.encode(2)), numbers(one.encode(2)))
    assert other.frames_encoded == 3 + 2 + 1


def test_the_last_features_are_kept_whatever_the_budget(model: Sam2, stack: Stack) -> None:
    encoder = FrameEncoder(model, stack, cache_bytes=0)
    for frame in (5, 5, 6, 5):
        encoder.encode(frame)
    assert encoder.frames_encoded == 3


def session_with_two_objects(model: Sam2, frames: np.ndarray, **options: Any) -> Session:
    session = Session(model, frames, zoom="off", **options)
    session.add_points(4, 1, [(10, 12)], [1])
    session.add_box(4, 2, (20, 20, 40, 44))
    return session


def test_what_is_kept_is_never_encoded_again(model: Sam2, frames: np.ndarray) -> None:
    session = session_with_two_objects(model, frames)
    forward = {r.frame: r.label_image() for r in session.propagate(start=0)}
    assert session.encoder.frames_encoded == len(frames)
    for frame in (11, 3, 7):
        session.encoder.encode(frame)
    assert len(list(session.propagate(direction="backward", start=11))) == len(frames)
    session.add_points(8, 1, [(30, 30)], [1])
    session.add_mask(2, 3, np.pad(np.ones((9, 9)), ((20, 19), (20, 27))))
    assert list(session.update())
    assert session.encoder.frames_encoded == len(frames)
    # And features from memory change nothing.
    session.reset()
    session.add_points(4, 1, [(10, 12)], [1])
    session.add_box(4, 2, (20, 20, 40, 44))
    for result in session.propagate(start=0):
        np.testing.assert_array_equal(result.label_image(), forward[result.frame])
    assert session.encoder.frames_encoded == len(frames)


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
    values[2] = np.nan
    stack = Stack.from_array(values)
    stack.missing.refuse = True
    encoder = FrameEncoder(model, stack, contrast_limits=(0, 255))
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
