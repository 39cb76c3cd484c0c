"""Prompts from TrackMate's XML: what it saves, and the tracks that it exports."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Prompt, Stack
from napari_sam2.data.images.calibration import Calibration
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.prompts.prompt_files import read_prompt_file

STACK = Stack.from_array(np.zeros((4, 40, 50), np.uint8), calibration=Calibration(pixel_size=(0.5, 0.25), unit="um"))
# Spots by ID: frame, plane, row and column. Pixels are 0.5 um high and 0.25 um wide, planes 2 um apart.
SPOTS = {
    3: (0, 0, 10, 8),
    5: (1, 0, 11, 9),
    6: (2, 0, 8, 9),
    7: (2, 0, 14, 9),
    9: (3, 0, 15, 9),
    20: (0, 1, 30, 30),
    21: (2, 1, 30, 31),
    30: (1, 0, 5, 45),
}
# The first track divides after frame 1; its edges lie in any order and direction. The second one has a gap.
TRACKS = {0: [(9, 7), (3, 5), (5, 6), (7, 5)], 1: [(20, 21)]}


def write(path: Path, *, tracks: dict[int, list[tuple[int, int]]] = TRACKS, kept: tuple[int, ...] = (0, 1)) -> Path:
    """Write a file as TrackMate does, as far as it is read."""
    spots = "".join(
        f'<Spot ID="{i}" POSITION_X="{x * 0.25}" POSITION_Y="{y * 0.5}" POSITION_Z="{z * 2.0}" FRAME="{t}" '
        'VISIBILITY="1" RADIUS="3.0"/>'
        for i, (t, z, y, x) in SPOTS.items()
    )
    all_tracks = "".join(
        f'<Track TRACK_ID="{i}">'
        + "".join(f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}"/>' for a, b in edges)
        + "</Track>"
        for i, edges in tracks.items()
    )
    names = "".join(f'<TrackID TRACK_ID="{i}"/>' for i in kept)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><TrackMate version="7.13.2"><Model spatialunits="µm">'
        f"<AllSpots><SpotsInFrame>{spots}</SpotsInFrame></AllSpots><AllTracks>{all_tracks}</AllTracks>"
        f"<FilteredTracks>{names}</FilteredTracks></Model><Settings><ImageData filename='a.tif' width='50' "
        "height='40' pixelwidth='0.25' pixelheight='0.5' voxeldepth='2.0'/></Settings></TrackMate>",
        encoding="utf-8",
    )
    return path


def read(path: Path, stack: Stack = STACK) -> list[Prompt]:
    return read_prompt_file(path, lambda: nullcontext(stack))


def places(prompts: list[Prompt]) -> dict[int, list[tuple[float, ...]]]:
    """Frame, row and column of each click, by object."""
    found: dict[int, list[tuple[float, ...]]] = {}
    for prompt in prompts:
        assert prompt.points is not None
        found.setdefault(prompt.object_id, []).extend((prompt.frame, *point) for point in prompt.points.tolist())
    return found


def test_each_branch_of_a_track_is_an_object(tmp_path: Path) -> None:
    assert places(read(write(tmp_path / "cells.xml"))) == {
        1: [(0, 10, 8), (1, 11, 9)],
        2: [(0, 30, 30), (2, 30, 31)],
        3: [(2, 8, 9)],
        4: [(2, 14, 9), (3, 15, 9)],
    }


def test_tracks_that_were_filtered_out_are_left_out(tmp_path: Path) -> None:
    assert places(read(write(tmp_path / "cells.xml", kept=(1,)))) == {1: [(0, 30, 30), (2, 30, 31)]}


def test_without_tracks_each_spot_is_an_object(tmp_path: Path) -> None:
    found = places(read(write(tmp_path / "cells.xml", tracks={}, kept=())))
    assert len(found) == len(SPOTS)
    assert found[8] == [(1, 5, 45)]


@pytest.mark.parametrize(("axis", "at", "expected"), [("t", 1, [(0, 30, 30), (2, 30, 31)]), ("z", 0, [(1, 30, 30)])])
def test_of_volumes_over_time_only_spots_of_the_stack_count(
    tmp_path: Path, axis: str, at: int, expected: list[tuple[float, ...]]
) -> None:
    volumes = np.zeros((4, 3, 40, 50), np.uint8)
    stack = Stack.from_array(volumes, axis, axes="tzyx", selection=Selection(at))
    assert places(read(write(tmp_path / "cells.xml"), stack))[2] == expected


def test_exported_tracks_lie_by_the_pixel_size_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "tracks.xml"
    detections = '<detection t="0" x="2.0" y="5.0" z="0.0"/><detection t="3" x="2.5" y="5.5" z="0.0"/>'
    path.write_text(f'<Tracks nTracks="1"><particle nSpots="2">{detections}</particle></Tracks>', encoding="utf-8")
    assert places(read(path)) == {1: [(0, 10, 8), (3, 11, 10)]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<TrackMate><Model>", "is not valid XML"),
        ("<svg/>", "holds svg and no spots"),
        ('<TrackMate><Spot ID="1" POSITION_X="1" POSITION_Z="0" FRAME="0"/></TrackMate>', "'POSITION_Y' is missing"),
        ('<TrackMate><Spot ID="1" FRAME="?"/></TrackMate>', "odd.xml: invalid literal"),
        (
            '<TrackMate><Spot ID="1" POSITION_X="nan" POSITION_Y="1" POSITION_Z="0" FRAME="0"/></TrackMate>',
            "odd.xml: object 1 on frame 0: points must be finite",
        ),
        (
            '<TrackMate><ImageData width="9" height="8"/></TrackMate>',
            "about an image of 8 x 9 pixels, and this one has frames of 40 x 50",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "odd.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.xml") as caught:
        read(path)
    assert message in str(caught.value)
