"""Prompts files made of what other programs wrote, and by clicking in a window."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commandline import DiskStack, Run

from napari_sam2.cli.viewer import why_no_viewer
from napari_sam2.data.prompts.prompt import read_prompts

POINTS = "index,axis-0,axis-1,axis-2,object\n0,0,20,12,1\n1,5,20,33,1\n2,3,5,6,2\n"
COCO = {
    "images": [{"id": 1, "frame_id": 2}],
    "annotations": [{"image_id": 1, "track_id": 4, "bbox": [3, 2, 8, 6], "segmentation": []}],
}
TRACKS = '<Tracks><particle><detection t="1" x="4" y="5" z="0"/></particle></Tracks>'


def sources(folder: Path, masks: np.ndarray) -> dict[str, Path]:
    """One file of each kind."""
    (folder / "points.csv").write_text(POINTS, encoding="utf-8")
    (folder / "coco.json").write_text(json.dumps(COCO), encoding="utf-8")
    (folder / "tracks.xml").write_text(TRACKS, encoding="utf-8")
    tifffile.imwrite(folder / "labels.tif", (masks * 3).astype(np.uint16), photometric="minisblack")
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("points", [(0, 1, 12.0, 20.0), (5, 1, 33.0, 20.0), (3, 2, 6.0, 5.0)]),
        ("coco", [(2, 4, 7.0, 5.0)]),
        ("tracks", [(1, 1, 16.0, 10.0)]),
        ("labels", [(frame, 3, None, None) for frame in range(8)]),
    ],
)
def test_files_of_other_programs(
    run: Run, disk: DiskStack, tmp_path: Path, source: str, expected: list[tuple[Any, ...]]
) -> None:
    files = sources(tmp_path, disk.masks)
    done = run("prompts", disk.path, "--from", files[source], "--output", tmp_path / "made.json")
    assert done.status == 0, done.err
    assert f"--prompts {tmp_path / 'made.json'} --output result" in done.out
    found = []
    for prompt in read_prompts(tmp_path / "made.json"):
        points = prompt.points if prompt.points is not None else np.full((1, 2), np.nan)
        y, x = points[0].tolist()
        if prompt.box is not None:
            y, x = (prompt.box[0] + prompt.box[2]) / 2, (prompt.box[1] + prompt.box[3]) / 2
        if prompt.mask is not None:
            np.testing.assert_array_equal(prompt.mask, disk.masks[prompt.frame])
        found.append((prompt.frame, prompt.object_id, *((None, None) if prompt.mask is not None else (x, y))))
    assert found == expected


def test_only_the_first_prompt_of_each_object(run: Run, disk: DiskStack, tmp_path: Path) -> None:
    files = sources(tmp_path, disk.masks)
    output = tmp_path / "new folder" / "made.json"
    done = run("prompts", disk.path, "--from", files["points"], "--first", "--output", output, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out) == {"file": str(output), "prompts": 2, "objects": 2, "frames": 2}
    assert [(one.frame, one.object_id) for one in read_prompts(output)] == [(0, 1), (3, 2)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "gone.csv", "--output", "new.json"], "gone.csv does not exist"),
        (["--from", "prompts.json"], "prompts.json is there already"),
        (["--from", "disk.tif", "--output", "new.json"], "disk.tif is the image itself"),
        (["--from", "far.csv", "--output", "new.json"], "far.csv: object 1 on frame 0: the point (y=90, x=12)"),
        (["--output", "new.json"], "napari cannot open to click in"),
    ],
)
def test_errors_are_one_line(
    run: Run, disk: DiskStack, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(disk.path.parent)
    monkeypatch.setenv("CI", "1")
    Path("far.csv").write_text("index,axis-0,axis-1,axis-2\n0,0,90,12\n", encoding="utf-8")
    done = run("prompts", disk.path.name, *words)
    assert (done.status, done.out) == (2, "")
    assert message in done.complaint
    assert not Path("new.json").exists()


@pytest.mark.parametrize("words", [["--help"], ["--output", "result"]])
def test_segment_says_how_prompts_are_made(run: Run, tmp_path: Path, words: list[str]) -> None:
    done = run("segment", tmp_path / "cells.tif", *words)
    assert "napari-sam2 prompts" in done.out + done.err
    assert done.status == (0 if "--help" in words else 2)


# Runs the command, and clicks in its window before it is closed as its button does.
CLICKS = """
import sys

import napari
import numpy as np
from napari.layers import Points
from qtpy.QtCore import QTimer

from napari_sam2.cli import main


def click():
    viewer = napari.current_viewer()
    scale = viewer.layers["disk.tif"].scale
    np.testing.assert_allclose(scale, (2, 0.5, 0.25))
    layer = viewer.add_layer(Points([[2, 20, 18], [2, 8, 40]], features={"object": [1, 5]}, scale=scale))
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2")
    widget.panel.points_layer.choose(layer)
    QTimer.singleShot(200, viewer.window._qt_window.close)


run = napari.run
napari.run = lambda: (QTimer.singleShot(500, click), run())
sys.exit(main(["prompts", sys.argv[1], "--output", sys.argv[2]]))
"""


@pytest.mark.skipif(
    why_no_viewer({**os.environ, "CI": ""}) is not None, reason="there is no screen, or no Qt binding for it"
)
def test_clicks_are_saved_when_the_window_is_closed(disk: DiskStack, tmp_path: Path) -> None:
    # In a process of its own: what napari keeps of a window would stay for tests that follow.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", CLICKS, str(disk.path), str(tmp_path / "clicked.json")],
        env=environment | {"NAPARI_SAM2_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    found = read_prompts(tmp_path / "clicked.json")
    assert [(one.frame, one.object_id, one.points.tolist()) for one in found] == [  # type: ignore[union-attr]
        (2, 1, [[20, 18]]),
        (2, 5, [[8, 40]]),
    ]
