"""``napari-sam2 train`` and ``evaluate``, on the smallest things they can work on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import Run, draw_disk

from napari_sam2.model.centre_head import CentreHead
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import build_sam2
from napari_sam2.weights.load import save_checkpoint

TINY = "--image-size 64 --steps 2 --stills 1 --still-objects 1 --clips 1 --clip-objects 1 --clip-frames 2 --warmup 1"


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """A folder with one labelled sequence."""
    frames, masks = draw_disk(4)
    folder = tmp_path / "sequences" / "disk"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "frames.tif", frames, photometric="minisblack")
    tifffile.imwrite(folder / "labels.tif", masks.astype(np.uint16) * 5, photometric="minisblack")
    return folder.parent


def test_evaluate_prints_the_mean_and_writes_the_report(
    run: Run, sequences: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    done = run("evaluate", sequences, "--model", checkpoint, "--prompt", "box", "--output", out)
    assert done.status == 0, done.err
    report = json.loads(out.read_text(encoding="utf-8"))
    assert set(report["sequences"]) == {"disk"}
    assert done.out.splitlines()[-1] == (
        f"sam2_nano, box prompts: J {report['mean']['J']:.3f} F {report['mean']['F']:.3f}; see {out}"
    )


def test_evaluate_prints_what_the_model_finds(run: Run, sequences: Path, tmp_path: Path) -> None:
    model = build_sam2(CONFIGS["sam2_nano"].with_image_size(64))
    model.centre_head = CentreHead(model.config.d_model)
    weights, out = tmp_path / "headed.safetensors", tmp_path / "found.json"
    save_checkpoint(model, weights)
    done = run("evaluate", sequences, "--find", "--model", weights, "--output", out)
    assert done.status == 0, done.err
    mean = json.loads(out.read_text(encoding="utf-8"))["mean"]
    assert f"clicks of its own: recall {mean['recall']:.3f} precision {mean['precision']:.3f}" in done.out


def test_evaluate_without_sequences(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    done = run("evaluate", tmp_path, "--model", checkpoint, "--output", tmp_path / "report.json")
    assert done.status == 2
    assert str(tmp_path) in done.complaint
    assert not (tmp_path / "report.json").exists()


def test_trained_weights_can_be_tracked_with(run: Run, sequences: Path, tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    words = [*TINY.split(), "--cooldown", 1, "--validate-every", 0, "--no-bfloat16", "--data", sequences]
    done = run("train", tmp_path / "training", *words, "--export", weights)
    assert done.status == 0, done.err
    done = run("evaluate", sequences, "--model", weights, "--output", tmp_path / "report.json")
    assert done.status == 0, done.err


def test_training_with_odd_settings(run: Run, tmp_path: Path) -> None:
    done = run("train", tmp_path / "training", "--image-size", 100)
    assert done.status == 2
    assert "100" in done.complaint
    assert not (tmp_path / "training").exists()
