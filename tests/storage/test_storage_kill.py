"""Tracking that is killed at random moments: nothing finished is lost, and the folder opens every time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
import tracking_worker

from napari_sam2 import Session
from napari_sam2.data.readers.open_stack import open_stack
from session_state import assert_same_sessions

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the program to be killed forks, which Windows cannot"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work.napari-sam2"


@pytest.fixture
def image(tmp_path: Path, frames: np.ndarray) -> Path:
    there_and_back = np.concatenate((frames, frames[::-1]))
    tifffile.imwrite(tmp_path / "cells.tif", there_and_back, photometric="minisblack")
    return tmp_path / "cells.tif"


@pytest.fixture
def program(checkpoint: Path, folder: Path, image: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, tracking_worker.__file__, str(checkpoint), str(folder), str(image)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def start(program: subprocess.Popen[str]) -> int:
    program.stdin.write("work\n")
    word, child = program.stdout.readline().split()
    assert word == "child"
    return int(child)


def listen(program: subprocess.Popen[str], child: int, *, lines: int, seconds: float) -> list[str]:
    """Hear so many lines, wait a moment, kill, and return all that was said before the end."""
    said: list[str] = []
    while len(said) < lines and (not said or said[-1] not in ("done", "gone")):
        said.append(program.stdout.readline().strip())
    if "gone" not in said:
        time.sleep(seconds)
        # It may have come to its end in that moment.
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        while said[-1:] != ["gone"]:
            said.append(program.stdout.readline().strip())
    return said[:-1]


def frames_done(session: Session, planned: int) -> int:
    """How far the tracking run came."""
    if session.unfinished:
        return planned - session.unfinished
    return planned if any(track.visited for track in session._objects.tracks.values()) else 0


def test_killed_at_random_moments(program: subprocess.Popen[str], checkpoint: Path, folder: Path, image: Path) -> None:
    model = tracking_worker.load(checkpoint)
    whole = Session(model, open_stack(image))
    for number in range(4):
        tracking_worker.give(whole, number)
    expected = [result.frame for result in whole.propagate(tracking_worker.START, "both")]
    rng = np.random.default_rng()
    lives = prompts = done = 0
    finished = False
    while not finished:
        said = listen(program, start(program), lines=int(rng.integers(0, 3)), seconds=float(rng.random() * 0.06))
        lives += 1
        finished = said[-1:] == ["done"]
        if not folder.exists():
            assert said == []
            continue
        session = Session.open(folder, model=model)
        assert session.problems == ()
        # What was done in the moment before it could be said may be there, too.
        prompts += sum(line.startswith("prompt") for line in said)
        assert prompts <= len(session.prompts) <= prompts + 1
        done += sum(line.startswith("frame") for line in said)
        assert done <= frames_done(session, len(expected)) <= done + 1
        prompts, done = len(session.prompts), frames_done(session, len(expected))
        for track in session._objects.tracks.values():
            assert set(expected[:done]) <= set(track.visited)
        for frame in expected[: max(done - 1, 0)]:
            np.testing.assert_array_equal(session.labels[frame], whole.labels[frame])
        session.close()
    assert lives > 4
    session = Session.open(folder, model=model)
    # Killed after the last frame: its results are saved before its memories.
    session.catch_up()
    assert_same_sessions(whole, session)
