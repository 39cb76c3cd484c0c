"""``napari-sam2 teach``, on the smallest things it can work on."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import DiskStack, Run

from napari_sam2.cli.commands.models.teach import parse_frames, read_labelled

SHORT = ["--image-size", 64, "--steps", 1]


@pytest.fixture
def labels(disk: DiskStack, tmp_path: Path) -> Path:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, disk.masks.astype(np.uint16) * 5, imagej=True, metadata={"axes": "TYX"})
    return path


def test_a_taught_model_is_written_and_tracks(
    run: Run, disk: DiskStack, labels: Path, checkpoint: Path, tmp_path: Path
) -> None:
    taught = tmp_path / "taught.safetensors"
    words = ["--labels", labels, "--accepted", "0-3,5", "--output", taught, "--checkpoint", checkpoint, *SHORT]
    done = run("teach", disk.path, *words)
    assert done.status == 0, done.err
    figure = r"\d\.\d{3} -> \d\.\d{3}"
    line = rf"(not )?better on 1 held-out frame, J&F {figure}, J {figure}, F {figure}: {re.escape(str(taught))}\n"
    assert re.fullmatch(line, done.out)
    words = ["--prompts", disk.prompts, "--output", tmp_path / "out", "--checkpoint", taught, "--overlay", "none"]
    done = run("segment", disk.path, *words)
    assert done.status == 0, done.err


def test_what_stands_there_is_not_replaced_unasked(
    run: Run, disk: DiskStack, labels: Path, checkpoint: Path, tmp_path: Path
) -> None:
    taught = tmp_path / "taught.pt"
    taught.write_text("precious", encoding="utf-8")
    words = ["teach", disk.path, "--labels", labels, "--output", taught, "--checkpoint", checkpoint, *SHORT]
    done = run(*words)
    assert done.status == 2
    assert "taught.pt" in done.complaint
    assert taught.read_text(encoding="utf-8") == "precious"
    done = run(*words, "--overwrite", "--held-out", 0)
    assert done.status == 0, done.err
    assert done.out == f"taught, with too few frames to measure whether it helped: {taught}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--output", "taught.zip"], "'taught.zip' must end in"),
        (["--output", "nowhere/taught.pt"], "no folder 'nowhere'"),
        (["--accepted", "3-1"], "'3-1' is no such range"),
        (["--accepted", "0,1,99"], "99"),
        (["--accepted", "0,1"], "2 accepted frames are too few"),
        (["--held-out", "1"], "held_out=1.0"),
    ],
)
def test_what_is_wrong_is_said(
    run: Run, disk: DiskStack, labels: Path, checkpoint: Path, tmp_path: Path, words: list[str], complaint: str
) -> None:
    usual = ["--labels", labels, "--output", tmp_path / "taught.pt", "--checkpoint", checkpoint, *SHORT]
    done = run("teach", disk.path, *usual, *words)
    assert done.status == 2
    assert complaint in done.complaint
    assert not (tmp_path / "taught.pt").exists()


def test_frames_are_numbers_and_ranges() -> None:
    assert parse_frames("0-2, 8,5-5") == (0, 1, 2, 8, 5)
    for text in ("", "1,", "a", "-3", "1-2-3"):
        with pytest.raises(ValueError, match="no such range"):
            parse_frames(text)


def test_labels_of_a_scan_that_run_another_way_are_put_in_place(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    labels = np.zeros((4, 10, 12), np.int16)
    labels[1:3, 2:5, 7:11] = 1
    affine = np.diag([-0.5, -0.5, 3, 1])
    nibabel.save(nibabel.Nifti1Image(labels.T, affine), tmp_path / "scan.nii")
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = 11
    nibabel.save(nibabel.Nifti1Image(labels.T[::-1], affine @ flip), tmp_path / "labels.nii")
    args = Namespace(
        input=tmp_path / "scan.nii", labels=tmp_path / "labels.nii", axis=None, accepted=None, contrast_limits=None
    )
    np.testing.assert_array_equal(read_labelled(args).labels, labels)
