"""Products are timed without a trace; how long they took is not judged here."""

from __future__ import annotations

import torch

from napari_sam2.model.config import CONFIGS, InferenceOptions
from napari_sam2.model.precision import ARITHMETICS, precision_of
from napari_sam2.model.sam2 import build_sam2
from napari_sam2.model.timing.product_times import product_kinds, time_products


def test_times_leave_the_model_and_the_random_numbers_alone() -> None:
    model = build_sam2(CONFIGS["sam2_nano"]).requires_grad_(False)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    seconds = time_products(model, tuple(ARITHMETICS))
    assert seconds.keys() == ARITHMETICS.keys()
    assert all(taken > 0 for taken in seconds.values())
    assert precision_of(model) == "float32"
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_a_larger_input_has_more_of_every_kind_and_shorter_memories_less() -> None:
    config = CONFIGS["sam2_nano"]
    small, large, forgetful = (
        [kind.times for kind in product_kinds(build_sam2(config.with_image_size(size), options), "float32")]
        for size, options in (
            (384, InferenceOptions()),
            (768, InferenceOptions()),
            (384, InferenceOptions(recent_memories=2)),
        )
    )
    # Four times as many tokens, and of attention between them sixteen times or more.
    assert all(4 <= more / less < 40 for less, more in zip(small, large, strict=True))
    assert sum(forgetful) < sum(small)
