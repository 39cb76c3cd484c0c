"""Real checkpoint files in and out."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file
from torch import Tensor

from napari_sam2 import Session, load_model, save_checkpoint
from napari_sam2.model.centre_head import CentreHead
from napari_sam2.model.config import CONFIGS, DEFAULT_OPTIONS, HieraConfig, Sam2Config
from napari_sam2.model.sam2 import Sam2, Sam21, build_sam2
from napari_sam2.weights.load import choose_device, choose_dtype, detect_config, read_checkpoint
from napari_sam2.weights.presets import PRESETS

MATRIX = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def nano() -> Sam2:
    torch.manual_seed(0)
    return build_sam2(CONFIGS["sam2_nano"])


@pytest.fixture
def nano_weights(nano: Sam2) -> dict[str, Tensor]:
    return dict(nano.state_dict())


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Write whatever into a .pt file."""

    def write(content: Any, name: str = "weights.pt") -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


def assert_same_weights(one: Sam2, other: Sam2) -> None:
    assert one.state_dict().keys() == other.state_dict().keys()
    for key, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value, rtol=0, atol=0, msg=key)


# Round trips


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("sam2_nano", ".pt"),
        ("sam2_nano", ".pth"),
        ("sam2_nano", ".safetensors"),
        ("sam2_hiera_tiny", ".pt"),
        ("sam2.1_hiera_tiny", ".safetensors"),
    ],
)
def test_round_trip(name: str, ending: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = build_sam2(CONFIGS[name])
    path = tmp_path / f"file{ending}"
    save_checkpoint(model, path)
    assert os.listdir(tmp_path) == [path.name]
    back = load_model(checkpoint=path, device="cpu", dtype="float32")
    assert type(back) is type(model)
    assert back.config == model.config
    assert not back.training
    assert not any(parameter.requires_grad for parameter in back.parameters())
    assert_same_weights(model, back)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_a_centre_head_travels_with_the_weights_and_out_of_the_official_table(ending: str, tmp_path: Path) -> None:
    model = build_sam2(CONFIGS["sam2_nano"])
    model.centre_head = CentreHead(model.config.d_model)
    path = tmp_path / f"headed{ending}"
    save_checkpoint(model, path)
    loaded = load_model(checkpoint=path, device="cpu", dtype="float32")
    assert loaded.centre_head is not None
    assert_same_weights(model, loaded)
    if ending == ".pt":
        official = torch.load(path, weights_only=True)["model"]
        assert official.keys() == build_sam2(CONFIGS["sam2_nano"]).state_dict().keys()


def test_the_official_layout(nano: Sam2, tmp_path: Path) -> None:
    save_checkpoint(nano, tmp_path / "a.pt")
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    assert list(content) == ["model"]
    assert list(content["model"]) == list(nano.state_dict())
    assert {value.dtype for value in content["model"].values()} == {torch.float32}
    save_checkpoint(nano, tmp_path / "a.safetensors")
    assert load_file(tmp_path / "a.safetensors").keys() == nano.state_dict().keys()
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"])["name"] == "sam2_nano"


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "sam2_nano"])
def test_generation_and_size_are_read_from_the_keys(name: str) -> None:
    with torch.device("meta"):
        weights = build_sam2(CONFIGS[name]).state_dict()
    assert detect_config(weights) == CONFIGS[name]


@pytest.mark.parametrize("name", ["sam2_nano", "sam2_hiera_tiny"])
def test_detection_from_a_file_whatever_it_is_called(name: str, write: Callable[..., Path]) -> None:
    path = write({"model": build_sam2(CONFIGS[name]).state_dict()}, "large.pt")
    assert read_checkpoint(path)[1] == CONFIGS[name]


def test_another_shape_is_described_inside_safetensors(tmp_path: Path) -> None:
    trunk = HieraConfig(16, 1, (1, 1, 2, 1), (3,), window_sizes=(4, 4, 4, 4), background_size=(5, 5))
    config = replace(CONFIGS["sam2_nano"], name="mine", trunk=trunk, image_size=96, d_model=64, memory_dim=32)
    model = build_sam2(config)
    save_checkpoint(model, tmp_path / "mine.safetensors")
    back = load_model(checkpoint=tmp_path / "mine.safetensors", device="cpu", dtype="float32")
    assert back.config == config
    assert_same_weights(model, back)
    save_checkpoint(model, tmp_path / "mine.pt")
    with pytest.raises(ValueError, match=r"mine.pt looks like SAM 2.1 with 16 channels, 5 encoder blocks and 64-"):
        load_model(checkpoint=tmp_path / "mine.pt")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_stored_in_half_precision(nano: Sam2, dtype: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"half{ending}"
    save_checkpoint(nano, path, dtype=dtype)
    assert path.stat().st_size < 2.2 * sum(value.numel() for value in nano.state_dict().values())
    back = load_model(checkpoint=path, device="cpu", dtype="float32")
    for key, value in back.state_dict().items():
        stored = nano.state_dict()[key]
        expected = stored if key == MATRIX else stored.to(getattr(torch, dtype)).float()
        assert value.dtype == torch.float32
        assert torch.equal(value, expected), key
    assert nano.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_saving_a_model_that_runs_in_half_precision(nano: Sam2, dtype: torch.dtype, tmp_path: Path) -> None:
    save_checkpoint(nano, tmp_path / "a.pt")
    half = load_model(checkpoint=tmp_path / "a.pt", device="cpu", dtype=dtype)
    assert half.dtype == dtype
    assert half.state_dict()[MATRIX].dtype == torch.float32
    save_checkpoint(half, tmp_path / "b.pt")
    back = load_model(checkpoint=tmp_path / "b.pt", device="cpu", dtype=dtype)
    assert_same_weights(half, back)
    assert torch.equal(back.state_dict()[MATRIX], nano.state_dict()[MATRIX])


def test_saving_replaces_the_file_only_once_it_is_whole(nano: Sam2, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"earlier")
    broken = build_sam2(CONFIGS["sam2_nano"])
    broken.no_obj_ptr = torch.nn.Parameter(torch.zeros(1, 128, device="meta"))
    with pytest.raises((NotImplementedError, RuntimeError)):
        save_checkpoint(broken, path)
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.pt"]
    for ending in ("txt", "bin", ""):
        with pytest.raises(ValueError, match=r"ends in .pt, .pth or .safetensors"):
            save_checkpoint(nano, tmp_path / f"a.{ending}")
    with pytest.raises(ValueError, match="int8"):
        save_checkpoint(nano, path, dtype="int8")
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        save_checkpoint(nano, tmp_path / "nowhere" / "a.pt")
    assert path.read_bytes() == b"earlier"
    save_checkpoint(nano, path)
    assert os.listdir(tmp_path) == ["a.pt"]
    load_model(checkpoint=path, device="cpu")


# Files made by others


def test_bare_prefixed_and_renamed_keys(nano: Sam2, write: Callable[..., Path]) -> None:
    weights = nano.state_dict()
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    renamed = {
        key.replace("gamma", "weight") if "fuser.layers" in key else key: value for key, value in weights.items()
    }
    contents = [weights, {"model": prefixed}, {"model": renamed}]
    contents += [{"model": weights, "optimizer": {"state": {0: torch.zeros(1)}}, "epoch": 7, "note": "mine"}]
    for content in contents:
        assert_same_weights(nano, load_model(checkpoint=write(content), device="cpu", dtype="float32"))


def test_missing_unexpected_and_misshapen_tensors_are_named(
    nano_weights: dict[str, Tensor], write: Callable[..., Path]
) -> None:
    del nano_weights["mask_downsample.bias"]
    nano_weights["extra.weight"] = torch.zeros(3, 4)
    nano_weights["no_mem_embed"] = torch.zeros(1, 1, 64)
    with pytest.raises(ValueError, match="does not fit sam2_nano") as caught:
        load_model(checkpoint=write({"model": nano_weights}))
    message = str(caught.value)
    assert message.startswith("weights.pt ")
    assert "missing mask_downsample.bias (1,)" in message
    assert "unexpected extra.weight (3, 4)" in message
    assert "no_mem_embed has shape (1, 1, 64), expected (1, 1, 128)" in message
    assert "\n" not in message


def test_long_lists_of_problems_are_cut(nano_weights: dict[str, Tensor], write: Callable[..., Path]) -> None:
    keys = [key for key in nano_weights if key.startswith("memory_attention")]
    for key in keys:
        del nano_weights[key]
    with pytest.raises(ValueError, match=f"and {len(keys) - 10} more"):
        load_model(checkpoint=write(nano_weights))


def test_two_generations_mixed(nano_weights: dict[str, Tensor], write: Callable[..., Path]) -> None:
    del nano_weights["no_obj_embed_spatial"]
    with pytest.raises(ValueError, match=r"looks like SAM 2\.0 with 48 channels"):
        load_model(checkpoint=write(nano_weights))


def test_integers_for_weights_are_refused(nano_weights: dict[str, Tensor], write: Callable[..., Path]) -> None:
    nano_weights["no_obj_ptr"] = nano_weights["no_obj_ptr"].to(torch.int8)
    with pytest.raises(ValueError, match="no_obj_ptr holds int8"):
        load_model(checkpoint=write(nano_weights))


class Evil:
    """Unpickling this runs code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


# torch says so of any pickle that it did not write itself, before it refuses it.
ODD_PROTOCOL = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


@ODD_PROTOCOL
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_files_that_hold_code_are_refused_and_the_code_is_not_run(
    nano_weights: dict[str, Tensor], tmp_path: Path, legacy: bool
) -> None:
    target = tmp_path / "it_ran"
    path = tmp_path / "weights.pt"
    torch.save({"model": nano_weights, "extra": Evil(target)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"weights.pt cannot be read .* holds code, which is never run"):
        load_model(checkpoint=path)
    assert not target.exists()
    path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(ValueError, match="never run"):
        load_model(checkpoint=path)
    assert not target.exists()
    # The trap works: a careless reader would have sprung it.
    pickle.loads(path.read_bytes())
    assert target.exists()


def not_checkpoints() -> dict[str, Callable[[Path], object]]:
    def archive(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("hello.txt", "hello")

    return {
        "empty": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", encoding="utf-8"
        ),
        "page": lambda path: path.write_text("<!DOCTYPE html><html><body>404</body></html>", encoding="utf-8"),
        "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        "zip": archive,
        "list": lambda path: torch.save([torch.zeros(2)], path),
        "tensor": lambda path: torch.save(torch.zeros(2), path),
        "no tensors": lambda path: torch.save({"model": {"a": 1}}, path),
        "empty table": lambda path: torch.save({"model": {}}, path),
        "numbers for keys": lambda path: torch.save({0: torch.zeros(2)}, path),
        "another model": lambda path: torch.save({"conv.weight": torch.zeros(2)}, path),
        "scalars": lambda path: torch.save(
            {"image_encoder.trunk.patch_embed.proj.weight": torch.tensor(1.0), "no_obj_ptr": torch.tensor(1.0)}, path
        ),
        "pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
        "numpy": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}"),
    }


@ODD_PROTOCOL
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("kind", not_checkpoints())
def test_other_files_are_refused_by_name(kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"strange.{ending}"
    not_checkpoints()[kind](path)
    with pytest.raises(ValueError, match=f"strange.{ending}") as caught:
        load_model(checkpoint=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_damaged_files_are_refused(nano: Sam2, ending: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{ending}"
    save_checkpoint(nano, whole, dtype="float16")
    data = whole.read_bytes()
    path = tmp_path / f"cut.{ending}"
    for share in (0.0001, 0.01, 0.5, 0.99, 0.99999):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match=f"cut.{ending}"):
            load_model(checkpoint=path)


@ODD_PROTOCOL
@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_never_surprise(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "flipped.pt"
    torch.save({"model": {f"k{i}": torch.zeros(3) for i in range(4)}}, path, _use_new_zipfile_serialization=False)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(5):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    path.write_bytes(data)
    # Whatever is still readable holds no model.
    with pytest.raises(ValueError, match=r"flipped\.pt"):
        load_model(checkpoint=path)


def test_a_damaged_description_is_refused(nano: Sam2, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    good = {"name": "x", "generation": "2.1", "trunk": {"embed_dim": 48, "num_heads": 1, "stages": [1, 2, 4, 1]}}
    bad: list[Any] = [[], 5, {}, good, {**good, "trunk": 3}, {**good, "generation": "3"}]
    bad += [{**good, "trunk": {**good["trunk"], "global_blocks": [4, 6]}, "image_size": 100}]
    bad += [{**good, "trunk": {**good["trunk"], "global_blocks": [4, 6]}, "unknown": 1}]
    for description in ["{", *map(json.dumps, bad)]:
        save_file(dict(nano.state_dict()), path, metadata={"config": description})
        with pytest.raises(ValueError, match=r"the model description inside a.safetensors is damaged"):
            load_model(checkpoint=path)


def test_safetensors_without_a_description(nano: Sam2, tmp_path: Path) -> None:
    save_file(dict(nano.state_dict()), tmp_path / "a.safetensors")
    assert_same_weights(nano, load_model(checkpoint=tmp_path / "a.safetensors", device="cpu", dtype="float32"))


# Options


def test_options_that_are_refused(nano: Sam2, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(nano, path)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"dtype": "float64"}, "float64"),
        ({"dtype": torch.int32}, "int32"),
        ({"preset": "quick"}, "quick"),
        ({"backend": "onnx"}, "onnx"),
        ({"device": "abacus"}, "abacus"),
        ({"image_size": 100}, "multiple of 32 up to 4096, got 100; the nearest is 96"),
        ({"image_size": 0}, "got 0; the nearest is 32"),
        ({"name": "sam2_nano"}, "not both"),
    ]
    if not torch.cuda.is_available():
        cases.append(({"device": "cuda"}, "'cuda' is not available; here there is: .*cpu"))
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            load_model(checkpoint=path, **options)


def test_names_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"sam2.1_hiera_tny"):
        load_model("sam2.1_hiera_tny")
    with pytest.raises(FileNotFoundError, match=r"napari-sam2 weights download sam2.1_hiera_tiny") as caught:
        load_model("sam2.1_hiera_tiny")
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model(checkpoint=tmp_path / "nowhere.pt")
    with pytest.raises(FileNotFoundError):
        load_model(checkpoint=tmp_path)


def test_input_sizes(nano: Sam2, tmp_path: Path) -> None:
    save_checkpoint(nano, tmp_path / "a.pt")
    save_checkpoint(build_sam2(CONFIGS["sam2.1_hiera_tiny"]), tmp_path / "MedSAM2_latest.pt")
    (tmp_path / "MedSAM2_latest.pt").rename(tmp_path / "b.pt")

    def size(name: str, **options: Any) -> int:
        model = load_model(checkpoint=tmp_path / name, device="cpu", **options)
        assert model.sam_prompt_encoder.image_size == model.config.image_size
        return model.config.image_size

    assert size("a.pt") == 384
    assert size("a.pt", image_size=512) == 512
    assert size("a.pt", preset="fast") == 256
    assert size("b.pt") == 1024
    assert size("b.pt", preset="fast") == 512
    assert size("b.pt", preset="fast", image_size=768) == 768
    (tmp_path / "b.pt").rename(tmp_path / "MedSAM2_latest.pt")
    assert size("MedSAM2_latest.pt") == 512
    assert size("MedSAM2_latest.pt", image_size=1024) == 1024


def test_a_smaller_input_is_still_one_the_model_takes() -> None:
    assert [PRESETS["fast"].input_size(own) for own in (1024, 800, 768, 512, 384, 256, 128)] == [
        *(512, 384, 384, 256, 256, 256, 128)
    ]
    assert [PRESETS["balanced"].input_size(own) for own in (1024, 128)] == [1024, 128]


def test_presets_and_types(nano: Sam2, tmp_path: Path) -> None:
    save_checkpoint(nano, tmp_path / "a.pt")

    def load(**options: Any) -> Sam2:
        return load_model(checkpoint=tmp_path / "a.pt", device="cpu", **options)

    assert load().options == DEFAULT_OPTIONS
    assert (load().options.preset, load().options.max_conditioning) == ("balanced", 6)
    assert load(preset="exact").dtype == torch.float32
    assert load(preset="exact").options.max_conditioning is None
    assert load(preset="fast").options.recent_memories == 3
    # The maps of this model's own input are too coarse for it.
    assert [load(preset="fast", image_size=size).options.memory_cell for size in (None, 512, 1024)] == [1, 2, 2]
    assert load(image_size=1024).options.memory_cell == 1
    assert load(preset="exact", dtype="bfloat16").dtype == torch.bfloat16
    assert load(dtype=torch.float16).dtype == torch.float16
    assert load().dtype == torch.float32
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_device("cpu") == torch.device("cpu")
    assert isinstance(load(), Sam21)


def test_a_loaded_model_runs(nano: Sam2, tmp_path: Path) -> None:
    save_checkpoint(nano, tmp_path / "a.safetensors", dtype="float16")
    model = load_model(checkpoint=tmp_path / "a.safetensors", device="cpu")
    session = Session(model, np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8))
    session.add_points(0, 1, [[3, 3]], [1])
    assert [result.frame for result in session.propagate()] == [0, 1]


def test_loading_does_not_share_weights(nano: Sam2, tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        save_checkpoint(nano, tmp_path / name)
        before = (tmp_path / name).read_bytes()
        one, other = (load_model(checkpoint=tmp_path / name, device="cpu") for _ in range(2))
        one.no_obj_ptr.zero_()
        assert other.no_obj_ptr.any()
        assert (tmp_path / name).read_bytes() == before


def test_every_config_survives_the_description() -> None:
    for config in CONFIGS.values():
        assert isinstance(config, Sam2Config)
        assert config.with_image_size(512).image_size == 512
        assert config.with_image_size(None) is config
