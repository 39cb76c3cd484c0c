from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_sam2.synthetic import SceneSettings
from napari_sam2.training.data.sources import Pool, fill_pool
from napari_sam2.training.loop import batch_of_step, kind_of_step, learning_rate, run_training, share_done, train_step
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings
from napari_sam2.weights.load import save_checkpoint

CALM = SceneSettings(size=(64, 64), n_frames=4, kind="shapes", motion=0.3, noise=0.0)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    fill_pool(folder, CALM, clips=6, seed=1)
    return folder


def tiny(folder: Path, pool: Path) -> TrainSettings:
    return TrainSettings(
        folder=str(folder),
        data=(str(pool),),
        steps=4,
        image_size=64,
        stills=2,
        still_objects=2,
        clips=1,
        clip_frames=3,
        clip_objects=2,
        clip_share=0.5,
        warmup=2,
        cooldown=0.25,
        bfloat16=False,
        validate_every=0,
    )


def curve(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "steps.csv").read_text(encoding="utf-8").splitlines()))


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_a_seed_decides_the_run_and_resuming_does_not_change_it(tmp_path: Path, pool: Path) -> None:
    whole = run_training(tiny(tmp_path / "whole", pool))
    again = run_training(tiny(tmp_path / "again", pool))
    assert same_weights(whole.model, again.model)
    assert curve(tmp_path / "whole") == curve(tmp_path / "again")

    halves = replace(tiny(tmp_path / "halves", pool), steps=4)
    run_training(halves, stop_after=2)
    resumed = run_training(halves)
    assert resumed.step == 4
    assert same_weights(whole.model, resumed.model)
    assert all(torch.equal(whole.average[key], resumed.average[key]) for key in whole.average)
    assert curve(tmp_path / "whole") == curve(tmp_path / "halves")

    other = run_training(replace(tiny(tmp_path / "other", pool), seed=1))
    assert not same_weights(whole.model, other.model)


def test_clips_and_stills_both_occur(pool: Path, tmp_path: Path) -> None:
    settings = tiny(tmp_path, pool)
    sources = [Pool(pool)]
    lengths = {batch_of_step(sources, step, settings).frames_btchw.shape[1] for step in range(20)}
    assert lengths == {1, 3}


def test_half_of_the_clips_are_prompted_with_masks_and_stills_never() -> None:
    settings = TrainSettings("unused", clip_share=0.75)
    kinds = [kind_of_step(step, settings) for step in range(2000)]
    clips = [kind for kind in kinds if kind.shape[1] > 1]
    assert 0.72 < len(clips) / len(kinds) < 0.78
    assert 0.46 < sum(kind.give_masks for kind in clips) / len(clips) < 0.54
    assert not any(kind.give_masks for kind in kinds if kind.shape[1] == 1)


def test_how_many_corrections_a_step_has_is_drawn_if_wanted() -> None:
    fixed = TrainSettings("unused", corrections=3, clip_corrections=2)
    for vary, expected in ((0.0, {"still": {3}, "clip": {2}}), (1.0, {"still": {0, 1, 2, 3}, "clip": {0, 1, 2}})):
        drawn: dict[str, set[int]] = {"still": set(), "clip": set()}
        for step in range(200):
            kind = kind_of_step(step, replace(fixed, vary_corrections=vary))
            drawn["clip" if kind.shape[1] > 1 else "still"].add(kind.corrections)
        assert drawn == expected


def test_a_step_without_corrections_answers_once(tmp_path: Path, pool: Path) -> None:
    settings = replace(tiny(tmp_path, pool), clip_share=0.0, corrections=2, vary_corrections=1.0)
    state = start(settings)
    for _ in range(6):
        kind = kind_of_step(state.step, settings)
        losses = train_step(state, batch_of_step([Pool(pool)], state.step, settings), settings)
        assert len(losses) == 1 + kind.corrections


def test_a_few_steps_on_one_batch_lower_the_loss(tmp_path: Path, pool: Path) -> None:
    settings = replace(tiny(tmp_path, pool), steps=100, clip_share=0.0, corrections=0, still_objects=4, cooldown=0.0)
    batch = batch_of_step([Pool(pool)], 0, settings)
    state = start(settings)
    losses = [float(train_step(state, batch, settings)[0].mask.detach()) for _ in range(12)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_the_checkpoint_holds_nothing_but_tensors_and_numbers(tmp_path: Path, pool: Path) -> None:
    run_training(replace(tiny(tmp_path, pool), steps=1))
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["step"] == 1


def test_learning_rate_rises_stays_and_falls() -> None:
    settings = TrainSettings("unused", steps=100, warmup=10, cooldown=0.2, learning_rate=1.0)
    assert learning_rate(0, 0.0, settings) == pytest.approx(0.1)
    assert learning_rate(50, 0.5, settings) == 1.0
    assert learning_rate(90, 0.9, settings) == pytest.approx(0.5)
    assert learning_rate(100, 1.0, settings) == pytest.approx(0.01)


def test_a_run_can_be_ended_by_the_clock(tmp_path: Path, pool: Path) -> None:
    settings = replace(tiny(tmp_path, pool), minutes=1e-9)
    assert run_training(settings).step == 0
    assert share_done(30, time.monotonic() - 60, replace(settings, steps=100, minutes=2)) == pytest.approx(
        0.5, abs=1e-3
    )
    assert share_done(80, time.monotonic() - 60, replace(settings, steps=100, minutes=2)) == 0.8
    assert share_done(30, time.monotonic() - 60, replace(settings, steps=100, minutes=0)) == 0.3


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="image_size=100"):
        TrainSettings("unused", image_size=100)
    with pytest.raises(ValueError, match="cross_entropy='dice'"):
        TrainSettings("unused", cross_entropy="dice")


def test_every_part_of_the_recipe_leaves_a_resumed_run_equal(tmp_path: Path, pool: Path) -> None:
    recipe = replace(
        tiny(tmp_path / "whole", pool),
        clip_share=1.0,
        mask_prompts=0.0,
        prompted_frames=2,
        corrected_frames=2,
        clip_corrections=2,
        truth_clicks=0.5,
        grade="answer",
        cross_entropy="focal",
        part="adapters",
        rank=2,
        encoder_rate=0.5,
        layer_decay=0.9,
        optimiser="adamw",
    )
    whole = run_training(recipe)
    halves = replace(recipe, folder=str(tmp_path / "halves"))
    run_training(halves, stop_after=2)
    resumed = run_training(halves)
    assert same_weights(whole.model, resumed.model)
    assert same_weights(whole.averaged_model(), resumed.averaged_model())
    assert curve(tmp_path / "whole") == curve(tmp_path / "halves")


@pytest.mark.parametrize("part", ["decoder+memory", "adapters"])
def test_frozen_weights_do_not_change_by_a_bit(tmp_path: Path, pool: Path, part: str) -> None:
    settings = replace(tiny(tmp_path, pool), part=part, clip_share=1.0)
    before = start(settings).averaged_model().image_encoder.state_dict()
    state = run_training(settings)
    after = state.averaged_model().image_encoder.state_dict()
    assert after.keys() == before.keys()
    changed = {key for key in before if not torch.equal(after[key], before[key])}
    # Adapters sit on the matrices of the linear layers alone; biases and norms stay.
    linear = {key for key in before if key.endswith(".weight") and before[key].ndim == 2}
    assert changed == (linear if part == "adapters" else set())
    adapted = state.model.image_encoder.state_dict()
    if part == "adapters":
        original = "trunk.blocks.0.attn.qkv.parametrizations.weight.original"
        assert torch.equal(adapted[original], before["trunk.blocks.0.attn.qkv.weight"])


def test_a_run_can_begin_with_given_weights(tmp_path: Path, pool: Path) -> None:
    given = start(replace(tiny(tmp_path, pool), seed=5)).model
    save_checkpoint(given, tmp_path / "given.safetensors")
    begun = start(replace(tiny(tmp_path, pool), weights=str(tmp_path / "given.safetensors")))
    assert same_weights(begun.model, given)
    assert all(p.requires_grad for p in begun.model.parameters())
    with pytest.raises(FileNotFoundError, match="nowhere"):
        start(replace(tiny(tmp_path, pool), weights="nowhere.pt"))


def test_rates_scale_the_learning_rate(tmp_path: Path, pool: Path) -> None:
    settings = replace(tiny(tmp_path, pool), encoder_rate=0.5, warmup=1, cooldown=0.0)
    state = start(settings)
    train_step(state, batch_of_step([Pool(pool)], 0, settings), settings)
    rates = {(group["rate"], group["lr"]) for one in state.optimisers for group in one.param_groups}
    assert rates == {(1.0, settings.learning_rate), (0.5, settings.learning_rate / 2)}
