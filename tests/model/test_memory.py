"""Memory encoder and memory attention."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from napari_sam2.model.config import InferenceOptions
from napari_sam2.model.layers import rotary_table
from napari_sam2.model.memory_attention import MemoryCrossAttention, MemoryTokens
from napari_sam2.model.memory_encoder import ConvNextBlock, MaskDownsampler
from napari_sam2.model.sam2 import ImageFeatures, PointerMemory, Sam2, SpatialMemory, build_sam2, hard_mask, soft_mask


def frame(batch: int = 1, height: int = 8, width: int = 8) -> ImageFeatures:
    return ImageFeatures(torch.zeros(0), torch.zeros(0), torch.randn(batch, 64, height, width))


def test_masks_shrink_sixteenfold() -> None:
    down = MaskDownsampler(12)
    assert down(torch.randn(2, 1, 64, 96)).shape == (2, 12, 4, 6)
    widths = [layer.out_channels for layer in down.encoder if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [4, 16, 64, 256, 12]


def test_the_fuser_adds_to_its_input() -> None:
    block = ConvNextBlock(8).requires_grad_(False)
    x = torch.randn(1, 8, 6, 6)
    np.testing.assert_allclose(block(x), x, atol=1e-4)
    block.gamma.fill_(1.0)
    assert (block(x) - x).abs().max() > 1e-2


def test_memories_of_several_objects_share_the_frame(small: Sam2) -> None:
    features, masks = frame(), torch.rand(3, 1, 128, 128)
    visible = torch.tensor([True, False, True])
    together = small.remember(features, masks, visible_b=visible)
    assert together.shape == (3, 16, 8, 8)
    for item in range(3):
        single = small.remember(features, masks[item : item + 1], visible_b=visible[item : item + 1])
        np.testing.assert_allclose(together[item], single[0], atol=1e-5)


def test_memories_of_hidden_objects_are_marked(small: Sam2) -> None:
    features, mask = frame(), torch.rand(1, 1, 128, 128)
    seen, hidden = (small.remember(features, mask, visible_b=torch.tensor([v])) for v in (True, False))
    expected = small.no_obj_embed_spatial[0, :, None, None].expand(16, 8, 8)
    np.testing.assert_allclose((hidden - seen)[0], expected, atol=1e-6)


def test_masks_for_the_memory() -> None:
    logits = torch.tensor([-3.0, 0.0, 2.0])
    assert hard_mask(logits).tolist() == [0, 0, 1]
    np.testing.assert_allclose(soft_mask(logits), 1 / (1 + np.exp([3.0, 0.0, -2.0])), rtol=1e-6)


def memories(batch: int, slots: list[int]) -> list[SpatialMemory]:
    return [SpatialMemory(torch.randn(batch, 16, 8, 8), slot) for slot in slots]


def pointers(batch: int, distances: list[int]) -> list[PointerMemory]:
    return [PointerMemory(torch.randn(batch, 64), distance) for distance in distances]


def test_objects_do_not_see_each_other(small: Sam2) -> None:
    features, maps, tokens = frame(), memories(3, [0, 2, 1]), pointers(3, [9, 1, 2])
    together = small.condition(features, maps, pointers=tokens, pointer_span=15)
    assert together.shape == (3, 64, 8, 8)
    repeated = small.condition(
        ImageFeatures(torch.zeros(0), torch.zeros(0), features.s16_bchw.repeat(3, 1, 1, 1)),
        maps,
        pointers=tokens,
        pointer_span=15,
    )
    np.testing.assert_allclose(together, repeated, atol=1e-5)
    for item in range(3):
        single = small.condition(
            features,
            [SpatialMemory(m.features_bchw[item : item + 1], m.slot) for m in maps],
            pointers=[PointerMemory(p.pointer_bc[item : item + 1], p.distance) for p in tokens],
            pointer_span=15,
        )
        np.testing.assert_allclose(together[item], single[0], atol=1e-5)


def test_slots_matter_and_order_does_not(small: Sam2) -> None:
    features, (old, new) = frame(), memories(1, [0, 1])
    tokens = pointers(1, [3, 1])
    base = small.condition(features, [old, new], pointers=tokens, pointer_span=15)
    turned = small.condition(features, [new, old], pointers=tokens[::-1], pointer_span=15)
    np.testing.assert_allclose(base, turned, atol=1e-4)
    moved = small.condition(features, [old, SpatialMemory(new.features_bchw, 2)], pointers=tokens, pointer_span=15)
    assert (base - moved).abs().max() > 1e-4
    later = small.condition(features, [old, new], pointers=tokens, pointer_span=7)
    assert (base - later).abs().max() > 1e-6
    without = small.condition(features, [old, new])
    assert (base - without).abs().max() > 1e-5


def test_slot_zero_uses_the_last_row_of_the_table(small_config: object) -> None:
    model = build_sam2(small_config).requires_grad_(False)  # type: ignore[arg-type]
    features, (memory,) = frame(), memories(1, [0])
    before = model.condition(features, [memory])
    model.maskmem_tpos_enc[:6] += 5
    np.testing.assert_array_equal(model.condition(features, [memory]), before)
    model.maskmem_tpos_enc[6] += 5
    assert not torch.equal(model.condition(features, [memory]), before)


def test_pointers_become_several_tokens_with_one_code(small: Sam2) -> None:
    given = pointers(2, [4, -2])
    tokens, code = small._pointer_tokens(given, 8)
    assert tokens.shape == (2, 8, 16)
    assert code.shape == (1, 8, 16)
    np.testing.assert_array_equal(tokens[:, :4].flatten(1), given[0].pointer_bc)
    np.testing.assert_array_equal(tokens[:, 4:].flatten(1), given[1].pointer_bc)
    expected = small.pointer_time_code(torch.tensor([0.5, -0.25]))
    np.testing.assert_allclose(code[0], expected.repeat_interleave(4, 0), atol=1e-6)


def test_the_first_generation_has_no_time_code_and_no_mark(small_config: object) -> None:
    from dataclasses import replace

    model = build_sam2(replace(small_config, generation="2.0"))  # type: ignore[type-var]
    assert not model.pointer_time_code(torch.tensor([1.0, 2.0])).any()
    memory = torch.randn(1, 16, 8, 8)
    assert model.mark_hidden(memory, torch.tensor([False])) is memory


@pytest.mark.parametrize(("height", "width"), [(4, 4), (3, 9)])
def test_other_grids(small: Sam2, height: int, width: int) -> None:
    features = frame(1, height, width)
    memory = [SpatialMemory(torch.randn(2, 16, height, width), slot) for slot in (0, 1)]
    assert small.condition(features, memory, pointers=pointers(2, [1])).shape == (2, 64, height, width)


def pooled(model: Sam2, memory: list[SpatialMemory], features: ImageFeatures, **options: object) -> torch.Tensor:
    twin = copy.copy(model)
    twin.options = InferenceOptions(memory_cell=2)
    return twin.condition(features, memory, **options)  # type: ignore[arg-type]


def test_pooled_tokens_lie_in_the_middle_of_their_blocks() -> None:
    whole, halved = rotary_table(16, 6, 4, "cpu"), rotary_table(16, 3, 2, "cpu", 2)
    angles = torch.view_as_complex(whole.reshape(3, 2, 2, 2, 8, 2)).angle()
    # The slower half of the frequencies turns by less than half a circle over the grid: there, angles can be averaged.
    middle = angles.mean((1, 3)).flatten(0, 1)
    found = torch.view_as_complex(halved).angle()
    slow = [1, 2, 3, 5, 6, 7]
    np.testing.assert_allclose(found[:, slow], middle[:, slow], atol=1e-5)


def test_pooled_memories_weigh_what_they_weighed() -> None:
    # Without keys' projections every token has the same score: the mean says how many cells each of them counts for.
    attention = MemoryCrossAttention(8, 1, key_channels=4).requires_grad_(False)
    attention.k_proj.weight.zero_()
    attention.k_proj.bias.zero_()
    x, maps, pointer = torch.randn(1, 16, 8), torch.randn(2, 4, 4, 4), torch.randn(2, 1, 4)

    def attended(cell: int) -> torch.Tensor:
        tokens = torch.nn.functional.avg_pool2d(maps, cell).flatten(2).transpose(1, 2)
        values = torch.cat((tokens, pointer), 1)
        memory = MemoryTokens(values, torch.zeros(1, *values.shape[1:]), pointers=1, cell=cell)
        return attention.attend_memory(x, memory, (4, 4))

    np.testing.assert_allclose(attended(2), attended(1), atol=1e-5)


def test_pooled_memories_stay_near_and_see_places(small: Sam2) -> None:
    torch.manual_seed(3)
    features, tokens = frame(), pointers(2, [3, 1])
    coarse = torch.randn(2, 16, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3)
    maps = [SpatialMemory(coarse, 0), SpatialMemory(coarse.roll(2, 3), 1)]
    base = small.condition(features, maps, pointers=tokens, pointer_span=15)
    near = pooled(small, maps, features, pointers=tokens, pointer_span=15)
    effect = (base - small.condition(features, [SpatialMemory(torch.randn(2, 16, 8, 8), 0)])).norm()
    assert 0 < (near - base).norm() < 0.1 * effect


@pytest.mark.parametrize("cell", [0, 3])
def test_only_small_blocks_divide_every_grid(cell: int) -> None:
    with pytest.raises(ValueError, match="memory_cell is 1 or 2"):
        InferenceOptions(memory_cell=cell)
