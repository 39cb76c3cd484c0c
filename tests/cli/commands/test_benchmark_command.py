"""The tables of ``napari-sam2 benchmark``: what is in them was measured. How fast it was is not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import Run

TINY = ("--image-size", 64, "--side", 64, "--frames", 2, "--seconds", 0)
STAGES = [
    "image encoder",
    "memory attention, 1 map and 1 pointer",
    "memory attention, 2 maps and 2 pointers",
    "memory attention, 4 maps and 4 pointers",
    "memory attention, 7 maps and 16 pointers",
    "mask decoder",
    "memory encoder",
    "preview of a click",
]


def test_tables_and_files(run: Run, tmp_path: Path) -> None:
    done = run("benchmark", *TINY, "--objects", 3, 1, "--output", tmp_path)
    assert done.status == 0
    report = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in report["stages"]] == STAGES
    assert all(stage["seconds"] > 0 and stage["runs"] >= 1 for stage in report["stages"])

    assert [row["objects"] for row in report["tracking"]] == [1, 3]
    for row in report["tracking"]:
        assert row["seconds"] > 0
        assert row["frames_per_second"] == pytest.approx(1 / row["seconds"])
        assert row["object_frames_per_second"] == pytest.approx(row["objects"] / row["seconds"])
        assert row["estimated_bytes"] > 0
    assert report["model"]["image_size"] == 64
    assert report["model"]["weights"] == "its own"
    assert {"napari-sam2", "torch"} <= report["machine"]["versions"].keys()

    markdown = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    for stage in report["stages"]:
        shown = f"{1e3 * stage['seconds']:.1f}"
        assert f"| {stage['name']} | {shown} |" in markdown
        assert any(line.startswith(stage["name"]) and line.endswith(shown) for line in done.out.splitlines())
    for row in report["tracking"]:
        assert f"| {row['objects']} | {1e3 * row['seconds']:.0f} | {row['frames_per_second']:.2f} |" in markdown


def test_weights_that_are_not_here_are_stood_in_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "empty"))
    done = run("benchmark", *TINY, "--model", "sam2.1_hiera_tiny", "--objects", 1, "--preset", "fast")
    assert done.status == 0
    assert done.out.startswith("sam2.1_hiera_tiny with random weights, preset fast, 64 px input")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--objects", 1, 0), "--objects takes numbers of at least 1, got 0"),
        (("--frames", 0), "--frames takes numbers of at least 1, got 0"),
        (("--side", 8), "--side takes numbers of at least 32, got 8"),
        (("--model", "sam3"), "sam3"),
        (("--checkpoint", "nowhere.pt"), "there is no checkpoint file 'nowhere.pt'"),
    ],
)
def test_what_cannot_be_measured(run: Run, words: tuple[object, ...], complaint: str) -> None:
    done = run("benchmark", *words)
    assert done.status == 2
    assert complaint in done.complaint
