"""The image encoder on OpenVINO: PyTorch's numbers and masks, kept on disk, nothing lost to saving or teaching."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.backends.openvino_encoder import network_cache
from napari_sam2.backends.openvino_runtime import Compiler
from napari_sam2.data.files.optional_packages import MissingExtraError
from napari_sam2.job.from_session import saved_model
from napari_sam2.job.options import ModelOptions
from napari_sam2.model.image_encoder import ImageEncoder
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.feature_store import model_fingerprint
from napari_sam2.storage.fingerprint import describe_model
from napari_sam2.synthetic.samples import Sample, make_sample
from napari_sam2.weights.backends import available_backends
from napari_sam2.weights.catalog import cache_dir
from napari_sam2.weights.load import load_model, save_checkpoint
from napari_sam2.weights.source import source_of

# Importing it here would load what reports to its makers.
if importlib.util.find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)


def load(backend: str = "openvino", dtype: str = "float32") -> Sam2:
    return load_model(device="cpu", dtype=dtype, preset="balanced", image_size=256, backend=backend)


@pytest.fixture(scope="module")
def plain() -> Sam2:
    return load("torch")


@pytest.fixture(scope="module")
def fast() -> Sam2:
    return load()


@pytest.fixture(scope="module")
def rounded() -> Sam2:
    return load(dtype="bfloat16")


@pytest.fixture(scope="module")
def cells() -> Sample:
    return make_sample("cells")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    coarse = torch.from_numpy(np.random.default_rng(0).random((2, 3, 24, 24), np.float32))
    return (torch.nn.functional.interpolate(coarse, (256, 256), mode="bilinear") * 255).to(torch.uint8)


def largest_difference(one: Sam2, other: Sam2, images: torch.Tensor) -> float:
    with torch.inference_mode():
        a, b = (vars(model.encode_image(images)).values() for model in (one, other))
    assert [x.shape for x in a] == [y.shape for y in b]
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def test_features_are_those_of_torch(plain: Sam2, fast: Sam2, images: torch.Tensor) -> None:
    assert 0 < largest_difference(plain, fast, images) < 1e-4
    # Another size than it was compiled for.
    assert largest_difference(plain, fast, images[:, :, :128, :192]) == 0


def test_features_keep_the_type_and_are_rounded(plain: Sam2, rounded: Sam2, images: torch.Tensor) -> None:
    with torch.inference_mode():
        assert rounded.encode_image(images[:1]).s16_bchw.dtype == torch.bfloat16
    assert largest_difference(plain, rounded, images) < 0.2


def track(model: Sam2, cells: Sample) -> np.ndarray:
    session = Session(model, cells.frames[:4], zoom="off")
    for object_id in (1, 2):
        session.add_mask(0, object_id, cells.labels[0] == np.unique(cells.labels[0])[object_id])
    list(session.propagate())
    return np.asarray(session.labels)


def test_masks_are_those_of_torch(plain: Sam2, fast: Sam2, cells: Sample) -> None:
    exact = track(plain, cells)
    for model in (fast, load(dtype="auto")):
        found = track(model, cells)
        for object_id in (1, 2):
            a, b = exact == object_id, found == object_id
            assert (a & b).sum() / (a | b).sum() >= 0.99


def test_the_second_start_compiles_nothing(fast: Sam2, images: torch.Tensor) -> None:
    folder = cache_dir() / "openvino"
    files = {path: path.stat().st_ino for path in folder.iterdir()}
    assert files
    assert largest_difference(fast, load(), images) == 0
    assert {path: path.stat().st_ino for path in folder.iterdir()} == files


def test_a_network_of_another_version_is_not_read() -> None:
    assert Compiler(torch.float32).load(b"what another version wrote") is None


def test_a_folder_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "file"))
    assert network_cache() is None
    assert "are not kept in" in caplog.text


def loss_of(model: Sam2, images: torch.Tensor) -> torch.Tensor:
    return sum(features.square().mean() for features in vars(model.encode_image(images[:1])).values())


def test_weights_can_be_saved_and_taught(plain: Sam2, fast: Sam2, images: torch.Tensor, tmp_path: Path) -> None:
    save_checkpoint(fast, tmp_path / "saved.safetensors")
    saved = load_model(checkpoint=tmp_path / "saved.safetensors", device="cpu", dtype="float32", image_size=256)
    assert largest_difference(plain, saved, images) < 1e-5

    pupil = copy.deepcopy(fast).requires_grad_(True)
    assert type(pupil.image_encoder) is ImageEncoder
    loss_of(pupil, images).backward()
    with torch.no_grad():
        for weight in pupil.image_encoder.parameters():
            weight -= 0.01 * torch.ones_like(weight) * weight.grad.sign()
    other = load()
    other.load_state_dict(pupil.state_dict())
    assert largest_difference(other, fast, images) > 0.1
    assert largest_difference(other, pupil, images) < 1e-4


def test_gradients_reach_the_weights_themselves(images: torch.Tensor) -> None:
    model = load().requires_grad_(True)
    loss_of(model, images).backward()
    assert all(weight.grad is not None for weight in model.image_encoder.parameters())


def test_features_on_disk_are_told_apart(plain: Sam2, fast: Sam2) -> None:
    assert model_fingerprint(plain) != model_fingerprint(fast)


def test_a_session_is_opened_with_its_backend(
    fast: Sam2, cells: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = cells.frames[:2]
    Session(fast, frames, folder=tmp_path / "session").close()
    again = Session.open(tmp_path / "session", frames=frames)
    assert source_of(again.model).backend == "openvino"
    assert again.problems == ()
    again.close()
    said = describe_model(fast)
    assert saved_model(ModelOptions(), said).backend == "openvino"
    assert saved_model(ModelOptions(device="cuda"), said).backend == "auto"

    # As on a machine without OpenVINO.
    monkeypatch.setitem(sys.modules, "openvino", None)
    elsewhere = Session.open(tmp_path / "session", frames=frames)
    assert source_of(elsewhere.model).backend == "torch"
    assert elsewhere.problems == ()
    elsewhere.close()


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "openvino" in available_backends()
    with pytest.raises(ValueError, match="'openvino' runs on the CPU, not on 'cuda:1': take backend 'torch'"):
        load_model(backend="openvino", device="cuda:1")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "openvino" not in available_backends()
    with pytest.raises(MissingExtraError, match=r'not installed: pip install "napari-sam2\[openvino\]"'):
        load()


def test_openvino_is_loaded_without_what_reports_to_its_makers(fast: Sam2) -> None:
    assert isinstance(fast.image_encoder, ImageEncoder)
    assert [name for name in sys.modules if name.startswith("openvino_telemetry")] == []
