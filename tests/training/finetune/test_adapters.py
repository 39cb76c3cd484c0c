from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from napari_sam2.training.finetune.adapters import LowRank, merge_adapters, train_part
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings


def test_an_adapter_is_a_product_added() -> None:
    adapter = LowRank(torch.zeros(3, 2), 1, torch.Generator().manual_seed(0))
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert torch.equal(adapter(weight), weight)
    with torch.no_grad():
        adapter.up.copy_(torch.tensor([[1.0], [0.0], [2.0]]))
        adapter.down.copy_(torch.tensor([[10.0, 20.0]]))
    assert torch.equal(adapter(weight), torch.tensor([[11.0, 22.0], [3.0, 4.0], [25.0, 46.0]]))


def test_merged_adapters_give_the_same_answer_and_an_ordinary_model() -> None:
    model = start(TrainSettings("unused", image_size=64)).model
    keys = set(model.state_dict())
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = model.encode_image(image).s16_bchw
    train_part(model, "adapters", rank=2)
    assert torch.equal(model.encode_image(image).s16_bchw, plain)
    adapters = [module for module in model.modules() if isinstance(module, LowRank)]
    with torch.no_grad():
        for adapter in adapters:
            adapter.up.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    adapted = model.encode_image(image).s16_bchw
    assert not torch.allclose(adapted, plain, atol=1e-2)
    merge_adapters(model)
    assert torch.allclose(model.encode_image(image).s16_bchw, adapted, atol=1e-5)
    assert set(model.state_dict()) == keys
    assert not any(parametrize.is_parametrized(module) for module in model.modules())


@pytest.mark.parametrize("part", ["decoder+memory", "adapters"])
def test_only_adapters_of_the_encoder_learn(part: str) -> None:
    model = start(TrainSettings("unused", image_size=64)).model
    train_part(model, part, rank=2)
    learning = {name for name, p in model.image_encoder.named_parameters() if p.requires_grad}
    assert all(name.endswith((".down", ".up")) for name in learning)
    assert bool(learning) == (part == "adapters")
    assert model.memory_attention.layers[0].linear1.weight.requires_grad


def test_other_parts_are_refused() -> None:
    model = start(TrainSettings("unused", image_size=64)).model
    with pytest.raises(ValueError, match="part='neck'"):
        train_part(model, "neck")
    with pytest.raises(ValueError, match="rank=0"):
        train_part(model, "adapters", rank=0)
