"""What goes wrong ends in one line that names the value, and harms nothing on disk."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import DiskStack, Run, draw_disk, only_line, start_script, write_entries

Damage = Callable[[Path], list[object]]


def swap(name: str, content: str) -> Damage:
    """Replace a file before the run."""

    def damage(folder: Path) -> list[object]:
        (folder / name).write_text(content, encoding="utf-8")
        return []

    return damage


def prompt(**entry: object) -> Damage:
    """Replace the prompts by one."""

    def damage(folder: Path) -> list[object]:
        write_entries(folder / "prompts.json", [{"frame": 0, "object": 1} | entry])
        return []

    return damage


def words(*extra: object) -> Damage:
    """Add words to the command."""
    return lambda _folder: list(extra)


def small_mask(folder: Path) -> list[object]:
    tifffile.imwrite(folder / "mask.tif", np.ones((4, 5), np.uint8))
    return []


def output_is_a_file(folder: Path) -> list[object]:
    (folder / "file").write_text("mine", encoding="utf-8")
    return ["--output", folder / "file"]


def unwritable_output(folder: Path) -> list[object]:
    locked = folder / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(locked, os.W_OK):
        # Nothing is locked to root; but nobody makes folders here.
        locked = Path("/proc")
    return ["--output", locked / "result"]


def cut_short(folder: Path) -> list[object]:
    whole = (folder / "disk.tif").read_bytes()
    (folder / "disk.tif").write_bytes(whole[: len(whole) * 6 // 10])
    return []


def other_axes(folder: Path) -> list[object]:
    pixels = np.zeros((2, 3, 4, 20, 30), np.uint8)
    tifffile.imwrite(folder / "disk.tif", pixels, metadata={"axes": "RTHYX"}, photometric="minisblack")
    return []


CASES: dict[str, tuple[Damage, list[str]]] = {
    "no input": (lambda folder: (folder / "disk.tif").unlink() or [], ["disk.tif does not exist"]),
    "input is text": (swap("disk.tif", "hello"), ["disk.tif cannot be read as a TIFF file"]),
    "input cut short": (cut_short, ["disk.tif is cut short", "export it again"]),
    "input of other axes": (other_axes, ["disk.tif has the axes R (2), T (3), H (4)", "save one plane"]),
    "no prompts file": (
        lambda folder: (folder / "prompts.json").unlink() or [],
        ["prompts.json does not exist: 'napari-sam2 prompts", "makes one"],
    ),
    "prompts not JSON": (swap("prompts.json", "{'a'}"), ["prompts.json is not valid JSON", "line 1"]),
    "no prompts": (swap("prompts.json", '{"version": 1, "prompts": []}'), ["prompts.json holds no prompts"]),
    "unknown version": (swap("prompts.json", '{"version": 7, "prompts": []}'), ["version 7"]),
    "unknown key": (prompt(bbox=[1, 2, 3, 4]), ["prompts[0]", "unknown key 'bbox'"]),
    "mask missing": (prompt(mask="gone.tif"), ["prompts[0]", "'gone.tif' does not exist"]),
    "mask of another size": (small_mask, ["object 1 on frame 0", "(40, 56)", "(4, 5)"]),
    "frame outside": (prompt(frame=8, box=[1, 2, 9, 9]), ["no frame 8", "frames 0 to 7"]),
    "point outside": (prompt(points=[[60, 5]], labels=[1]), ["object 1 on frame 0", "y=60", "40 rows"]),
    "box outside": (prompt(box=[50, 2, 60, 9]), ["y0=50", "40 rows"]),
    "odd label": (prompt(points=[[6, 5]], labels=[2]), ["prompts[0]", "not 2"]),
    "start outside": (words("--start", 8), ["no frame 8"]),
    "start with outward": (words("--start", 2, "--direction", "outward"), ["leave out start=2"]),
    "no frames": (words("--max-frames", 0), ["max_frames", "0"]),
    "unknown direction": (words("--direction", "sideways"), ["--direction", "'sideways'", "segment --help"]),
    "not a number": (words("--start", "two"), ["--start", "'two'"]),
    "limits upside down": (words("--contrast-limits", 9, 3), ["(3.0) must be above", "(9.0)"]),
    "limits not finite": (words("--contrast-limits", "nan", 3), ["finite", "nan"]),
    "holes below zero": (words("--fill-holes", -1), ["-1"]),
    "no checkpoint": (words("--checkpoint", "gone.pt"), ["'gone.pt'"]),
    "checkpoint of another kind": (
        lambda folder: ["--checkpoint", folder / "disk.tif"],
        ["disk.tif cannot be read as a checkpoint"],
    ),
    "unknown device": (words("--device", "toaster"), ["'toaster'", "cpu"]),
    "device not here": (words("--device", "xpu"), ["'xpu'", "cpu"]),
    "unknown dtype": (words("--dtype", "int8"), ["'int8'", "bfloat16"]),
    "unknown preset": (words("--preset", "best"), ["'best'", "balanced"]),
    "odd image size": (words("--image-size", 100), ["100", "32"]),
    "output is a file": (output_is_a_file, ["--output", "file is a file"]),
    "output locked": (unwritable_output, ["result"]),
}


@pytest.mark.parametrize("case", CASES)
def test_error_is_one_line(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path, case: str) -> None:
    if case == "output locked" and sys.platform != "linux":
        pytest.skip("needs /proc where the tests run as root")
    damage, expected = CASES[case]
    extra = damage(tmp_path)
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path / "result", *fast, *extra)
    assert done.status == 2
    assert done.complaint.startswith("napari-sam2: error: ")
    for part in expected:
        assert part in done.complaint
    assert not list(tmp_path.rglob("labels.tif"))


def test_unknown_model_is_answered_with_the_nearest(run: Run, disk: DiskStack, tmp_path: Path) -> None:
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path / "r", "--model", "sam2_nan0")
    assert done.status == 2
    assert "did you mean 'sam2_nano'?" in done.complaint


def test_model_that_is_not_here(run: Run, disk: DiskStack, tmp_path: Path) -> None:
    out = tmp_path / "r"
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", out, "--model", "sam2.1_hiera_tiny")
    assert done.status == 2
    assert "napari-sam2 weights download sam2.1_hiera_tiny" in done.complaint


@pytest.fixture
def broken(tmp_path: Path) -> DiskStack:
    """Forty float frames of which number 4 holds NaN, which the choice of a window does not look at."""
    frames, masks = draw_disk(40)
    pixels = frames.astype(np.float32)
    pixels[4, 10:12, 10] = np.nan
    tifffile.imwrite(tmp_path / "broken.tif", pixels, metadata={"axes": "TYX"})
    prompts = write_entries(tmp_path / "prompts.json", [{"frame": 0, "object": 1, "box": [12, 4, 28, 20]}])
    return DiskStack(tmp_path / "broken.tif", prompts, masks)


@pytest.mark.filterwarnings("ignore:frame 4 holds 2 values that are NaN")
def test_nan_is_background(run: Run, broken: DiskStack, fast: list[object], tmp_path: Path) -> None:
    done = run(
        "segment", broken.path, "--prompts", broken.prompts, "--output", tmp_path / "r", "--max-frames", 8, *fast
    )
    assert done.status == 0


def test_broken_frame_keeps_what_was_done(run: Run, broken: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = run("segment", broken.path, "--prompts", broken.prompts, "--output", out, "--nan", "refuse", *fast)
    assert done.status == 2
    assert "frame 4 holds 2 values that are NaN" in done.complaint
    assert f"the 4 frames done before that are in {out}" in done.complaint
    assert tifffile.imread(out / "labels.tif").shape == (40, 40, 56)
    assert pd.read_csv(out / "scores.csv")["frame"].tolist() == [0, 1, 2, 3]
    assert json.loads((out / "session.json").read_text(encoding="utf-8"))["complete"] is False


def test_broken_frame_does_not_cost_earlier_results(
    run: Run, broken: DiskStack, fast: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "result"
    command = ["segment", broken.path, "--prompts", broken.prompts, "--output", out, *fast]
    assert run(*command, "--max-frames", 2).status == 0
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    done = run(*command, "--overwrite", "--nan", "refuse")
    assert done.status == 2
    assert f"are in {out / 'stopped'}" in done.complaint
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert pd.read_csv(out / "stopped" / "scores.csv")["frame"].max() == 3


def test_a_stack_without_frames(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 20, 30), np.uint8))
    done = run("segment", tmp_path / "none.npy", "--prompts", disk.prompts, "--output", tmp_path / "r", *fast)
    assert done.status == 2
    assert "(0, 20, 30) has no pixels" in done.complaint


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows does not")
def test_a_full_disk_leaves_earlier_results(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    import resource

    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, "--max-frames", 2]
    assert run(*command).status == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond 300 bytes: what a full disk says, without filling one.
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limit[1]))
    try:
        done = run(*command, "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert done.status == 2
    assert "labels.tif: the disk may be full" in done.complaint
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process, which other systems do not")
def test_too_little_memory_is_answered_with_advice(disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        # The libraries take more than half of it, the first maps of such an image the rest.
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))

    options = ["--prompts", disk.prompts, "--output", tmp_path / "r", *fast, "--image-size", 4096]
    # Each thread would reserve addresses of its own.
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    process = start_script("segment", disk.path, *options, preexec_fn=limit, env=one_thread)
    _, err = process.communicate()
    assert process.returncode == 2, err
    line = only_line(err)
    assert line.startswith("napari-sam2: error: out of memory (")
    assert "a smaller --image-size" in line


def test_debug_shows_where(disk: DiskStack, run: Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.tif does not exist"):
        run("segment", tmp_path / "gone.tif", "--prompts", disk.prompts, "--output", tmp_path / "r", "--debug")
