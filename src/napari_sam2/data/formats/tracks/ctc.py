"""Export of results in the layout of the Cell Tracking Challenge."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_sam2.data.formats.export_data import regions_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2.data.formats.export_data import Results
    from napari_sam2.data.images.stack import Stack

_LARGEST = np.iinfo(np.uint16).max
# File names that an export writes; a folder with any other is not replaced.
_OWN = re.compile(r"mask\d{3,}\.tif|res_track\.txt|objects\.csv")


@dataclass
class _Track:
    label: int
    object_id: int
    # First and last frame.
    begin: int
    end: int
    # Label of the track that this one goes on from after a gap; 0 for none.
    parent: int


def write_ctc(path: Path, results: Results) -> None:
    """Write ``maskTTT.tif`` (uint16) for every frame, ``res_track.txt`` and ``objects.csv``.

    The challenge knows no gaps in a track: an object that comes back gets a new label, whose parent is the one it had.
    Where a lineage is known, a daughter's parent is her mother's last label.
    ``objects.csv`` says which labels are which object.
    """
    path.mkdir()
    ids = results.object_ids
    # Labels for tracks after a gap: those above all ids first, where they cannot be taken for objects.
    spare = iter(sorted(set(range(1, _LARGEST + 1)) - set(ids), key=lambda label: (label < max(ids, default=0), label)))
    # Three digits, as the challenge has them; more for long stacks.
    digits = max(3, len(str(results.stack.n_frames - 1)))
    tracks: list[_Track] = []
    latest: dict[int, _Track] = {}
    for frame in range(results.stack.n_frames):
        image = np.zeros(results.stack.shape[1:], np.uint16)
        for region in regions_of(results.labels[frame], frame):
            # A track ends where the object misses a frame.
            track = latest.get(region.object_id)
            if track is None or track.end < frame - 1:
                label = region.object_id if track is None and region.object_id <= _LARGEST else next(spare, None)
                if label is None:
                    raise ValueError(f"the format ctc holds up to {_LARGEST} tracks, and there are more")
                track = _Track(label, region.object_id, frame, frame, _parent(track, latest, results, region.object_id))
                latest[region.object_id] = track
                tracks.append(track)
            track.end = frame
            image[region.area][region.mask] = track.label
        tifffile.imwrite(path / f"mask{frame:0{digits}}.tif", image, compression="zlib", metadata=None)
    _write_tables(path, sorted(tracks, key=lambda track: track.label), results)


def _parent(earlier: _Track | None, latest: dict[int, _Track], results: Results, object_id: int) -> int:
    """Label that a new track goes on from: the object's own before a gap, or its mother's."""
    if earlier is not None:
        return earlier.label
    mother = latest.get(results.parents.get(object_id, 0))
    return 0 if mother is None else mother.label


def check_time(stack: Stack, what: str) -> None:
    """Check that a stack runs through time, as a format of tracks asks."""
    if stack.axis != "t":
        name = stack.path or "this stack"
        raise ValueError(f"{what} is for time, and {name} runs along depth (z)")


def is_ctc(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_ctc` writes."""
    return all(_OWN.fullmatch(one.name) for one in path.iterdir())


def _write_tables(path: Path, tracks: list[_Track], results: Results) -> None:
    lines = [f"{track.label} {track.begin} {track.end} {track.parent}\n" for track in tracks]
    (path / "res_track.txt").write_text("".join(lines), encoding="ascii")
    with (path / "objects.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "object", "name"])
        writer.writerows([track.label, track.object_id, results.name_of(track.object_id)] for track in tracks)
