from __future__ import annotations

import numpy as np
import torch

from napari_sam2.model.mask_decoder import DecoderOutput, FirstTwoWayLayer, resize_logits, single_mask, stability
from napari_sam2.model.sam2 import ImageFeatures, Sam2


def features(height: int = 8, width: int = 8) -> ImageFeatures:
    return ImageFeatures(
        torch.randn(1, 8, 4 * height, 4 * width),
        torch.randn(1, 16, 2 * height, 2 * width),
        torch.randn(1, 64, height, width),
    )


def clicks(count: int, batch: int = 3) -> dict[str, torch.Tensor]:
    return {"points_bpxy": torch.rand(batch, count, 2) * 128, "labels_bp": torch.ones(batch, count, dtype=torch.long)}


def test_shapes_on_any_grid(small: Sam2) -> None:
    frame = features(4, 6)
    output = small.run_decoder(frame.s16_bchw, frame, **clicks(2))
    assert output.masks_bkhw.shape == (3, 4, 16, 24)
    assert output.mask_tokens_bkc.shape == (3, 4, 64)
    assert output.ious_bk.shape == (3, 4)
    assert ((output.ious_bk >= 0) & (output.ious_bk <= 1)).all()
    assert output.object_score_logits_b.shape == (3,)


def test_shared_and_repeated_features_give_the_same(small: Sam2) -> None:
    frame, prompts = features(), clicks(2)
    dense = torch.randn(3, 1, 32, 32)
    repeated = ImageFeatures(*(x.repeat(3, 1, 1, 1) for x in vars(frame).values()))
    for mask in (None, dense):
        shared = small.run_decoder(frame.s16_bchw, frame, mask_logits_b1hw=mask, **prompts)
        full = small.run_decoder(repeated.s16_bchw, repeated, mask_logits_b1hw=mask, **prompts)
        for one, other in zip(vars(shared).values(), vars(full).values(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        single = small.run_decoder(
            frame.s16_bchw,
            frame,
            mask_logits_b1hw=None if mask is None else mask[1:2],
            **{key: value[1:2] for key, value in prompts.items()},
        )
        np.testing.assert_allclose(single.masks_bkhw[0], shared.masks_bkhw[1], atol=1e-5)


def test_the_first_layer_replaces_the_tokens() -> None:
    layer = FirstTwoWayLayer(64, 32).requires_grad_(False)
    tokens = torch.randn(1, 5, 64)
    expected = layer.self_attn(tokens, tokens, tokens)
    np.testing.assert_array_equal(layer.attend_tokens(tokens, torch.randn(1, 5, 64)), expected)


def output(mask0: torch.Tensor, ious: list[float], score: float = 1.0) -> DecoderOutput:
    masks = torch.stack([mask0, *(torch.full_like(mask0, float(k)) for k in (1, 2, 3))])[None]
    tokens = torch.arange(4.0)[None, :, None].expand(1, 4, 64)
    return DecoderOutput(masks, torch.tensor([ious]), tokens, torch.tensor([score]))


def test_stability() -> None:
    masks = torch.full((4, 10, 10), -1.0)
    masks[0, :5] = 1.0
    masks[1, :5] = 1.0
    masks[1, 5] = 0.0  # 10 of 60 pixels lie between the thresholds
    masks[3] = 0.05
    np.testing.assert_allclose(stability(masks), [1.0, 50 / 60, 1.0, 0.0])


def test_unstable_single_masks_fall_back_to_the_best_of_three(small: Sam2) -> None:
    stable, shaky = torch.ones(4, 4), torch.zeros(4, 4)
    masks, ious = single_mask(output(stable, [0.1, 0.2, 0.9, 0.3]))
    assert (masks == 1).all()
    assert ious.tolist() == [[np.float32(0.1)]]
    masks, ious = single_mask(output(shaky, [0.99, 0.2, 0.9, 0.3]))
    assert (masks == 2).all()
    assert ious.tolist() == [[np.float32(0.9)]]


def test_one_click_is_answered_by_the_best_of_three_and_more_by_one_mask(small: Sam2) -> None:
    decoded = output(torch.full((4, 4), 9.0), [0.99, 0.2, 0.3, 0.9])
    for count in (0, 1):
        answer = small.choose(decoded, num_points=count)
        assert answer.candidates_bkhw.shape == (1, 3, 4, 4)
        assert (answer.low_res_bhw == 3).all()
        np.testing.assert_allclose(answer.ious_b, [0.9])
        np.testing.assert_allclose(answer.pointers_bc, small.obj_ptr_proj(torch.full((1, 64), 3.0)), atol=1e-6)
    answer = small.choose(decoded, num_points=2)
    assert (answer.low_res_bhw == 9).all()
    np.testing.assert_allclose(answer.ious_b, [0.99])
    # The pointer comes from the single mask's token even where another mask is shown.
    shaky = small.choose(output(torch.zeros(4, 4), [0.99, 0.2, 0.3, 0.9]), num_points=2)
    assert (shaky.low_res_bhw == 3).all()
    np.testing.assert_allclose(shaky.pointers_bc, small.obj_ptr_proj(torch.zeros(1, 64)), atol=1e-6)


def test_hidden_objects(small: Sam2) -> None:
    answer = small.choose(output(torch.ones(4, 4), [0.1, 0.2, 0.9, 0.3], score=0.0), num_points=1)
    assert (answer.candidates_bkhw == -1024).all()
    np.testing.assert_array_equal(answer.pointers_bc, small.no_obj_ptr)


def test_resizing() -> None:
    logits = torch.tensor([[[[0.0, 4.0]]]]).bfloat16()
    out = resize_logits(logits, (1, 4))
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out[0, 0, 0], [0, 1, 3, 4])
