"""Features on disk: found again by a later session, never used when they are damaged or of something else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.model.config import InferenceOptions
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.features.feature_store import FeatureStore
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.zoom.crop import Crop

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "features"


@pytest.fixture
def encoder_of(model: Sam2, folder: Path) -> Callable[..., FrameEncoder]:
    """Make an encoder with nothing in memory: a new session on the same folder."""

    def make(frames: np.ndarray, *, model: Sam2 = model, limits: tuple[float, float] = (0, 255)) -> FrameEncoder:
        return FrameEncoder(model, Stack.from_array(frames), contrast_limits=limits, cache_folder=folder)

    return make


EncoderOf = Callable[..., FrameEncoder]


def numbers(encoder: FrameEncoder, frame: int, view: Crop | None = None) -> list[list[float]]:
    return [x.flatten().tolist() for x in vars(encoder.encode(frame, view)).values()]


def test_a_later_session_finds_them(encoder_of: EncoderOf, frames: np.ndarray) -> None:
    first = encoder_of(frames)
    view = Crop(3, 5, 30, 30)
    made = [numbers(first, 0), numbers(first, 1), numbers(first, 1, view)]
    later = encoder_of(frames)
    assert [numbers(later, 0), numbers(later, 1), numbers(later, 1, view)] == made
    assert (first.frames_encoded, later.frames_encoded) == (3, 0)
    # The same pixels are the same picture, wherever they lie.
    shifted = encoder_of(frames[1:])
    assert numbers(shifted, 0) == made[1]
    assert shifted.frames_encoded == 0


def test_tracking_again_encodes_nothing(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    def track() -> tuple[int, list[np.ndarray]]:
        session = Session(model, frames, cache_bytes=0, cache_folder=folder)
        session.add_box(4, 2, (20, 20, 40, 44))
        images = [r.low_res_logits for r in session.propagate(direction="both")]
        return session.encoder.frames_encoded, images

    encoded, images = track()
    assert encoded >= len(frames)
    again, same = track()
    assert again == 0
    np.testing.assert_array_equal(images, same)
    np.testing.assert_array_equal(images, _without_cache(model, frames))


def _without_cache(model: Sam2, frames: np.ndarray) -> list[np.ndarray]:
    session = Session(model, frames)
    session.add_box(4, 2, (20, 20, 40, 44))
    return [r.low_res_logits for r in session.propagate(direction="both")]


def test_wherever_features_come_from_they_lie_alike(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    stack = Stack.from_array(frames)

    def encoder() -> FrameEncoder:
        return FrameEncoder(model, stack, contrast_limits=(0, 255), cache_folder=folder)

    fresh, kept = (vars(encoder().encode(0)) for _ in range(2))
    both = encoder()
    both.encode_views(0, [None, Crop(3, 5, 30, 30)])
    for name, x in fresh.items():
        for other in (kept[name], vars(both.encode(0))[name]):
            assert torch.equal(x, other)
            assert (x.stride(), x.dtype) == (other.stride(), other.dtype)
            assert x.is_contiguous(memory_format=torch.channels_last)
            assert other.data_ptr() % 64 == x.data_ptr() % 64 == 0


@torch.inference_mode()
def test_the_same_features_give_the_same_bits(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    encoders = [FrameEncoder(model, Stack.from_array(frames), cache_folder=folder) for _ in range(2)]
    click = {"points_bpxy": torch.tensor([[[20.0, 20.0]]]), "labels_bp": torch.tensor([[1]])}
    mask = torch.ones(1, 1, model.config.image_size, model.config.image_size)
    found = []
    for encoder in encoders:
        features = encoder.encode(0)
        logits = model.decode(model.without_memory(features), features, **click).candidates_bkhw
        found.append((logits, model.remember(features, mask, visible_b=torch.tensor([True]))))
    for fresh, kept in zip(*found, strict=True):
        assert torch.equal(fresh, kept)


def test_other_data_window_or_model_are_never_taken_for_the_same(
    encoder_of: EncoderOf, make_model: Callable[..., Sam2], model: Sam2, frames: np.ndarray
) -> None:
    numbers(encoder_of(frames), 2)
    changed = frames.copy()
    changed[2, 10:20, 10:20] ^= 255
    same_but_exact = build_sam2(model.config, InferenceOptions("exact")).requires_grad_(False)
    same_but_exact.load_state_dict(model.state_dict())
    retrained = make_model(3)
    retrained.image_encoder.neck.convs[0].conv.bias.data += 0.1
    others = [
        encoder_of(changed),
        encoder_of(frames, limits=(10, 200)),
        encoder_of(frames, model=make_model(4)),
        encoder_of(frames, model=retrained),
        encoder_of(frames, model=same_but_exact),
    ]
    for other in others:
        alone = FrameEncoder(other.model, other.stack, contrast_limits=(other.window.low, other.window.high))
        assert numbers(other, 2) == numbers(alone, 2)
        assert other.frames_encoded == 1


@pytest.mark.parametrize("harm", ["flipped bit", "another's content"])
def test_damaged_files_are_redone(
    encoder_of: EncoderOf, frames: np.ndarray, folder: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = encoder_of(frames)
    right = numbers(first, 3)
    (path,) = folder.iterdir()
    numbers(first, 4)
    (other,) = set(folder.iterdir()) - {path}
    content = bytearray(path.read_bytes())
    if harm == "flipped bit":
        content[len(content) // 2] ^= 4
    else:
        content[:] = other.read_bytes()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        later = encoder_of(frames)
        assert numbers(later, 3) == right
    assert later.frames_encoded == 1
    assert "is damaged" in caplog.text
    # And whole again.
    last = encoder_of(frames)
    assert numbers(last, 3) == right
    assert last.frames_encoded == 0


def test_a_file_that_is_gone_is_made_again(encoder_of: EncoderOf, frames: np.ndarray, folder: Path) -> None:
    later = encoder_of(frames)
    numbers(encoder_of(frames), 3)
    later.encode(3)
    later.clear()
    for path in folder.iterdir():
        path.unlink()
    later.encode(3)
    assert later.frames_encoded == 1
    assert len(list(folder.iterdir())) == 1


def pictures(count: int, size: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]


def test_the_budget_is_kept(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    encoder = FrameEncoder(model, Stack.from_array(frames))
    store = FeatureStore(folder, model, dtype=torch.float16, budget=2**40)
    keys = [store.key(picture) for picture in pictures(4, 8)]
    assert len(set(keys)) == 4
    for key in keys[:3]:
        store.save(key, encoder.encode(0))
    one = next(folder.iterdir()).stat().st_size
    small = FeatureStore(folder, model, dtype=torch.float16, budget=3 * one)
    small.save(keys[3], encoder.encode(0))
    assert [small.load(key) is not None for key in keys] == [False, True, True, True]


def test_a_disk_that_fails_is_told_of_once_and_stops_nothing(
    model: Sam2, frames: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = FrameEncoder(model, Stack.from_array(frames), cache_folder=tmp_path / "features")
    encoder.encode(0)
    # The folder is taken away, so that nothing can be written there any more.
    for path in (tmp_path / "features").iterdir():
        path.unlink()
    (tmp_path / "features").rmdir()
    with caplog.at_level(logging.WARNING):
        for frame in (1, 2, 3):
            encoder.encode(frame)
    assert encoder.frames_encoded == 4
    assert caplog.text.count("nothing more is kept in") == 1


def test_nothing_is_copied_for_a_store_that_keeps_nothing(
    model: Sam2, frames: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = FrameEncoder(model, Stack.from_array(frames)).encode(0)
    given_up = FeatureStore(folder, model, dtype=torch.float16)
    monkeypatch.setattr(given_up._files, "_writable", False)
    monkeypatch.setattr("safetensors.torch.save", lambda _maps: pytest.fail("features were written for nothing"))
    given_up.save("key", features)
    FeatureStore(folder, model, dtype=torch.float16, budget=100).save("key", features)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "features").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="features"):
        Session(model, frames, cache_folder=tmp_path / "features")
