"""Ctrl-C during a run, pressed on the installed command; SIGTERM, as schedulers send it; two runs at a time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tifffile
from commandline import draw_disk, only_line, start_script, write_entries

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")

N_FRAMES = 400


def wait_for_the_bar(process: subprocess.Popen[str]) -> str:
    """Everything the command wrote to stderr until its progress bar moved."""
    seen = ""
    assert process.stderr is not None
    while "/s" not in seen.rpartition("\r")[2]:
        letter = process.stderr.read(1)
        assert letter, seen
        seen += letter
    return seen


def interrupt_after_some_frames(process: subprocess.Popen[str], *signals: signal.Signals) -> str:
    """Press Ctrl-C once the progress bar has moved; everything the command wrote to stderr."""
    seen = wait_for_the_bar(process)
    for one in signals or (signal.SIGINT,):
        process.send_signal(one)
    out, rest = process.communicate()
    assert out == ""
    return seen + rest


def start_long_run(folder: Path, checkpoint: Path, *options: object) -> subprocess.Popen[str]:
    stack = folder / "disk.tif"
    tifffile.imwrite(stack, draw_disk(N_FRAMES)[0], metadata={"axes": "TYX"})
    prompts = write_entries(folder / "prompts.json", [{"frame": 0, "object": 1, "box": [12, 4, 28, 20]}])
    words = ["--output", folder / "result", "--checkpoint", checkpoint, "--image-size", 64, *options]
    return start_script("segment", stack, "--prompts", prompts, *words)


# `timeout` sends its signal to the process and to its group: twice, that is. The run below gets it once.
def test_sigterm_keeps_what_was_done(tmp_path: Path, checkpoint: Path) -> None:
    process = start_long_run(tmp_path, checkpoint)
    line = only_line(interrupt_after_some_frames(process, signal.SIGTERM, signal.SIGTERM))
    out = tmp_path / "result"
    assert process.returncode == 130
    n_done = frames_done(out)
    assert line == f"napari-sam2: stopped after {n_done} of {N_FRAMES} frames; what was done is in {out}"
    assert tifffile.imread(out / "labels.tif").shape == (N_FRAMES, 40, 56)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path, checkpoint: Path) -> None:
    first = start_long_run(tmp_path, checkpoint)
    seen = wait_for_the_bar(first)
    # Held, so that it is not done before the second one has started.
    first.send_signal(signal.SIGSTOP)
    second = start_long_run(tmp_path, checkpoint, "--overwrite")
    _, said = second.communicate()
    assert second.returncode == 2
    assert f"another run is writing to {tmp_path / 'result'}" in said
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGCONT)
    _, rest = first.communicate()
    assert first.returncode == 130
    n_done, out = frames_done(tmp_path / "result"), tmp_path / "result"
    assert n_done > 0
    said = f"napari-sam2: stopped after {n_done} of {N_FRAMES} frames; what was done is in {out}"
    assert only_line(seen + rest) == said


def frames_done(folder: Path) -> int:
    return len(pd.read_csv(folder / "scores.csv"))


def test_ctrl_c_keeps_what_was_done_and_nothing_earlier_is_lost(tmp_path: Path, checkpoint: Path) -> None:
    stack, out = tmp_path / "disk.tif", tmp_path / "result"
    tifffile.imwrite(stack, draw_disk(N_FRAMES)[0], metadata={"axes": "TYX"})
    prompts = write_entries(tmp_path / "prompts.json", [{"frame": 0, "object": 1, "box": [12, 4, 28, 20]}])
    options = ["--output", out, "--checkpoint", checkpoint, "--image-size", 64]

    first = start_script("segment", stack, "--prompts", prompts, *options)
    line = only_line(interrupt_after_some_frames(first))
    assert first.returncode == 130
    n_done = frames_done(out)
    assert line == f"napari-sam2: stopped after {n_done} of {N_FRAMES} frames; what was done is in {out}"
    assert 0 < n_done < N_FRAMES
    assert tifffile.imread(out / "labels.tif").shape == (N_FRAMES, 40, 56)
    record = json.loads((out / "session.json").read_text(encoding="utf-8"))
    assert record["complete"] is False
    assert record["tracked_frames"] == [[0, n_done - 1]]

    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    second = start_script("segment", stack, "--prompts", prompts, *options, "--overwrite")
    assert str(out / "stopped") in interrupt_after_some_frames(second)
    assert second.returncode == 130
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert frames_done(out / "stopped") > 0
