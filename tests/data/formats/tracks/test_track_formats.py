"""Tracks and families handed over to other programs, each format read back with a library of its own."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_sam2.data import Calibration, Stack, open_stack
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.formats.tracks.geff import is_geff
from napari_sam2.data.formats.tracks.track_graph import Descent, descents_of
from napari_sam2.data.labels.lineage import Lineage, Track
from napari_sam2.data.prompts.prompt_files import read_prompt_file

TIME = Calibration((0.5, 0.25), 2.0, "um", "s")
# 1 divides into 2 and 3; 3 goes on as 5; 4 is alone, and hidden on frame 2.
LINEAGE = Lineage((Track(1, 0, 1), Track(2, 2, 5, 1), Track(3, 2, 3, 1), Track(4, 0, 4), Track(5, 4, 5, 3)))
DAUGHTERS = {(1, 2), (1, 3), (3, 5)}


def labels_tyx() -> np.ndarray:
    labels = np.zeros((6, 40, 56), np.uint16)
    for track in LINEAGE.tracks:
        for frame in range(track.begin, track.end + 1):
            if (track.label, frame) != (4, 2):
                top = 7 * (track.label - 1) + frame
                labels[frame, top : top + 4, 10 + 2 * frame : 15 + 2 * frame] = track.label
    return labels


@pytest.fixture
def results() -> Results:
    pixels = np.random.default_rng(0).integers(0, 3000, (6, 40, 56)).astype(np.uint16)
    stack = Stack.from_array(pixels, "t", calibration=TIME)
    return Results(labels_tyx(), stack, lineage=LINEAGE, names={4: "loner"})


def spots() -> dict[tuple[int, int], tuple[float, float]]:
    """Centres by frame and object, found without the program."""
    labels = labels_tyx()
    keys = [(frame, int(i)) for frame in range(6) for i in np.unique(labels[frame]) if i]
    return {(t, i): tuple(np.argwhere(labels[t] == i).mean(axis=0).tolist()) for t, i in keys}


def followers() -> set[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of spots that follow each other, found without the program."""
    by_object = {i: sorted(key for key in spots() if key[1] == i) for i in range(1, 6)}
    within = {pair for keys in by_object.values() for pair in pairwise(keys)}
    return within | {(by_object[mother][-1], by_object[child][0]) for mother, child in DAUGHTERS}


def test_descents(results: Results) -> None:
    assert descents_of(results.object_ids, results) == {
        1: Descent(0, 1, 1, 0),
        2: Descent(1, 2, 1, 1),
        3: Descent(1, 3, 1, 1),
        4: Descent(0, 4, 4, 0),
        5: Descent(3, 3, 1, 1),
    }
    # Where the mother was rubbed out, her daughters begin families of their own.
    assert descents_of([2, 3, 5], results) == {
        2: Descent(0, 2, 2, 0),
        3: Descent(0, 3, 3, 0),
        5: Descent(3, 3, 3, 0),
    }


def test_geff(results: Results, tmp_path: Path) -> None:
    geff = pytest.importorskip("geff", reason="geff is not installed")
    from geff.core_io import read_to_memory
    from geff.validate.data import ValidationConfig

    path = export_results(results, "geff", tmp_path / "tracks.zarr")
    graph, metadata = geff.read(path / "tracks.geff", structure_validation=True)
    # The format's own check: lines end where they divide, families are whole.
    read_to_memory(path / "tracks.geff", data_validation=ValidationConfig(graph=True, lineage=True, tracklet=True))
    found = {(int(node["t"]), int(node["seg_id"])): (node["y"], node["x"]) for _, node in graph.nodes(data=True)}
    assert found == {key: pytest.approx(centre) for key, centre in spots().items()}
    key_of = {number: (int(node["t"]), int(node["seg_id"])) for number, node in graph.nodes(data=True)}
    assert {(key_of[a], key_of[b]) for a, b in graph.edges} == followers()
    lines = {key_of[number]: (node["tracklet_id"], node["lineage_id"]) for number, node in graph.nodes(data=True)}
    assert {key[1]: line for key, line in lines.items()} == {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (4, 4), 5: (3, 1)}
    assert [(axis.name, axis.scale, axis.scaled_unit) for axis in metadata.axes] == [
        ("t", 2.0, "second"),
        ("y", 0.5, "micrometer"),
        ("x", 0.25, "micrometer"),
    ]
    (link,) = metadata.related_objects
    with open_stack((path / "tracks.geff" / link.path).resolve()) as labels:
        np.testing.assert_array_equal([labels.read(t) for t in range(6)], labels_tyx())
    assert is_geff(path)
    export_results(results, "geff", path)
    (path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="holds more than an earlier export"):
        export_results(results, "geff", path)


def test_trackmate(results: Results, tmp_path: Path) -> None:
    trackmate = pytest.importorskip("pytrackmate", reason="pytrackmate is not installed")
    path = export_results(results, "trackmate", tmp_path / "trackmate.xml")
    table = trackmate.trackmate_peak_import(path, get_tracks=True)
    found = sorted(zip(table["t_stamp"].round().astype(int), table["y"] / 0.5, table["x"] / 0.25, strict=True))
    expected = sorted((frame, *centre) for (frame, _), centre in spots().items())
    np.testing.assert_allclose(found, expected)


# The reader warns of what may be left out (log, display, file of the images) and of TrackMate's way to write units.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_trackmate_by_another_reader(results: Results, tmp_path: Path) -> None:
    """geff reads TrackMate's files, too: spots, edges, units, outlines."""
    convert = pytest.importorskip("geff.convert", reason="geff is not installed")
    import geff

    path = export_results(results, "trackmate", tmp_path / "trackmate.xml")
    convert.from_trackmate_xml_to_geff(path, tmp_path / "back.geff")
    graph, _ = geff.read(tmp_path / "back.geff")
    nodes: dict[int, dict[str, Any]] = dict(graph.nodes(data=True))
    found = {(int(node["FRAME"]), node["name"]): (node["POSITION_Y"], node["POSITION_X"]) for node in nodes.values()}
    names = {i: "loner" if i == 4 else f"object {i}" for i in range(1, 6)}
    assert found == {(t, names[i]): pytest.approx((y * 0.5, x * 0.25)) for (t, i), (y, x) in spots().items()}
    key_of = {number: (int(node["FRAME"]), node["name"]) for number, node in nodes.items()}
    expected = {((t, names[i]), (u, names[j])) for (t, i), (u, j) in followers()}
    assert {(key_of[a], key_of[b]) for a, b in graph.edges} == expected


def test_trackmate_comes_back_as_prompts(results: Results, tmp_path: Path) -> None:
    path = export_results(results, "trackmate", tmp_path / "trackmate.xml")
    tracks: dict[int, list[tuple[float, ...]]] = {}
    for prompt in read_prompt_file(path, lambda: nullcontext(results.stack)):
        assert prompt.points is not None
        tracks.setdefault(prompt.object_id, []).append((prompt.frame, *prompt.points[0].tolist()))
    expected: dict[int, list[tuple[float, ...]]] = {}
    for (frame, object_id), centre in sorted(spots().items()):
        # What goes on under another number without a sister is one branch.
        expected.setdefault(3 if object_id == 5 else object_id, []).append((frame, *centre))
    found = sorted(tracks.values())
    assert [np.shape(one) for one in found] == [np.shape(one) for one in sorted(expected.values())]
    for one, other in zip(found, sorted(expected.values()), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_outlines_of_trackmate_cover_the_objects(results: Results, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    from skimage.draw import polygon

    path = export_results(results, "trackmate", tmp_path / "trackmate.xml")
    labels = labels_tyx()
    for spot in ElementTree.parse(path).iter("Spot"):
        corners = np.array(spot.text.split(), float).reshape(-1, 2)[:, ::-1]
        assert len(corners) == int(spot.attrib["ROI_N_POINTS"])
        centre = np.array([float(spot.attrib["POSITION_Y"]), float(spot.attrib["POSITION_X"])])
        rows, columns = polygon(*((corners + centre) / (0.5, 0.25)).T, labels.shape[1:])
        frame = labels[int(spot.attrib["FRAME"])]
        (label,) = set(frame[rows, columns].tolist())
        assert len(rows) == np.count_nonzero(frame == label)


def test_measurements(results: Results, tmp_path: Path) -> None:
    path = export_results(results, "measurements", tmp_path / "measurements")
    rows = pd.read_csv(path / "measurements.csv")
    assert [*zip(rows["frame"], rows["object"], strict=True)] == sorted(spots(), key=lambda key: key[::-1])
    row = rows[(rows["object"] == 4) & (rows["frame"] == 3)].iloc[0]
    pixels = results.stack.read(3)[labels_tyx()[3] == 4]
    assert (row["y"], row["x"]) == pytest.approx(spots()[3, 4])
    assert (row["area"], row["area_um2"]) == (20, 20 * 0.5 * 0.25)
    assert row["intensity_mean"] == pytest.approx(pixels.mean(), rel=1e-4)
    assert (row["intensity_sum"], row["intensity_min"], row["intensity_max"]) == (
        pixels.sum(),
        pixels.min(),
        pixels.max(),
    )
    assert 0 < row["eccentricity"] < 1
    # One row down and two columns right a frame; frame 2 was skipped.
    step = np.hypot(0.5, 2 * 0.25)
    assert row["speed"] == pytest.approx(step / 2, rel=1e-4)
    assert row["displacement"] == pytest.approx(3 * step, rel=1e-4)
    tracks = pd.read_csv(path / "tracks.csv").set_index("object")
    assert tracks["parent"].fillna(0).astype(int).to_dict() == {1: 0, 2: 1, 3: 1, 4: 0, 5: 3}
    assert tracks["generation"].to_dict() == {1: 0, 2: 1, 3: 1, 4: 0, 5: 1}
    assert tracks["frames_seen"].to_dict() == {1: 2, 2: 4, 3: 2, 4: 4, 5: 2}
    assert tracks.loc[4, "path_length"] == pytest.approx(4 * step, rel=1e-4)
    assert tracks.loc[1, "divides"]


def test_measurements_of_colour_and_of_nothing(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (6, 40, 56, 3)).astype(np.uint8)
    path = export_results(Results(labels_tyx(), Stack.from_array(colour)), "measurements", tmp_path / "a")
    row = pd.read_csv(path / "measurements.csv").iloc[0]
    np.testing.assert_allclose(
        row[[f"intensity_mean_{i}" for i in range(3)]].astype(float),
        colour[0][labels_tyx()[0] == 1].mean(axis=0),
        rtol=1e-4,
    )
    path = export_results(Results(0 * labels_tyx(), Stack.from_array(colour)), "measurements", tmp_path / "b")
    assert pd.read_csv(path / "measurements.csv").empty


@pytest.mark.parametrize("name", ["geff", "trackmate"])
def test_slices_are_no_tracks(tmp_path: Path, name: str) -> None:
    if name == "geff":
        pytest.importorskip("geff", reason="geff is not installed")
    slices = Stack.from_array(np.zeros((6, 40, 56), np.uint8), "z")
    with pytest.raises(ValueError, match=rf"\({name}\) is for time, and this stack runs along depth"):
        export_results(Results(labels_tyx(), slices), name, tmp_path / "x")
