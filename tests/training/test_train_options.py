from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_sam2.training.train_options import add_train_arguments, settings_from_args, train_from_args
from napari_sam2.training.train_settings import TrainSettings, paper_recipe
from napari_sam2.weights.load import load_model

SIZES = {"image-size": 64, "stills": 1, "still-objects": 1, "clips": 1, "clip-frames": 2, "clip-objects": 1}
TINY = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
TINY += ["--clip-share", "0.5", "--validate-every", "0", "--no-bfloat16"]


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    return parser.parse_args(arguments)


def test_every_setting_has_an_option_and_its_default() -> None:
    assert settings_from_args(parse("run")) == TrainSettings("run")
    settings = settings_from_args(parse("run", "--steps", "7", "--ema", "0.5", "--no-bfloat16", "--data", "a", "b"))
    assert settings == TrainSettings("run", steps=7, ema=0.5, bfloat16=False, data=("a", "b"))


def test_a_recipe_fills_in_what_is_not_given() -> None:
    settings = settings_from_args(parse("run", "--recipe", "paper", "--image-size", "256"))
    assert settings == replace(paper_recipe("run"), image_size=256)


def test_a_trained_model_is_exported_and_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool, exported = str(tmp_path / "pool"), tmp_path / "mine.safetensors"
    train_from_args(
        parse(
            str(tmp_path / "run"),
            "--data",
            pool,
            "--fill-pool",
            "3",
            "--photographs",
            "0.5",
            "--steps",
            "2",
            "--export",
            str(exported),
            *TINY,
        )
    )
    assert "2/2" in capsys.readouterr().err
    model = load_model(checkpoint=exported, dtype="float32")
    assert model.config.image_size == 64
    content = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    name = "no_mem_embed"
    assert torch.allclose(model.state_dict()[name], content["average"][name], atol=1e-3)


def test_by_the_clock_the_bar_shows_minutes_and_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--fill-pool", "2", "--minutes", "0.001", "--validate-every", "0"
    train_from_args(parse(str(tmp_path / "run"), "--data", str(tmp_path / "pool"), *words, *TINY))
    shown = capsys.readouterr().err
    assert "of 0.001 min, step 1," in shown and "s/s" not in shown


TWO = """
import argparse, sys, torch
from napari_sam2.training.optimisation import processes
from napari_sam2.training.train_options import add_train_arguments, settings_from_args
from napari_sam2.training.loop import run_training
torch.set_num_threads(1)
parser = argparse.ArgumentParser()
add_train_arguments(parser)
processes.join()
state = run_training(settings_from_args(parser.parse_args()))
weight = state.model.no_mem_embed.detach().sum()
assert processes.from_first(float(weight)) == float(weight), "the processes' weights differ"
processes.leave()
"""


@pytest.mark.slow
def test_two_processes_keep_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO, encoding="utf-8")
    pool = tmp_path / "pool"
    train_from_args(parse(str(tmp_path / "warm"), "--data", str(pool), "--fill-pool", "3", "--steps", "1", *TINY))
    run = [str(tmp_path / "run"), "--data", str(pool), "--steps", "3", *TINY]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launch, str(script), *run], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "steps.csv").read_text(encoding="utf-8").count("\n") == 4
