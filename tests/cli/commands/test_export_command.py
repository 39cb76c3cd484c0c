"""More formats: with a run, and of an earlier one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import DiskStack, Run

from napari_sam2.data import LabelStack, ScoreRow, ScoreTable, open_stack
from napari_sam2.data.formats import FORMATS
from napari_sam2.data.formats.tiff_and_tables import (
    describe_stack,
    write_labels_tiff,
    write_scores_csv,
    write_session_json,
)


@pytest.fixture
def finished(disk: DiskStack, tmp_path: Path) -> Path:
    """A folder as a run leaves it: frames 0 to 5 tracked, object 1 on them."""
    folder = tmp_path / "result"
    folder.mkdir()
    labels = LabelStack((8, 40, 56))
    rows = []
    for frame, mask in enumerate(disk.masks[:6]):
        labels.set(frame, mask.astype(np.uint16))
        rows.append(ScoreRow.from_mask(frame, 1, scores=(0.9, 0.8), mask=mask))
    with open_stack(disk.path) as stack:
        write_labels_tiff(folder / "labels.tif", labels, stack)
        said = {"input": describe_stack(stack, None), "tracked_frames": [[0, 5]], "part": {"at": None, "level": 0}}
    write_scores_csv(folder / "scores.csv", ScoreTable(rows))
    write_session_json(folder / "session.json", said)
    return folder


def test_every_format_goes_beside_the_results(run: Run, finished: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    names = [name for name in FORMATS if name not in ("tiff", "csv", "dicom-seg")]
    done = run("export", finished, "--to", ",".join(names))
    assert done.status == 0, done.err
    assert done.out.splitlines() == [str(finished / FORMATS[name].filename) for name in names]
    for name in names:
        assert (finished / FORMATS[name].filename).exists()
    assert len(pd.read_csv(finished / "tracks.csv")) == 6
    assert pd.read_csv(finished / "tracks.csv")["object_score"].eq(0.9).all()
    with open_stack(finished / "overlay.mp4") as video:
        assert video.n_frames == 6, "frames that were not tracked are not shown"


def test_one_format_to_a_place_of_its_own(run: Run, finished: Path, tmp_path: Path) -> None:
    done = run("export", finished, "--to", "coco", "--output", tmp_path / "masks.json")
    assert done.status == 0, done.err
    assert len(json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))["annotations"]) == 6
    done = run("export", finished, "--to", "coco,ctc", "--output", tmp_path / "more")
    assert sorted(path.name for path in (tmp_path / "more").iterdir()) == ["coco.json", "ctc"]


def test_several_results_at_once(run: Run, finished: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    shutil.copytree(finished, batch / "first")
    scan = shutil.copytree(finished, batch / "scan")
    record = json.loads((scan / "session.json").read_text(encoding="utf-8"))
    record["input"]["axis"] = "z"
    (scan / "session.json").write_text(json.dumps(record), encoding="utf-8")
    done = run("export", batch, finished, "--to", "coco,ctc", "--output", tmp_path / "out")
    assert done.status == 0, done.err
    made = ["first/coco.json", "first/ctc", "scan/coco.json", "result/coco.json", "result/ctc"]
    assert done.out.splitlines() == [str(tmp_path / "out" / name) for name in made]
    assert "batch/scan is not written as ctc" in done.complaint
    assert json.loads((tmp_path / "out" / "scan" / "coco.json").read_text(encoding="utf-8"))["annotations"]
    done = run("export", batch, "--to", "gif", "--image", tmp_path / "disk.tif")
    assert done.status == 2
    assert "--image is for a single result, but there are 2" in done.complaint


def test_a_label_file_by_itself(run: Run, finished: Path, tmp_path: Path) -> None:
    file = (finished / "labels.tif").rename(tmp_path / "mine.tif")
    assert run("export", file, "--to", "ctc").status == 0
    assert (tmp_path / "ctc" / "res_track.txt").read_text(encoding="utf-8") == "1 0 5 0\n"


def test_images_that_have_moved(run: Run, finished: Path, disk: DiskStack, tmp_path: Path) -> None:
    moved = disk.path.rename(tmp_path / "moved.tif")
    done = run("export", finished, "--to", "gif")
    assert done.status == 2
    assert "the format gif shows the images" in done.complaint
    assert f"{disk.path}" in done.complaint
    assert "--image" in done.complaint
    assert run("export", finished, "--to", "ome-tiff").status == 0, "masks need no images"
    assert run("export", finished, "--to", "gif", "--image", moved).status == 0
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((8, 9, 9), np.uint8))
    done = run("export", finished, "--to", "coco", "--image", tmp_path / "other.tif")
    assert done.status == 2
    assert "labels of shape (8, 40, 56) do not fit" in done.complaint


def test_results_are_graded_without_tracking(run: Run, finished: Path, disk: DiskStack, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "truth.tif", disk.masks.astype(np.uint8) * 7)
    report, table = tmp_path / "report.json", tmp_path / "table.md"
    files = ["--output", report, "--markdown", table]
    done = run("evaluate", "--results", finished, "--truth", tmp_path / "truth.tif", *files)
    assert done.status == 0, done.err
    assert done.out == table.read_text(encoding="utf-8")
    one = json.loads(report.read_text(encoding="utf-8"))["results"]["result"]["objects"]["7"]
    assert one["label"] == 1
    assert one["J"] == 0.75, "six of eight frames were tracked, without a mistake"
    batch = tmp_path / "batch"
    shutil.copytree(finished, batch / "cells")
    shutil.copytree(finished, batch / "other")
    done = run("evaluate", "--results", batch, "--truth", tmp_path, *files)
    assert done.status == 2
    assert "holds no true labels of cells: no cells.tif" in done.complaint
    for name in ("cells", "other"):
        shutil.copy(tmp_path / "truth.tif", tmp_path / f"{name}.tif")
    assert run("evaluate", "--results", batch, "--truth", tmp_path, *files).status == 0
    assert "--truth go together" in run("evaluate", "--results", batch).complaint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "tif"], "no format 'tif' (did you mean 'tiff'?)"),
        (["--to", "coco", "--background", "red"], "six hexadecimal digits such as 00b140, not 'red'"),
        (["--to", "dicom-seg"], "DICOM-SEG refers to the DICOM series"),
        (["--to", "tiff"], "labels.tif is there already: name another place, or add --overwrite"),
        (["--to", "coco", "--image", "gone.tif"], "gone.tif does not exist"),
    ],
)
def test_errors_are_one_line(run: Run, finished: Path, words: list[str], message: str) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    done = run("export", finished, *words)
    assert done.status == 2
    assert message in done.complaint
    assert {path: path.read_bytes() for path in finished.iterdir()} == before


def test_a_folder_without_labels(run: Run, tmp_path: Path) -> None:
    done = run("export", tmp_path, "--to", "coco")
    assert done.status == 2
    assert f"{tmp_path} holds no labels.tif" in done.complaint


def test_a_run_writes_formats_too(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, "--max-frames", 2]
    done = run(*command, "--export", "ctc,coco,ome-tiff")
    assert done.status == 0, done.err
    assert "coco.json" in done.out
    assert {"ctc", "coco.json", "labels.ome.tif", "labels.tif", "scores.csv"} <= {path.name for path in out.iterdir()}
    assert json.loads((out / "session.json").read_text(encoding="utf-8"))["files"][-3:] == [
        "ctc",
        "coco.json",
        "labels.ome.tif",
    ]
    np.testing.assert_array_equal(tifffile.imread(out / "labels.ome.tif"), tifffile.imread(out / "labels.tif"))
    assert run(*command, "--export", "ctc", "--overwrite").status == 0
    (out / "ctc" / "thesis.txt").write_text("mine", encoding="utf-8")
    done = run(*command, "--export", "ctc", "--overwrite")
    assert done.status == 2
    assert "ctc holds more than an earlier export" in done.complaint


def test_formats_that_cannot_be_are_refused_before_the_work(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, "--axis", "z"]
    done = run(*command, "--export", "ctc")
    assert done.status == 2
    assert "(ctc) is for time" in done.complaint
    assert "frame" not in done.err.replace(done.complaint, "")
    assert not out.exists()
