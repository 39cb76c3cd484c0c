"""Many stacks: a table or a folder of them, done once, gone on with, and summed up."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from batches import assert_same_results, read_summary, states, write_stack, write_table
from commandline import Run, draw_disk, start_script, write_entries
from PIL import Image

from napari_sam2.batch import run_one as work
from napari_sam2.storage.folder.lock import FolderLock


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """Two stacks, and labels of the first frame of one of them."""
    folder = tmp_path / "stacks"
    for name in ("one", "two"):
        write_stack(folder, name)
    labels = np.zeros((40, 56), np.uint8)
    labels[12:28, 6:20] = 3
    tifffile.imwrite(folder / "two.labels.tif", labels)
    return folder


@pytest.fixture
def table(stacks: Path) -> Path:
    """A table of three jobs, with cells that say something else than the command line."""
    return write_table(
        stacks / "jobs.csv",
        [
            {"input": "one.tif", "prompts": "one.prompts.json"},
            {
                "input": "one.tif",
                "prompts": "one.prompts.json",
                "name": "back",
                "Direction": "backward",
                "crop": "4,0,40,50",
            },
            {"input": "two.tif", "prompts": "two.labels.tif", "Max-Frames": "2"},
        ],
    )


def files_in(folder: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != "summary.csv"
    }


def test_table_is_what_segment_does_row_by_row(run: Run, table: Path, fast: list[object], tmp_path: Path) -> None:
    out, stacks = tmp_path / "out", table.parent
    done = run("batch", table, "--output", out, "--zoom", "off", *fast)
    assert done.status == 0, done.err
    words = {
        "one": ["one.tif", "one.prompts.json"],
        "back": ["one.tif", "one.prompts.json", "--direction", "backward", "--crop", "4,0,40,50"],
        "two": ["two.tif", "two.labels.tif", "--max-frames", 2],
    }
    for name, (image, prompts, *options) in words.items():
        alone = ["segment", stacks / str(image), "--prompts", stacks / str(prompts), "--output", tmp_path / name]
        assert run(*alone, "--zoom", "off", *fast, *options).status == 0
        assert_same_results(tmp_path / name, out / name)
        assert {p.name for p in (out / name).iterdir()} - {p.name for p in (tmp_path / name).iterdir()} == {
            "job.json",
            "lock",
        }
    rows = read_summary(out)
    assert [(row["state"], row["frames"], row["objects"]) for row in rows.values()] == [
        ("done", "4", "2"),
        ("done", "2", "2"),
        ("done", "2", "1"),
    ]
    assert "3 done" in done.out


def test_what_is_done_is_left_alone_and_what_changed_is_done_again(
    run: Run, table: Path, fast: list[object], tmp_path: Path
) -> None:
    out, stacks = tmp_path / "out", table.parent
    words = ["batch", table, "--output", out, *fast]
    assert run(*words).status == 0
    before = files_in(out)
    assert run(*words).status == 0
    assert set(states(out).values()) == {"skipped"}
    assert files_in(out) == before
    assert read_summary(out)["one"]["frames"] == "4"

    write_entries(stacks / "one.prompts.json", [{"frame": 0, "object": 5, "points": [[20, 15]], "labels": [1]}])
    os.utime(stacks / "two.tif")
    assert run(*words).status == 0
    assert [row["message"] for row in read_summary(out).values()] == [
        "done again: its prompts changed",
        "done again: its prompts changed",
        "done again: its image changed",
    ]
    assert run(*words, "--fill-holes", 0).status == 0
    assert read_summary(out)["two"]["message"] == "done again: its options changed"
    assert "3 to do, 0 done before" in run(*words, "--check").out


def test_one_more_format_tracks_nothing_again(run: Run, stacks: Path, fast: list[object], tmp_path: Path) -> None:
    rows = [{"input": "one.tif", "prompts": "one.prompts.json"}]
    rows.append({"input": "one.tif", "prompts": "one.prompts.json", "axis": "z", "name": "deep"})
    words = ["batch", write_table(stacks / "jobs.csv", rows), "--output", tmp_path / "out", *fast]
    out = tmp_path / "out"
    assert run(*words).status == 0
    labels = {name: (out / name / "labels.tif").stat().st_mtime_ns for name in ("one", "deep")}
    # A format that one of the stacks cannot have is left out there.
    with pytest.warns(UserWarning, match=r"one\.tif is not written as ctc: .*one\.tif runs along depth"):
        assert run(*words, "--export", "tracks,ctc").status == 0
    assert {name: (out / name / "labels.tif").stat().st_mtime_ns for name in ("one", "deep")} == labels
    assert [row["message"] for row in read_summary(out).values()] == [
        "tracked before; wrote tracks, ctc",
        "tracked before; wrote tracks",
    ]
    assert (out / "one" / "tracks.csv").exists()
    assert run(*words, "--export", "tracks").status == 0
    assert set(states(out).values()) == {"skipped"}

    done = run("export", out, "--to", "coco")
    assert (done.status, len(done.out.splitlines())) == (0, 2), done.err
    done = run("export", out / "one", out / "deep", "--to", "ctc", "--overwrite")
    assert (done.status, done.out.splitlines()) == (0, [str(out / "one" / "ctc")])
    assert "one.tif runs along depth" in done.err


def test_all_mistakes_are_told_at_once_and_nothing_is_run(run: Run, stacks: Path, tmp_path: Path) -> None:
    good = {"input": "one.tif", "prompts": "one.prompts.json"}
    write_entries(stacks / "far.json", [{"frame": 9, "object": 1, "box": [1, 1, 9, 9]}])
    rows = [
        good | {"name": "fine"},
        good | {"input": "gone.tif"},
        good | {"prompts": "far.json"},
        {"input": "one.tif"},
        good | {"crop": "1,2,3"},
        good | {"model": "sam3"},
        good | {"model": "sam2.1_hiera_tiny"},
        good | {"name": "FINE"},
        good | {"name": "../up"},
        {"session": "one.tif"},
        good | {"session": "x.napari-sam2"},
    ]
    rows = [{"name": f"job{line}"} | row for line, row in enumerate(rows, 2)]
    out = tmp_path / "out"
    done = run("batch", write_table(stacks / "jobs.csv", rows), "--output", out)
    lines = [line for line in done.err.replace("\r", "\n").splitlines() if line.startswith("line ")]
    expected = {
        "line 3": "gone.tif does not exist",
        "line 4": "no frame 9",
        "line 5": "an input and prompts",
        "line 6": "crop: a crop is four whole numbers",
        "line 7": "'sam3'",
        "line 8": "weights download sam2.1_hiera_tiny",
        "line 2 and line 9": "'fine'",
        "line 10": "'../up'",
        "line 11": "no session folder",
        "line 12": "both prompts and a session",
    }
    assert len(lines) == len(expected)
    for start, text in expected.items():
        (line,) = [line for line in lines if line.startswith(f"{start}: ")]
        assert text in line
    assert (done.status, done.err.endswith("has 10 mistakes, see above: nothing was run\n")) == (2, True)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "neither a column 'input' nor 'session'"),
        ("input,prompts\n", "holds no jobs"),
        ("input,input\n1,2\n", "two columns 'input'"),
        ("input;prompts;colour\none.tif;one.prompts.json;red\n", "no column 'colour'"),
        ("input,prompts\none.tif,one.prompts.json,more\n", "3 cells, but there are 2 columns"),
    ],
)
def test_tables_that_are_none(run: Run, stacks: Path, text: str, complaint: str) -> None:
    (stacks / "jobs.csv").write_text(text, encoding="utf-8")
    done = run("batch", stacks / "jobs.csv", "--output", stacks / "out")
    assert (done.status, complaint in done.err) == (2, True), done.err


def test_one_failure_does_not_stop_the_others(run: Run, stacks: Path, fast: list[object], tmp_path: Path) -> None:
    frames = stacks / "frames"
    frames.mkdir()
    for number, frame in enumerate(draw_disk(4)[0]):
        Image.fromarray((frame >> 4).astype(np.uint8)).save(frames / f"{number}.png")
    whole = (frames / "2.png").read_bytes()
    # Its size can still be read.
    (frames / "2.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(stacks / "one.prompts.json", stacks / "frames.prompts.json")
    rows = [{"input": name, "prompts": "one.prompts.json"} for name in ("frames", "one.tif")]
    out = tmp_path / "out"
    words = ["batch", write_table(stacks / "jobs.csv", rows), "--output", out, *fast]
    assert run(*words).status == 1
    assert states(out) == {"frames": "failed", "one": "done"}
    assert "2.png" in read_summary(out)["frames"]["message"]
    assert not (out / "frames" / "labels.tif").exists()
    # Still so: what was done before it stays, and the frame is the first to be looked at.
    assert run(*words).status == 1
    assert json.loads((out / "frames" / "job.json").read_text(encoding="utf-8"))["attempts"] == 2
    (frames / "2.png").write_bytes(whole)
    assert run(*words).status == 0
    assert states(out) == {"frames": "done", "one": "skipped"}


def test_folder_of_stacks(run: Run, stacks: Path, fast: list[object], tmp_path: Path) -> None:
    session = ["segment", stacks / "one.tif", "--prompts", stacks / "one.prompts.json", "--output", tmp_path / "first"]
    assert run(*session, "--save", *fast).status == 0
    folder, out = tmp_path / "folder", tmp_path / "folder" / "results"
    shutil.copytree(tmp_path / "first" / "session.napari-sam2", folder / "clicked.napari-sam2")
    shutil.copy(stacks / "two.tif", folder / "two.tif")
    shutil.copy(stacks / "two.labels.tif", folder / "two.labels.tif")
    shutil.copy(stacks / "one.tif", folder / "alone.ome.tif")
    (folder / "gone.prompts.json").write_text("{}", encoding="utf-8")
    for expected in ("done", "skipped"):
        done = run("batch", folder, "--output", out, *fast)
        assert done.status == 0, done.err
        assert states(out) == {"clicked": expected, "two": expected}
        assert "skipped alone.ome.tif: no prompts for it" in done.err
        assert "skipped gone.prompts.json: there is no stack gone" in done.err
    assert_same_results(tmp_path / "first", out / "clicked")
    shutil.copy(stacks / "one.prompts.json", folder / "two.prompts.json")
    twice = run("batch", folder, "--output", out, *fast)
    assert twice.status == 2
    assert "two has prompts in two.labels.tif and in two.prompts.json" in twice.err
    empty = run("batch", stacks.parent, "--output", out)
    assert "holds no prompts: put NAME.prompts.json" in empty.complaint


def test_results_that_are_not_a_batch_s_are_safe(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "one").mkdir(parents=True)
    (tmp_path / "out" / "one" / "labels.tif").write_text("mine", encoding="utf-8")
    done = run("batch", table, "--output", tmp_path / "out")
    assert (done.status, "not from a batch" in done.err) == (2, True)
    assert (tmp_path / "out" / "one" / "labels.tif").read_text(encoding="utf-8") == "mine"


def test_job_that_another_program_is_at(
    run: Run, table: Path, fast: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_PATIENCE_S", 0.1)
    (tmp_path / "out" / "one").mkdir(parents=True)
    lock = FolderLock(tmp_path / "out" / "one")
    words = ["batch", table, "--output", tmp_path / "out", *fast]
    assert run(*words).status == 1
    assert states(tmp_path / "out") == {"one": "busy", "back": "done", "two": "done"}
    lock.release()
    assert run(*words).status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_leaves_it_to_go_on(run: Run, stacks: Path, fast: list[object], tmp_path: Path) -> None:
    write_stack(stacks, "long", 60)
    rows = [{"input": f"{name}.tif", "prompts": f"{name}.prompts.json"} for name in ("long", "one")]
    table, out = write_table(stacks / "jobs.csv", rows), tmp_path / "out"
    with start_script("batch", table, "--output", out, *fast) as process:
        # Once the bar of the first job moves; the one before it counts jobs.
        seen = ""
        while not re.search(r"long:.*\d(frame/s|s/frame)", seen.rpartition("\r")[2]):
            letter = process.stderr.read(1)
            assert letter, seen
            seen += letter
        process.send_signal(signal.SIGINT)
        said, err = process.communicate()
    assert process.returncode == 130, err
    assert states(out) == {"long": "stopped", "one": "waiting"}
    assert "1 stopped, 1 waiting" in said
    assert not (out / "long" / "labels.tif").exists()
    again = run("batch", table, "--output", out, *fast)
    assert again.status == 0, again.err
    assert "went on where it had stopped" in read_summary(out)["long"]["message"]
    assert run("batch", table, "--output", tmp_path / "whole", *fast).status == 0
    assert_same_results(out / "long", tmp_path / "whole" / "long")


def test_names_of_prompts_and_stacks_in_any_ending(tmp_path: Path) -> None:
    from napari_sam2.batch.file_names import plain_name, prompts_name

    labels = ["a.labels.tif", "a.labels.png", "a.labels.nii.gz", "a.labels.hdr", "a.labels.ome.zarr", "a.prompts.json"]
    assert {prompts_name(tmp_path / name) for name in labels} == {"a"}
    stacks = ["a.nii.gz", "a.hdr", "a.img.gz", "a.mgz", "a.nrrd", "a.ome.zarr.zip", "a.zarr.zip", "a.ome.tif"]
    assert {plain_name(tmp_path / name) for name in stacks} == {"a"}
    assert {prompts_name(tmp_path / name) for name in stacks} == {None}


def test_a_pair_of_files_is_one_stack(tmp_path: Path) -> None:
    from napari_sam2.batch.folder import read_folder

    for name in ("a.hdr", "a.img", "a.labels.hdr", "a.labels.img"):
        (tmp_path / name).touch()
    found = read_folder(tmp_path, tmp_path / "out", lambda _options, _folder, paths: paths)
    assert (found.mistakes, found.skipped) == ([], [])
    assert [job.options.prompts.name for job in found.jobs] == ["a.labels.hdr"]
