"""``napari-sam2 volumes``: four axes in, four axes out; what was stopped goes on."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import Run, write_entries

from napari_sam2.data.readers.open_stack import open_volumes
from napari_sam2.job.options import InputOptions, JobOptions, ModelOptions
from napari_sam2.job.run_volumes import UNFINISHED, run_volumes_job

SHAPE = (3, 5, 40, 56)


@pytest.fixture
def command(tmp_path: Path, checkpoint: Path) -> list[object]:
    """A job on three volumes of five planes with two channels, prompted on the middle plane of the middle volume."""
    image = np.random.default_rng(0).integers(0, 300, (3, 5, 2, 40, 56)).astype(np.uint16)
    image[:, 1:4, 1, 10:24, 8:30] += 1500
    sizes = {"axes": "TZCYX", "unit": "um", "spacing": 3.0, "finterval": 60.0}
    tifffile.imwrite(tmp_path / "hyper.tif", image, imagej=True, resolution=(4, 2), metadata=sizes)
    # A mask, as a model of random weights may see nothing in a box.
    mask = (image[1, 2, 1] > 1000).astype(np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    prompts = write_entries(tmp_path / "prompts.json", [{"frame": 2, "object": 9, "mask": "mask.tif"}])
    model = ["--checkpoint", checkpoint, "--image-size", 64, "--channel", 1, "--time", 1]
    return ["volumes", tmp_path / "hyper.tif", "--prompts", prompts, *model]


def test_four_axes_in_and_out(run: Run, command: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = run(*command, "--output", out, "--export", "tracks")
    assert done.status == 0, done.err
    assert "1 object in 3 volumes" in done.out
    with open_volumes(out / "labels.tif") as labels:
        assert (labels.shape, labels.interval, labels.calibration.step) == (SHAPE, (60.0, "s"), 3.0)
    table = pd.read_csv(out / "scores.csv")
    assert set(table["t"]) == {0, 1, 2}
    assert table[table["t"] == 1]["z"].tolist() == [0, 1, 2, 3, 4]
    found = tifffile.imread(out / "labels.tif")[1, 2]
    np.testing.assert_array_equal(found == 9, tifffile.imread(tmp_path / "mask.tif"))
    files = {"labels.tif", "prompts.json", "prompts_masks", "scores.csv", "session.json", "tracks.csv"}
    assert {one.name for one in out.iterdir()} == files
    record = json.loads((out / "session.json").read_text(encoding="utf-8"))
    again = tmp_path / "again"
    assert run(*record["command"][1:], "--output", again).status == 0
    np.testing.assert_array_equal(tifffile.imread(again / "labels.tif"), tifffile.imread(out / "labels.tif"))


def test_the_same_command_goes_on(run: Run, command: list[object], tmp_path: Path, checkpoint: Path) -> None:
    out = tmp_path / "result"
    options = JobOptions(
        tmp_path / "hyper.tif",
        tmp_path / "prompts.json",
        out,
        model=ModelOptions(checkpoint=checkpoint, image_size=64),
        part=InputOptions(at=1, channels=(1,)),
        exports=(),
    )
    # Stopped when the second volume is under way.
    report = run_volumes_job(options, lambda steps, _name: takewhile(lambda step: step.done < 1, steps))
    assert (report.files, report.done, report.n_times) == ((), 1, 3)
    assert not (out / "labels.tif").exists()
    # What is finished is taken as it is: a mark put there by hand comes through.
    finished = out / UNFINISHED / "time00001.tif"
    marked = tifffile.imread(finished)
    marked[4, 39, 55] = 9
    tifffile.imwrite(finished, marked, ome=True, metadata={"axes": "ZYX"})
    assert run(*command, "--output", out).status == 0
    assert not (out / UNFINISHED).exists()
    assert tifffile.imread(out / "labels.tif")[1, 4, 39, 55] == 9
    assert tifffile.imread(out / "labels.tif").shape == SHAPE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--time", 3], "no time point 3: the volumes are 0 to 2"),
        (["--channel", 2], "there is no channel 2"),
        (["--export", "coco"], "coco cannot hold volumes over time: choose among tiff"),
        (["--prompts", "far.json"], "object 1 on frame 5: there is no frame 5"),
        (["--zoom", "big"], "zoom"),
        (["--memory", "good"], "memory is 'auto' or one of"),
    ],
)
def test_errors_are_one_line(
    run: Run, command: list[object], tmp_path: Path, words: list[object], message: str
) -> None:
    far = write_entries(tmp_path / "far.json", [{"frame": 5, "object": 1, "box": [10, 8, 24, 30]}])
    words = [far if word == "far.json" else word for word in words]
    done = run(*command, "--output", tmp_path / "r", *words)
    assert done.status == 2
    assert message in done.complaint
    assert not list(tmp_path.rglob("labels.tif"))


def test_a_stack_is_no_volumes(run: Run, command: list[object], tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "hyper.tif", np.zeros((5, 20, 20), np.uint8), metadata={"axes": "TYX"}, photometric="minisblack"
    )
    done = run(*command, "--output", tmp_path / "r")
    assert done.status == 2
    assert "volumes over time take both time (T) and depth (Z)" in done.complaint


def test_export_of_volumes_says_where_to_ask(run: Run, tmp_path: Path) -> None:
    for name, text in (("labels.tif", ""), ("session.json", '{"volumes": [3, 5, 40, 56]}')):
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run("export", tmp_path, "--to", "coco")
    assert (done.status, "'napari-sam2 volumes --export'" in done.complaint) == (2, True)
