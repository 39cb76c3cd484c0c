"""The five verbs together, and half precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.model.config import CONFIGS, InferenceOptions, Sam2Config
from napari_sam2.model.sam2 import (
    PointerMemory,
    Sam2,
    Sam21,
    SpatialMemory,
    build_sam2,
    hard_mask,
    soft_mask,
    upsample_to_input,
)


def pictures(size: int) -> torch.Tensor:
    coarse = torch.rand(2, 3, 8, 8)
    return (torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear") * 255).to(torch.uint8)


@torch.inference_mode()
def story(model: Sam2, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Click on frame 0, paint frame 0 for a second object, track frame 1."""
    first, second = model.encode_image(images[:1]), model.encode_image(images[1:])
    size = images.shape[-1]
    click = model.decode(
        model.without_memory(first),
        first,
        points_bpxy=torch.tensor([[[size * 0.4, size * 0.6]]]),
        labels_bp=torch.ones(1, 1, dtype=torch.long),
    )
    mask = torch.zeros(1, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    painted = model.adopt_mask(first, mask)
    low_res = torch.cat((click.low_res_bhw, painted.low_res_bhw))
    visible = torch.cat((click.object_score_logits_b, painted.object_score_logits_b)) > 0
    logits = upsample_to_input(low_res, model.config)
    memory = model.remember(first, hard_mask(logits), visible_b=visible)
    pointers = torch.cat((click.pointers_bc, painted.pointers_bc))
    conditioned = model.condition(
        second, [SpatialMemory(memory, 0)], pointers=[PointerMemory(pointers, 1)], pointer_span=1
    )
    tracked = model.decode(
        conditioned, second, points_bpxy=torch.zeros(2, 0, 2), labels_bp=torch.zeros(2, 0, dtype=torch.long)
    )
    soft = soft_mask(upsample_to_input(tracked.low_res_bhw, model.config))
    return {
        "features": first.s16_bchw,
        "click": click.candidates_bkhw,
        "score": click.object_score_logits_b,
        "ious": click.candidate_ious_bk,
        "memory": memory,
        "pointers": pointers,
        "conditioned": conditioned,
        "tracked": tracked.candidates_bkhw,
        "second memory": model.remember(second, soft, visible_b=tracked.object_score_logits_b > 0),
    }


def always_visible(config: Sam2Config) -> Sam2:
    torch.manual_seed(0)
    model = build_sam2(config).requires_grad_(False)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5.0)
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("generation", ["2.0", "2.1"])
def test_half_precision_stays_near_float32(small_config: Sam2Config, generation: str, dtype: torch.dtype) -> None:
    from dataclasses import replace

    model = always_visible(replace(small_config, generation=generation))
    images = pictures(128)
    exact = story(model, images)
    assert {value.dtype for value in exact.values()} == {torch.float32}
    half = story(model.to(dtype), images)
    assert half["features"].dtype == half["memory"].dtype == half["pointers"].dtype == dtype
    assert half["click"].dtype == half["score"].dtype == half["ious"].dtype == torch.float32
    # Random weights leave many logits near zero, where rounding flips pixels of the mask that is remembered.
    tolerance = 0.1 if dtype == torch.bfloat16 else 0.03
    for name, value in half.items():
        assert torch.isfinite(value).all(), name
        spread = float(exact[name].abs().mean()) + 1e-3
        assert float((value.float() - exact[name]).abs().mean()) < tolerance * spread + 1e-3, name


def test_half_precision_is_not_a_copy_of_float32(small_config: Sam2Config) -> None:
    model, images = always_visible(small_config), pictures(128)
    exact = story(model, images)
    assert not torch.equal(story(model.bfloat16(), images)["tracked"], exact["tracked"])


@pytest.mark.parametrize("size", [32, 96, 160])
def test_other_input_sizes(small_config: Sam2Config, size: int) -> None:
    answers = story(always_visible(small_config.with_image_size(size)), pictures(size))
    assert answers["tracked"].shape == (2, 3, size // 4, size // 4)
    assert answers["memory"].shape == (2, 16, size // 16, size // 16)


def test_adopted_masks(small: Sam2) -> None:
    features = small.encode_image(pictures(128)[:1])
    masks = torch.zeros(2, 1, 128, 128)
    masks[0, 0, 32:64, 16:80] = 1
    answer = small.adopt_mask(features, masks)
    assert answer.object_score_logits_b.tolist() == [10, -10]
    assert answer.ious_b.tolist() == [1, 1]
    # Anti-aliased, so that only the very edge is neither full nor empty.
    inner = answer.low_res_bhw[0, 9:15, 5:19]
    np.testing.assert_allclose(inner, 10, atol=1e-5)
    np.testing.assert_allclose(answer.low_res_bhw[1], -10)
    np.testing.assert_array_equal(answer.low_res_bhw[0] > 0, masks[0, 0, ::4, ::4] > 0)
    np.testing.assert_array_equal(answer.pointers_bc[1], small.no_obj_ptr[0])


def test_first_frames_get_the_no_memory_vector(small: Sam2) -> None:
    features = small.encode_image(pictures(128)[:1])
    difference = small.without_memory(features) - features.s16_bchw
    np.testing.assert_allclose(difference[0], small.no_mem_embed[0, 0, :, None, None].expand(64, 8, 8), atol=1e-6)


def test_what_is_built() -> None:
    options = InferenceOptions(max_conditioning=4)
    model = build_sam2(CONFIGS["sam2_nano"], options)
    assert isinstance(model, Sam21)
    assert not model.training
    assert model.options is options
    assert model.device == torch.device("cpu")
    assert model.dtype == torch.float32
    assert not isinstance(build_sam2(CONFIGS["sam2_hiera_tiny"]), Sam21)
    for parameter in (model.no_obj_ptr, model.maskmem_tpos_enc, model.image_encoder.trunk.pos_embed):
        assert 0.005 < float(parameter.detach().std()) < 0.05


def test_training_reaches_every_weight(small_config: Sam2Config) -> None:
    model = build_sam2(small_config)
    for layer in model.memory_encoder.fuser.layers:
        torch.nn.init.constant_(layer.gamma, 1.0)
    story_with_gradients = story.__wrapped__  # type: ignore[attr-defined]
    answers = story_with_gradients(model, pictures(128))
    sum(value.square().sum() for value in answers.values()).backward()
    idle = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    # Box corners and negative clicks do not occur in the story, nor a mask to refine on a frame without memory.
    assert {name.split(".")[0] for name in idle} <= {"sam_prompt_encoder", "no_mem_pos_enc", "no_obj_embed_spatial"}
