from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.evaluation.evaluate_folder import markdown_table
from napari_sam2.evaluation.image_sets import Split
from napari_sam2.evaluation.labelled_sequences import read_sequences
from napari_sam2.evaluation.track_and_score import evaluate
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import build_sam2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty stills of two sizes, and a stack of twenty frames."""
    stills, stack = tmp_path / "photos", tmp_path / "scan"
    for place in (stills / "frames", stills / "labels", stack):
        place.mkdir(parents=True)
    for i in range(20):
        labels = np.zeros((40, 40 + i % 2), np.uint16)
        labels[5:25, 5:30] = 300
        Image.fromarray(np.full((*labels.shape, 3), 2 * i, np.uint8)).save(stills / "frames" / f"{i:03d}.png")
        Image.fromarray(labels).save(stills / "labels" / f"{i:03d}.png")
    (stills / "meta.json").write_text(json.dumps({"axis": "still"}), encoding="utf-8")
    labels = np.zeros((20, 32, 32), np.uint16)
    labels[:, 8:20, 8:20] = 1
    tifffile.imwrite(stack / "labels.tif", labels)
    tifffile.imwrite(stack / "frames.tif", (labels * 200).astype(np.uint8), metadata={"axes": "ZYX"})
    (stack / "meta.json").write_text(json.dumps({"axis": "z"}), encoding="utf-8")
    return tmp_path


def test_stills_are_sequences_of_one_frame(folder: Path) -> None:
    sequences = list(read_sequences(folder))
    assert [sequence.name for sequence in sequences][:2] == ["photos/000", "photos/001"]
    assert len(sequences) == 21
    assert sequences[1].labels.shape == sequences[1].stack.shape == (1, 40, 41)
    assert sequences[0].objects() == [300]
    assert sequences[-1].axis == "z"


def test_only_what_is_held_out_is_read(folder: Path) -> None:
    held_out = list(read_sequences(folder, split=Split(0.1, held_out=True)))
    assert [sequence.name for sequence in held_out] == ["photos/015", "photos/016", "photos/017", "scan"]
    assert held_out[-1].stack.shape == held_out[-1].labels.shape == (3, 32, 32)
    without = read_sequences(folder, split=Split(0.1, held_out=True, without=("pho*",)))
    assert [sequence.name for sequence in without] == ["scan"]


def test_stills_are_graded_where_they_are_clicked(folder: Path) -> None:
    model = build_sam2(CONFIGS["sam2_nano"].with_image_size(64))
    some = Split(0.1, held_out=True)
    reports = {
        prompt: evaluate(model, read_sequences(folder, split=some), prompt=prompt, flow=False)
        for prompt in ("mask", "click")
    }
    assert list(reports["mask"]["sequences"]) == ["scan"]
    clicked = reports["click"]["sequences"]
    assert list(clicked) == ["photos/015", "photos/016", "photos/017", "scan"]
    assert "copied" in clicked["scan"] and "copied" not in clicked["photos/015"]
    # the stills of a set count as one
    photos = np.mean([clicked[f"photos/{i:03d}"]["J"] for i in (15, 16, 17)])
    assert reports["click"]["mean"]["J"] == pytest.approx((photos + clicked["scan"]["J"]) / 2, abs=2e-4)
    table = markdown_table(reports)
    assert table.count("photos/") == 3
    assert "better than copied" in table
