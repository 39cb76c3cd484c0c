from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sam2.training.finetune.adapters import train_part
from napari_sam2.training.optimisation.optimisers import make_optimisers, rate_of
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings, paper_recipe

PLAIN = TrainSettings("unused", image_size=64)


def test_the_encoder_learns_slower_block_by_block() -> None:
    settings = replace(PLAIN, encoder_rate=0.2, layer_decay=0.9)

    def rate(name: str) -> float:
        return rate_of(name, 8, settings)

    assert rate("memory_attention.layers.0.linear1.weight") == 1
    assert rate("image_encoder.neck.convs.0.conv.weight") == pytest.approx(0.2)
    assert rate("image_encoder.trunk.blocks.7.attn.qkv.weight") == pytest.approx(0.2 * 0.9)
    assert rate("image_encoder.trunk.blocks.0.norm1.bias") == pytest.approx(0.2 * 0.9**8)
    assert rate("image_encoder.trunk.patch_embed.proj.weight") == pytest.approx(0.2 * 0.9**9)
    assert rate("image_encoder.trunk.pos_embed") == pytest.approx(0.2)
    assert rate("image_encoder.trunk.pos_embed_window") == pytest.approx(0.2)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_every_weight_is_moved_by_one_optimiser_at_its_rate(optimiser: str) -> None:
    settings = replace(PLAIN, optimiser=optimiser, encoder_rate=0.5, layer_decay=0.9, weight_decay=0.1)
    model = start(settings).model
    moved = {}
    for one in make_optimisers(model, settings):
        for group in one.param_groups:
            for parameter in group["params"]:
                assert id(parameter) not in moved
                moved[id(parameter)] = group["rate"], group["weight_decay"]
    blocks = model.config.trunk.num_blocks
    for name, parameter in model.named_parameters():
        rate, decay = moved.pop(id(parameter))
        assert rate == rate_of(name, blocks, settings), name
        assert decay == (0.1 if parameter.ndim >= 2 and parameter.shape[0] > 1 else 0.0), name
    assert moved == {}


def test_frozen_weights_have_no_optimiser() -> None:
    model = start(PLAIN).model
    train_part(model, "decoder+memory")
    moved = {id(p) for one in make_optimisers(model, PLAIN) for group in one.param_groups for p in group["params"]}
    assert moved == {id(p) for p in model.parameters() if p.requires_grad}
    assert moved.isdisjoint(id(p) for p in model.image_encoder.parameters())


def test_the_paper_s_recipe() -> None:
    paper = paper_recipe("run")
    assert paper.folder == "run"
    # a mask for half of the clips, a click or a box for a quarter each
    assert (paper.mask_prompts, paper.box_prompts) == (0.5, 0.5)
    assert (paper.clip_frames, paper.prompted_frames, paper.corrected_frames, paper.clip_corrections) == (8, 2, 2, 7)
    assert (paper.truth_clicks, paper.cross_entropy, paper.grade, paper.loss_stride) == (0.1, "focal", "answer", 1)
    assert paper.learning_rate * paper.encoder_rate == pytest.approx(6e-5)
    assert (paper.layer_decay, paper.weight_decay, paper.clip_norm) == (0.9, 0.1, 0.1)
