"""``segment --exemplars``: objects of another movie are looked for without a prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from commandline import DiskStack, Run


def test_the_next_movie_needs_no_prompts(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    first, second, again = (tmp_path / name for name in ("first", "second", "again"))
    some = [*fast, "--max-frames", 2]
    assert run("segment", disk.path, "--prompts", disk.prompts, "--output", first, "--save", *some).status == 0
    session = first / "session.napari-sam2"
    done = run("segment", disk.path, "--exemplars", session, "--output", second, *some)
    assert done.status == 0, done.err
    scores = pd.read_csv(second / "scores.csv")
    # From the first frame on, as nothing else is known.
    assert sorted(set(scores["frame"])) == [0, 1]
    assert set(scores["source"]) == {"tracked"}
    # The command that is recorded does it again.
    _, *words = json.loads((second / "session.json").read_text(encoding="utf-8"))["command"]
    assert run(*words, "--output", again, "--overlay", "none").status == 0
    assert (again / "labels.tif").read_bytes() == (second / "labels.tif").read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--exemplars", "nowhere"], "nowhere"), (["--find", "--exemplars", "nowhere"], "takes no --exemplars")],
)
def test_what_cannot_be_gone_by_is_refused(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path, options: list[str], said: str
) -> None:
    done = run("segment", disk.path, *options, "--output", tmp_path / "out", *fast)
    assert done.status == 2
    assert said in done.err
