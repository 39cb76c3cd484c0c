"""Every stage of the reference outputs, to find where a difference starts."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_sam2.model.config import CONFIGS, IMAGE_MEAN, IMAGE_STD
from napari_sam2.model.layers import sine_position_map
from napari_sam2.model.mask_decoder import single_mask
from napari_sam2.model.sam2 import PointerMemory, Sam2, SpatialMemory, build_sam2, soft_mask, upsample_to_input

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def stages(parity_dir: Path) -> dict[str, np.ndarray]:
    with np.load(parity_dir / "stages_tiny21.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def model(parity_dir: Path) -> Sam2:
    """The tiny variant with the stand-in weights of the reference run."""
    spec = importlib.util.spec_from_file_location("synth_weights", parity_dir / "synth_weights.py")
    assert spec is not None and spec.loader is not None
    synth = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(synth)
    shapes = json.loads((parity_dir / "shapes" / "sam2.1_hiera_tiny.json").read_text(encoding="utf-8"))
    model = build_sam2(CONFIGS["sam2.1_hiera_tiny"].with_image_size(256))
    model.load_state_dict({key: torch.from_numpy(value) for key, value in synth.state_dict(shapes, 3).items()})
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def ours(model: Sam2, stages: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Compute every stage with this model."""
    images = torch.from_numpy(stages["frames"]).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    out = {f"trunk_{i}": m for i, m in enumerate(model.image_encoder.trunk((images[:1] / 255 - mean) / std))}
    features = model.encode_image(images[:1])
    out |= {"high_res_s4": features.s4_bchw, "high_res_s8": features.s8_bchw, "features_s16": features.s16_bchw}
    out["features_s16_pos"] = sine_position_map(256, 16, 16, "cpu")
    out["memory_pos"] = sine_position_map(64, 16, 16, "cpu")

    points, labels = (torch.from_numpy(stages[key])[None] for key in ("points_xy", "point_labels"))
    encoder = model.sam_prompt_encoder
    out["sparse_embeddings"] = encoder.encode_points(points, labels)
    out["dense_embeddings"] = encoder.no_mask().expand(-1, -1, 16, 16)
    out["dense_pe"] = encoder.pe_layer.grid(16, 16)
    out["features_no_memory"] = model.without_memory(features)

    decoded = model.run_decoder(out["features_no_memory"], features, points_bpxy=points, labels_bp=labels)
    masks, ious = single_mask(decoded)
    score = decoded.object_score_logits_b
    out |= {"decoder_multi_masks": decoded.masks_bkhw[:, 1:], "decoder_multi_ious": decoded.ious_bk[:, 1:]}
    out |= {"decoder_multi_tokens": decoded.mask_tokens_bkc[:, 1:], "decoder_single_masks": masks}
    out |= {"decoder_single_ious": ious, "decoder_single_tokens": decoded.mask_tokens_bkc[:, :1]}
    out |= {"decoder_multi_object_score_logits": score, "decoder_single_object_score_logits": score}

    mask = soft_mask(upsample_to_input(masks[:, 0], model.config))
    out["memory_features"] = model.remember(features, mask, visible_b=score > 0)
    out["memory_features_occluded"] = model.remember(features, mask, visible_b=torch.tensor([False]))
    pointer = model.obj_ptr_proj(decoded.mask_tokens_bkc[:, 0])
    out["object_pointer_projected"] = pointer
    out["memory_conditioned_features_frame1"] = model.condition(
        model.encode_image(images[1:2]),
        [SpatialMemory(out["memory_features"], 0)],
        pointers=[PointerMemory(pointer, 1)],
        pointer_span=2,
    )
    return out


def test_every_stage_agrees(ours: dict[str, Tensor], stages: dict[str, np.ndarray]) -> None:
    inputs = {"frames", "points_xy", "point_labels"}
    assert ours.keys() == stages.keys() - inputs
    worst = {}
    for name, value in ours.items():
        assert value.numel() == stages[name].size, name
        worst[name] = float(np.abs(value.numpy().reshape(stages[name].shape) - stages[name]).max())
    assert {name: error for name, error in worst.items() if error > TOLERANCE} == {}
