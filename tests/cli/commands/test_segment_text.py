"""Jobs that are prompted by words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import Run

from small_model import drifting_textures
from tiny_detectors import save_owl


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, drifting_textures()[:4], imagej=True, metadata={"axes": "TYX"})
    return path


def test_what_the_words_name_is_tracked(run: Run, movie: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [text] is not installed")
    detector, out = save_owl(tmp_path / "owl"), tmp_path / "result"
    # A part of the image, from the second frame on: boxes are in pixels of the whole.
    asked = ("--text", "nucleus, cell", "--text-model", detector, "--crop", "8,10,44,54", "--start", "1")
    done = run("segment", movie, *asked, "--output", out)
    assert done.status == 0, done.err
    prompts = json.loads((out / "prompts.json").read_text(encoding="utf-8"))["prompts"]
    assert prompts
    for number, prompt in enumerate(prompts, 1):
        y0, x0, y1, x1 = prompt["box"]
        assert (prompt["frame"], prompt["object"]) == (1, number)
        assert 8 <= y0 < y1 <= 44
        assert 10 <= x0 < x1 <= 54
    assert np.any(tifffile.imread(out / "labels.tif"))
    # What was done is done again from the prompts alone.
    command = json.loads((out / "session.json").read_text(encoding="utf-8"))["command"]
    assert "--prompts" in command
    assert "--text" not in command

    nothing = run("segment", movie, *asked, "--text-score", "1", "--output", tmp_path / "other")
    assert nothing.status == 2
    assert "nothing on frame 1 is taken for 'nucleus, cell'" in nothing.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--text", "cell"), "--text-model FOLDER"),
        (("--text", "cell", "--text-model", "x/y", "--text-score", "2"), "a number from 0 to 1"),
        (("--text", "cell", "--find"), "not allowed with"),
    ],
)
def test_what_does_not_go_together_is_said(
    run: Run, movie: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    done = run("segment", movie, *words, "--output", tmp_path / "result")
    assert done.status == 2
    assert complaint in done.err


def test_without_the_extra_one_line_says_how_to_get_it(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    done = run("segment", movie, "--text", "cell", "--text-model", tmp_path, "--output", tmp_path / "result")
    assert done.status == 2
    assert done.complaint.count("\n") == 0
    assert 'pip install "napari-sam2[text]"' in done.complaint
