"""Large products in half precision, all else as it was."""

from __future__ import annotations

import torch

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.precision import halve_products, precision_of
from napari_sam2.model.sam2 import PointerMemory, Sam2, SpatialMemory, build_sam2, soft_mask, upsample_to_input


def two_frames(model: Sam2) -> list[torch.Tensor]:
    torch.manual_seed(1)
    images = torch.randint(0, 256, (2, 3, 384, 384), dtype=torch.uint8)
    first, second = (model.encode_image(image[None]) for image in images)
    points, labels = torch.tensor([[[90.0, 120.0]]]), torch.tensor([[1]])
    prediction = model.decode(model.without_memory(first), first, points_bpxy=points, labels_bp=labels)
    mask = soft_mask(upsample_to_input(prediction.low_res_bhw, model.config))
    memory = model.remember(first, mask, visible_b=torch.tensor([True]))
    pointer = PointerMemory(prediction.pointers_bc, 1)
    return [second.s16_bchw, model.condition(second, [SpatialMemory(memory, 0)], pointers=[pointer]), memory]


def test_a_mixed_model_is_close_to_its_original() -> None:
    torch.manual_seed(0)
    model = build_sam2(CONFIGS["sam2_nano"]).requires_grad_(False)
    with torch.inference_mode():
        exact = two_frames(model)
        assert precision_of(model) == "float32"
        halve_products(model)
        mixed = two_frames(model)
    assert precision_of(model) == "mixed"
    assert precision_of(model.to(torch.bfloat16)) == "bfloat16"
    for one, other in zip(exact, mixed, strict=True):
        error = (one - other.float()).norm() / one.norm()
        assert 0 < error < 0.02


def test_what_is_halved() -> None:
    model = build_sam2(CONFIGS["sam2_nano"])
    halve_products(model)
    halved = {name for name, parameter in model.named_parameters() if parameter.dtype == torch.bfloat16}
    assert {name.split(".")[0] for name in halved} == {"image_encoder", "memory_attention", "sam_mask_decoder"}
    assert all("norm" not in name and "pos_embed" not in name and "patch_embed" not in name for name in halved)
    decoder = {name for name in halved if name.startswith("sam_mask_decoder")}
    assert decoder == {f"sam_mask_decoder.conv_s{i}.{part}" for i in (0, 1) for part in ("weight", "bias")}
