"""``napari-sam2 tune``: settings tried on the accepted frames of a session folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import DiskStack, Run

from napari_sam2 import Session
from napari_sam2.session.tracking.memory.policies import AUTO


@pytest.fixture
def reviewed(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> Path:
    """A session of which all is accepted."""
    out = tmp_path / "out"
    assert run("segment", disk.path, "--prompts", disk.prompts, "--output", out, "--save", *fast).status == 0
    session = Session.open(out / "session.napari-sam2")
    session.accept(range(8))
    session.close()
    return out / "session.napari-sam2"


def test_a_table_and_the_words_that_use_the_best(
    run: Run, disk: DiskStack, reviewed: Path, checkpoint: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in reviewed.rglob("*") if path.is_file()}
    some = ["--models", "--presets", "--zoom", "off", "--memory", "gated"]
    done = run("tune", reviewed, *some, "--json")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert [one["settings"].split(", ", 1)[1] for one in report["tried"]] == [
        f"balanced, zoom auto, memory {AUTO}",
        f"balanced, zoom off, memory {AUTO}",
        report["tried"][2]["settings"].split(", ", 1)[1],
    ]
    assert report["best"] in [one["settings"] for one in report["tried"]]
    assert report["options"][:2] == ["--checkpoint", str(checkpoint)]
    words = ["segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path / "new", "--image-size", 64]
    assert run(*words, "--max-frames", 1, "--overlay", "none", *report["options"]).status == 0
    assert before == {path: path.read_bytes() for path in reviewed.rglob("*") if path.is_file()}


def test_for_people(run: Run, reviewed: Path) -> None:
    done = run("tune", reviewed, "--models", "--presets", "--zoom", "--memory")
    assert done.status == 0, done.err
    head, row, best = done.out.splitlines()
    assert head.split() == ["J&F", "J", "F", "seconds", "settings"]
    assert row.startswith("* ")
    assert best.startswith("the settings at hand are best: --checkpoint ")


@pytest.mark.parametrize(
    ("words", "said"), [(["--memory", "perfect"], "perfect"), (["--models", "nowhere.pt"], "nowhere.pt")]
)
def test_what_cannot_be_tried_is_told(run: Run, reviewed: Path, words: list[str], said: str) -> None:
    done = run("tune", reviewed, "--presets", "--zoom", *words)
    assert done.status == 2
    assert said in done.err
