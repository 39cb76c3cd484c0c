"""What of an input is tracked: channels, time or depth, a crop, every third frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import DiskStack, Run, draw_disk, write_entries


@pytest.fixture
def hyperstack(tmp_path: Path) -> DiskStack:
    """Three time points of five slices in two channels; the disk is in the second one, at time 1."""
    frames, masks = draw_disk(5)
    image = np.random.default_rng(0).integers(0, 300, (3, 5, 2, 40, 56)).astype(np.uint16)
    image[1, :, 1] = frames
    sizes = {"axes": "TZCYX", "unit": "um", "spacing": 3.0, "finterval": 60.0}
    tifffile.imwrite(tmp_path / "hyper.tif", image, imagej=True, resolution=(4, 2), metadata=sizes)
    tifffile.imwrite(tmp_path / "mask.tif", masks[2].astype(np.uint8))
    prompts = write_entries(tmp_path / "prompts.json", [{"frame": 2, "object": 1, "mask": "mask.tif"}])
    return DiskStack(tmp_path / "hyper.tif", prompts, masks)


def test_one_stack_of_a_hyperstack(run: Run, hyperstack: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out, again = tmp_path / "result", tmp_path / "again"
    part = ["--axis", "z", "--at", 1, "--channel", 1]
    done = run("segment", hyperstack.path, "--prompts", hyperstack.prompts, "--output", out, *fast, *part)
    assert done.status == 0, done.err
    with tifffile.TiffFile(out / "labels.tif") as tif:
        assert tif.series[0].axes == "ZYX"
        assert tif.imagej_metadata["spacing"] == 3.0
        labels = tif.asarray()
    np.testing.assert_array_equal(labels[2] == 1, hyperstack.masks[2])
    record = json.loads((out / "session.json").read_text(encoding="utf-8"))
    assert (record["part"]["at"], record["part"]["channels"]) == (1, [1])
    assert run(*record["command"][1:], "--output", again, "--overlay", "none").status == 0
    np.testing.assert_array_equal(tifffile.imread(again / "labels.tif"), labels)


def test_channels_shown_together(run: Run, hyperstack: DiskStack, fast: list[object], tmp_path: Path) -> None:
    part = ["--axis", "z", "--at", 1, "--channels", "1,0", "--contrast-limits", 0, 3000, "--contrast-limits", 0, 500]
    out = tmp_path / "result"
    done = run("segment", hyperstack.path, "--prompts", hyperstack.prompts, "--output", out, *fast, *part)
    assert done.status == 0, done.err
    record = json.loads((out / "session.json").read_text(encoding="utf-8"))
    assert record["input"]["shape"] == [5, 40, 56, 3]
    assert record["part"]["windows"] == [[0, 3000], [0, 500]]


def test_a_crop_comes_back_in_place(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    entries = [{"frame": 0, "object": 2, "box": [13, 5, 28, 20]}]
    prompts = write_entries(tmp_path / "crop.json", entries)
    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", prompts, *fast, "--overlay", "gif", "--export", "ome-tiff"]
    done = run(*command, "--output", out, "--crop", "8,2,36,50")
    assert done.status == 0, done.err
    labels = tifffile.imread(out / "labels.tif")
    assert labels.shape == (8, 40, 56)
    outside = np.ones((40, 56), bool)
    outside[8:36, 2:50] = False
    assert not labels[:, outside].any()
    scores = pd.read_csv(out / "scores.csv")
    for row in scores[scores["area"] > 0].itertuples():
        rows, columns = np.nonzero(labels[row.frame] == 2)
        assert (row.centroid_y, row.centroid_x) == pytest.approx((rows.mean(), columns.mean()), abs=1e-3)
        assert (row.bbox_y0, row.bbox_x1) == (rows.min(), columns.max() + 1)
    with tifffile.TiffFile(out / "labels.tif") as tif:
        assert tif.imagej_metadata["finterval"] == 2.0
    assert json.loads((out / "prompts.json").read_text(encoding="utf-8"))["prompts"][0]["box"] == entries[0]["box"]


def test_every_third_frame(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "third.tif", disk.masks[3].astype(np.uint8))
    prompts = write_entries(tmp_path / "third.json", [{"frame": 3, "object": 1, "mask": "third.tif"}])
    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", prompts, "--output", out, *fast]
    done = run(*command, "--every", 3)
    assert done.status == 0, done.err
    assert "on 3 frames" in done.out
    labels = tifffile.imread(out / "labels.tif")
    assert len(labels) == 8
    np.testing.assert_array_equal(labels[3] == 1, disk.masks[3])
    assert sorted(set(pd.read_csv(out / "scores.csv")["frame"])) == [0, 3, 6]
    assert json.loads((out / "session.json").read_text(encoding="utf-8"))["tracked_frames"] == [[0, 0], [3, 3], [6, 6]]


def test_twice_each_frame(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, "--every", "1/2")
    assert done.status == 0, done.err
    assert "3 objects on 8 frames" in done.out
    assert tifffile.imread(out / "labels.tif").shape == (8, 40, 56)


def test_a_video(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from napari_sam2.data.pictures.video_file import write_video

    grey = np.clip(tifffile.imread(disk.path) / 12, 0, 255).astype(np.uint8)
    write_video(tmp_path / "film.mp4", np.repeat(grey[..., None], 3, axis=-1), rate=25)
    done = run("segment", tmp_path / "film.mp4", "--prompts", disk.prompts, "--output", tmp_path / "result", *fast)
    assert done.status == 0, done.err
    assert tifffile.imread(tmp_path / "result" / "labels.tif").shape == (8, 40, 56)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "has both time (3) and depth (5): choose the one to track"),
        (["--axis", "z"], "choose one with at (--at N)"),
        (["--axis", "z", "--at", "3"], "3 entries in time (t), 0 to 2: there is none at 3"),
        (["--axis", "z", "--at", "1"], "2 channels, 0 to 1: choose one"),
        (["--axis", "z", "--at", "1", "--channels", "0,2"], "there is no channel 2"),
        (
            ["--axis", "z", "--at", "1", "--channels", "0,"],
            "names or numbers of channels with commas between them are wanted, not '0,'",
        ),
        (["--axis", "z", "--at", "1", "--channel", "GFP"], "2 channels, 0 to 1: there is no channel GFP"),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", "--crop", "0,0,5,x"],
            "four whole numbers y0,x0,y1,x1, not '0,0,5,x'",
        ),
        (["--axis", "z", "--at", "1", "--channel", "1", "--level", "2"], "no level 2"),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", "--crop", "0,0,50,9"],
            "the crop 0,0,50,9 (y0, x0, y1, x1) must be",
        ),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", "--crop", "0,0,9"],
            "four whole numbers y0,x0,y1,x1, not '0,0,9'",
        ),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", "--crop", "0,0,5,5"],
            "nothing of the mask lies inside the crop",
        ),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", "--every", "4"],
            "frame 2 is left out of the part that is tracked",
        ),
        (["--axis", "z", "--at", "1", "--channel", "1", "--every", "2/3"], "not '2/3'"),
        (
            ["--axis", "z", "--at", "1", "--channel", "1", *["--contrast-limits", "0", "9"] * 2],
            "--contrast-limits was given 2 times",
        ),
    ],
)
def test_errors_are_one_line(
    run: Run, hyperstack: DiskStack, fast: list[object], tmp_path: Path, words: list[str], message: str
) -> None:
    out = tmp_path / "result"
    done = run("segment", hyperstack.path, "--prompts", hyperstack.prompts, "--output", out, *fast, *words)
    assert done.status == 2
    assert message in done.complaint
    assert not list(tmp_path.rglob("labels.tif"))
