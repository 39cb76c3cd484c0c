from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_sam2.model.config import CONFIGS, Sam2Config
from napari_sam2.model.sam2 import Sam2, Sam21, build_sam2

# spec 1.1: tensors in the checkpoint, parameters
COUNTS = {
    "sam2_hiera_tiny": (468, 38_945_986),
    "sam2_hiera_small": (516, 46_043_842),
    "sam2_hiera_base_plus": (612, 80_833_666),
    "sam2_hiera_large": (900, 224_430_130),
    "sam2.1_hiera_tiny": (471, 38_962_498),
    "sam2.1_hiera_small": (519, 46_060_354),
    "sam2.1_hiera_base_plus": (615, 80_850_178),
    "sam2.1_hiera_large": (903, 224_446_642),
}
TRUNKS = {"tiny": 26_849_472, "small": 33_947_328, "base_plus": 68_675_712, "large": 212_149_296}
NECKS = {"tiny": 369_664, "small": 369_664, "base_plus": 431_104, "large": 553_984}
MODULES = {
    "memory_attention": 5_922_304,
    "memory_encoder": 1_384_608,
    "sam_prompt_encoder": 6_476 - 256,
    "sam_mask_decoder": 4_215_109,
    "obj_ptr_proj": 197_376,
    "mask_downsample": 17,
}


def on_meta(name: str) -> Sam2:
    with torch.device("meta"):
        return build_sam2(CONFIGS[name])


def size(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_all_variants_are_there() -> None:
    assert set(CONFIGS) == {*COUNTS, "sam2_nano"}
    assert all(config.name == name for name, config in CONFIGS.items())


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str) -> None:
    model = on_meta(name)
    assert (len(model.state_dict()), size(model)) == COUNTS[name]
    variant = name.split("_", 2)[2]
    assert size(model.image_encoder.trunk) == TRUNKS[variant]
    assert size(model.image_encoder.neck) == NECKS[variant]
    assert {child: size(model.get_submodule(child)) for child in MODULES} == MODULES
    assert isinstance(model, Sam21) == name.startswith("sam2.1")


@pytest.mark.parametrize("name", COUNTS)
def test_keys_and_shapes_are_the_official_ones(name: str, parity_dir: Path) -> None:
    official = json.loads((parity_dir / "shapes" / f"{name}.json").read_text(encoding="utf-8"))
    ours = {key: list(value.shape) for key, value in on_meta(name).state_dict().items()}
    assert ours == official


@pytest.mark.parametrize("size_name", TRUNKS)
def test_the_generations_differ_by_three_tensors(size_name: str) -> None:
    old = {key: value.shape for key, value in on_meta(f"sam2_hiera_{size_name}").state_dict().items()}
    new = {key: value.shape for key, value in on_meta(f"sam2.1_hiera_{size_name}").state_dict().items()}
    assert {key: tuple(new[key]) for key in new.keys() - old.keys()} == {
        "no_obj_embed_spatial": (1, 64),
        "obj_ptr_tpos_proj.weight": (64, 256),
        "obj_ptr_tpos_proj.bias": (64,),
    }
    assert {key: new[key] for key in old} == old


def test_only_the_image_encoder_differs_between_sizes() -> None:
    def rest(name: str) -> Counter[tuple[str, tuple[int, ...]]]:
        items = on_meta(name).state_dict().items()
        return Counter((key, tuple(value.shape)) for key, value in items if not key.startswith("image_encoder"))

    assert rest("sam2.1_hiera_tiny") == rest("sam2.1_hiera_base_plus") == rest("sam2.1_hiera_large")


def test_the_bundled_variant_is_small() -> None:
    model = on_meta("sam2_nano")
    assert size(model) < 9_000_000  # 18 MB in half precision
    assert isinstance(model, Sam21)
    assert CONFIGS["sam2_nano"].image_size == 384


@pytest.mark.parametrize("name", [name for name in CONFIGS if "2.1" in name or "nano" in name])
def test_head_width_is_constant(name: str) -> None:
    trunk = CONFIGS[name].trunk
    widths = {channels // (trunk.num_heads * 2**stage) for stage, channels in enumerate(trunk.stage_channels)}
    assert len(widths) == 1


def test_derived_sizes() -> None:
    config = CONFIGS["sam2.1_hiera_large"]
    assert (config.low_res_size, config.grid_size) == (256, 64)
    assert config.trunk.num_blocks == 48
    assert config.trunk.stage_channels == (144, 288, 576, 1152)
    assert config.with_image_size(512).grid_size == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 100}, "multiple of 32 up to 4096, got 100; the nearest is 96"),
        ({"image_size": -32}, "the nearest is 32"),
        ({"image_size": 2**20}, "up to 4096, got 1048576; the nearest is 4096"),
        ({"generation": "2"}, "'2.0' or '2.1', got '2'"),
        ({"memory_dim": 60}, "memory_dim 60 does not divide d_model 256"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIGS["sam2_hiera_tiny"], **changes)


def test_configs_are_values() -> None:
    config: Sam2Config = CONFIGS["sam2_nano"]
    assert config == replace(config)
    assert hash(config) == hash(replace(config))
