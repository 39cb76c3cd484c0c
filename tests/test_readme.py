"""What the README tells people to type, run as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SHAPE = (8, 200, 280)


def block(language: str) -> str:
    """The only block of code in a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def commands() -> list[str]:
    return re.findall(r"^ {4}napari-sam2 (.*)$", README, re.MULTILINE)


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack where the README's prompts lie on bright discs, in the folder that it is run from."""
    rows, columns = np.indices(SHAPE[1:])
    masks = [np.hypot(rows - y, columns - x) < 16 for y, x in ((120, 85), (47, 225))]
    frame = np.random.default_rng(3).normal(400, 30, SHAPE[1:]) + 3000 * (masks[0] | masks[1])
    tifffile.imwrite(tmp_path / "cells.tif", np.stack([frame] * SHAPE[0]).astype(np.uint16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "mask.tif", masks[0].astype(np.uint8))
    (tmp_path / "points.csv").write_text("index,axis-0,axis-1,axis-2\n0,0,120,85\n1,0,47,225\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # What downloads takes a network; what opens a window is tested with the command.
    for command in commands():
        if "--prompts" in command:
            (cells / "prompts.json").write_text(block("json"), encoding="utf-8")
        if "download" not in command and command != "prompts cells.tif":
            assert main(shlex.split(command)) == 0, capsys.readouterr().err
    written = {path.name for path in (cells / "result").iterdir()}
    assert set(re.findall(r"^\| `([\w.]+)` \| ", README, re.MULTILINE)) & written >= {"labels.tif", "scores.csv"}
    labels = tifffile.imread(cells / "result" / "labels.tif")
    assert set(np.unique(labels)) == {0, 1, 2}


def test_python(cells: Path) -> None:
    names: dict[str, object] = {}
    exec(compile(block("python"), "README.md", "exec"), names)
    labels = names["session"].labels  # type: ignore[attr-defined]
    assert labels.to_array().shape == SHAPE
    assert labels.frames_done == list(range(SHAPE[0]))
