"""Jobs without prompts: what lies on disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import Run

from drawn_discs import picture


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    before, after = [(60, 80, 14, 120)], [(40, 80, 10, 140), (78, 80, 10, 140)]
    frames = [picture(*(before if t < 2 else after), (60, 30 + 3 * t, 10, 90), seed=t) for t in range(4)]
    tifffile.imwrite(path, np.stack(frames), imagej=True, metadata={"axes": "TYX"})
    return path


def test_a_movie_is_found_followed_and_related(run: Run, movie: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = run("segment", movie, "--axis", "t", "--find", "--output", out, "--export", "ctc")
    assert done.status == 0, done.err
    labels = tifffile.imread(out / "labels.tif")
    record = json.loads((out / "session.json").read_text(encoding="utf-8"))
    assert record["complete"]
    assert "--find" in record["command"]
    tracks = np.loadtxt(out / "ctc" / "res_track.txt", dtype=int, ndmin=2)
    parent_of = {int(row[0]): int(row[3]) for row in tracks}
    mother = labels[0][60, 80]
    assert {parent_of[labels[3][40, 80]], parent_of[labels[3][78, 80]]} == {mother}
    # Nobody's parent ends after the child begins.
    ends = {int(row[0]): int(row[2]) for row in tracks}
    assert all(ends[int(row[3])] < row[1] for row in tracks if row[3])

    # The record of the run keeps who came from whom.
    later = run("export", out, "--to", "ctc,tracks", "--output", tmp_path / "later")
    assert later.status == 0, later.err
    (table,) = (tmp_path / "later").rglob("res_track.txt")
    np.testing.assert_array_equal(np.loadtxt(table, dtype=int, ndmin=2), tracks)

    again = run("segment", movie, "--axis", "t", "--find", "--output", out, "--divisions", "off")
    assert again.status == 2
    assert "--overwrite" in again.complaint


def test_a_session_of_prompts_cannot_be_kept(run: Run, movie: Path, tmp_path: Path) -> None:
    done = run("segment", movie, "--find", "--output", tmp_path / "result", "--save")
    assert done.status == 2
    assert "--save keeps a session of prompts" in done.complaint
