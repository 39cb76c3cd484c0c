from __future__ import annotations

import torch

from napari_sam2.model.config import CONFIGS
from napari_sam2.model.hiera import HieraBlock
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.training.optimisation.drop_path import drop_path


def small_model() -> Sam2:
    torch.manual_seed(0)
    return build_sam2(CONFIGS["sam2_nano"].with_image_size(64)).eval()


def plain_block(model: Sam2) -> tuple[HieraBlock, float]:
    """Return the last block that keeps the map's shape, and its rate as a share of the last block's."""
    blocks = list(model.image_encoder.trunk.blocks)
    index = max(i for i, block in enumerate(blocks) if type(block) is HieraBlock)
    return blocks[index], index / (len(blocks) - 1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def test_branches_are_dropped_image_by_image_and_scaled() -> None:
    model = small_model()
    block, share = plain_block(model)
    x = torch.randn(400, 2, 2, block.norm1.normalized_shape[0])
    x[1:] = x[0]
    whole = block(x)
    with drop_path(model, 0.25 / share, generator()):
        dropped = block(x)
    # one image has one of four outcomes: either branch kept or passed over
    outcomes = torch.unique(dropped.flatten(1).round(decimals=4), dim=0)
    assert len(outcomes) == 4
    untouched = (dropped - x).abs().flatten(1).amax(dim=1) < 1e-5
    assert 0.02 < untouched.float().mean() < 0.12  # a quarter of a quarter
    # the attention branch alone: kept in three of four, four thirds as strong
    attended = x + block.attn(block.norm1(x))
    assert torch.allclose(block(x), whole)
    assert not torch.allclose(dropped[:1], attended[:1])


@torch.no_grad()
def test_windows_of_an_image_share_its_fate_and_the_first_block_stays() -> None:
    model = small_model()
    image = torch.randn(1, 3, 64, 64).expand(40, -1, -1, -1)
    plain = model.image_encoder.trunk(image)
    with drop_path(model, 0.5, generator(1)):
        one = model.image_encoder.trunk(image)
    with drop_path(model, 0.5, generator(1)):
        again = model.image_encoder.trunk(image)
    assert torch.equal(one[-1], again[-1])
    assert len(torch.unique(one[-1].flatten(1).round(decimals=4), dim=0)) > 10
    assert not torch.allclose(one[-1], plain[-1])
    assert torch.equal(model.image_encoder.trunk(image)[-1], plain[-1])


@torch.no_grad()
def test_the_mean_of_a_dropped_branch_is_the_branch() -> None:
    model = small_model()
    block, share = plain_block(model)
    x = torch.randn(1, 2, 2, block.norm1.normalized_shape[0]).expand(4000, -1, -1, -1)
    attended = x + block.attn(block.norm1(x))
    kept = []
    handle = block.norm2.register_forward_pre_hook(lambda _, arguments: kept.append(arguments[0]))
    with drop_path(model, 0.3 / share, generator(2)):
        block(x)
    handle.remove()
    branch, mean = (attended - x)[0], (kept[0] - x).mean(dim=0)
    assert (mean - branch).abs().max() < 0.1 * branch.abs().max()
