"""Small stacks with their prompts, and the table that lists them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tifffile
from commandline import draw_disk, write_entries

SHAPE = (40, 56)


def write_stack(folder: Path, name: str, n_frames: int = 4) -> Path:
    """Write ``NAME.tif`` and ``NAME.prompts.json``; no two names have the same pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.roll(draw_disk(n_frames, SHAPE)[0], sum(map(ord, name)) % 7, axis=1)
    tifffile.imwrite(folder / f"{name}.tif", frames, imagej=True, metadata={"axes": "TYX"})
    entries = [
        {"frame": 1, "object": 2, "box": [10, 6, 30, 26]},
        {"frame": 0, "object": 5, "points": [[20, 13]], "labels": [1]},
    ]
    write_entries(folder / f"{name}.prompts.json", entries)
    return folder / f"{name}.tif"


def write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write a table with all columns that any row has."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_summary(folder: Path) -> dict[str, dict[str, str]]:
    """Read summary.csv: the rows by the names of the jobs."""
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        return {row["job"]: row for row in csv.DictReader(file)}


def states(folder: Path) -> dict[str, str]:
    """Say how each job ended."""
    return {name: row["state"] for name, row in read_summary(folder).items()}


def assert_same_results(one: Path, other: Path) -> None:
    """Compare two folders of results to the last bit."""
    np.testing.assert_array_equal(tifffile.imread(one / "labels.tif"), tifffile.imread(other / "labels.tif"))
    assert (one / "labels.tif").read_bytes() == (other / "labels.tif").read_bytes()
    assert (one / "scores.csv").read_text(encoding="utf-8") == (other / "scores.csv").read_text(encoding="utf-8")
