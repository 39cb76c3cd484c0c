"""Tracks with their lineage, written by the program and by others, read as prompts."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.data import Calibration, Prompt, Stack
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.labels.lineage import LifeSpan, Lineage, Track
from napari_sam2.data.prompts.lineage_files import read_lineage_file
from napari_sam2.data.prompts.prompt_files import read_prompt_file

# 1 divides into 2 and 3; 3 goes on as 5, its only child; 4 is alone, and hidden on frame 2.
TRACKS = Track(1, 0, 1), Track(2, 2, 5, 1), Track(3, 2, 3, 1), Track(4, 0, 4), Track(5, 4, 5, 3)
FAMILY = {LifeSpan(0, 1), LifeSpan(0, 4), LifeSpan(2, 5, 1)}


def labels_tyx() -> np.ndarray:
    labels = np.zeros((6, 40, 56), np.uint16)
    for track in TRACKS:
        for frame in range(track.begin, track.end + 1):
            if (track.label, frame) != (4, 2):
                top = 7 * (track.label - 1) + frame
                labels[frame, top : top + 4, 10 + 2 * frame : 15 + 2 * frame] = track.label
    return labels


@pytest.fixture
def stack() -> Stack:
    pixels = np.random.default_rng(0).integers(0, 3000, (6, 40, 56)).astype(np.uint16)
    return Stack.from_array(pixels, "t", calibration=Calibration((0.5, 0.25), 2.0, "um", "s"))


def written(stack: Stack, kind: str, place: Path) -> Path:
    return export_results(Results(labels_tyx(), stack, lineage=Lineage(TRACKS)), kind, place)


def read(path: Path, stack: Stack) -> list[Prompt]:
    return read_prompt_file(path, lambda: nullcontext(stack))


@pytest.mark.parametrize(("kind", "name"), [("ctc", "result"), ("geff", "tracks.zarr"), ("trackmate", "tracks.xml")])
def test_what_was_exported_comes_back(kind: str, name: str, stack: Stack, tmp_path: Path) -> None:
    if kind == "geff":
        pytest.importorskip("geff", reason="geff is not installed")
    path = written(stack, kind, tmp_path / name)
    spans = read_lineage_file(path)
    assert {*spans.values()} == FAMILY
    assert len(spans) == 4
    labels, places = labels_tyx(), set()
    for prompt in read(path, stack):
        assert prompt.frame in spans[prompt.object_id]
        if prompt.mask is None:
            assert prompt.points is not None
            (label,) = {int(labels[prompt.frame, round(float(y)), round(float(x))]) for y, x in prompt.points}
        else:
            (label,) = np.unique(labels[prompt.frame][prompt.mask]).tolist()
            np.testing.assert_array_equal(prompt.mask, labels[prompt.frame] == label)
        places.add((prompt.frame, label, prompt.object_id))
    assert {place[:2] for place in places} == {(t, int(i)) for t in range(6) for i in np.unique(labels[t]) if i}
    # Each label is one object, and the only child goes on with its mother's.
    assert len({place[1:] for place in places}) == 5
    assert len({place[2] for place in places}) == 4


def test_true_tracks_of_the_challenge_are_read(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "01_GT" / "TRA"
    folder.mkdir(parents=True)
    for frame, image in enumerate(labels_tyx()):
        tifffile.imwrite(folder / f"man_track{frame:03}.tif", image)
    lines = [f"{one.label} {one.begin} {one.end} {one.parent}" for one in TRACKS]
    (folder / "man_track.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_lineage_file(folder.parent) == read_lineage_file(folder)
    assert read_lineage_file(folder)[2] == LifeSpan(2, 5, 1)
    assert len(read(folder.parent, stack)) == len(read(folder, stack)) == 14


def test_what_is_wrong_is_named(stack: Stack, tmp_path: Path) -> None:
    path = written(stack, "ctc", tmp_path / "result")
    short = Stack.from_array(np.zeros((5, 40, 56), np.uint8))
    with pytest.raises(ValueError, match=r"mask005\.tif is of frame 5, and the image has 5"):
        read(path, short)
    with pytest.raises(ValueError, match="is of 40 x 56 pixels, and frames are of 30 x 56"):
        read(path, Stack.from_array(np.zeros((6, 30, 56), np.uint8)))
    table = path / "res_track.txt"
    table.write_text("1 0 1 0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"label 4, which res_track\.txt does not name"):
        read(path, stack)
    table.write_text("1 0 1 0\n2 a 4 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: '2 a 4 1' is not label"):
        read_lineage_file(path)
