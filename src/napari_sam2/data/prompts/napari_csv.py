"""Reading of prompts from the CSV files in which napari saves Points and Shapes layers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .drawn_shapes import box_around, fill_outline, points_along
from .prompt_parts import PromptParts

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .prompt import Prompt

# Columns that the layers of this plugin have; in other layers each point or shape is an object of its own.
_OBJECT, _SIGN, _NEGATIVE = "object", "prompt", "negative"
_KIND, _INDEX = "shape-type", "index"


class _Row(NamedTuple):
    """A point, or a corner of a shape."""

    # Number of the point or shape, from 0.
    number: int
    kind: str
    frame: int
    y: float
    x: float
    object_id: int
    label: int


def read_napari_csv(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> list[Prompt]:
    """Read the points or shapes of a stack of `shape` (T, Y, X).

    Points are clicks, rectangles boxes, lines a few clicks, all other outlines masks. The column ``object`` says which
    object each is about, and ``prompt`` which points are ``negative``; without them each is on an object of its own.
    """
    parts = PromptParts(path)
    rows = _read_rows(Path(path))
    for index in dict.fromkeys(row.number for row in rows):
        mine = [row for row in rows if row.number == index]
        _add(parts, mine, shape)
    return parts.prompts()


def _add(parts: PromptParts, rows: list[_Row], shape: tuple[int, int, int]) -> None:
    first = rows[0]
    about = (first.frame, first.object_id)
    corners = np.array([(row.y, row.x) for row in rows])
    if first.kind == "point":
        parts.add_point(*about, first.y, first.x, label=first.label)
    elif first.kind in ("line", "path"):
        for y, x in points_along(corners).tolist():
            parts.add_point(*about, y, x)
    elif first.kind == "rectangle" and _is_upright(corners):
        parts.add_box(*about, box_around(corners))
    else:
        mask = np.zeros(shape[1:], bool)
        fill_outline("ellipse" if first.kind == "ellipse" else "polygon", corners, mask)
        if not mask.any():
            raise ValueError(f"the {first.kind} {first.number} lies outside the image, or between its pixels")
        parts.add_mask(*about, mask)


def _is_upright(corners: NDArray[np.float64]) -> bool:
    """Whether each side of a rectangle runs along an axis."""
    sides = np.abs(np.diff(corners, axis=0, append=corners[:1]))
    return bool((sides.min(axis=1) <= 1e-3 * sides.max()).all())


def _read_rows(path: Path) -> list[_Row]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front.
        with path.open(newline="", encoding="utf-8-sig") as file:
            # Where the comma is the decimal sign, spreadsheets separate by semicolons.
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            lines = (line.replace(",", ".") for line in file) if delimiter == ";" else file
            table = list(csv.DictReader(lines, delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file: {error}") from error
    if not table:
        raise ValueError(f"{path} holds no points and no shapes")
    axes = sorted((name for name in table[0] if name and name.startswith("axis-")), key=_axis_number)
    if not 2 <= len(axes) <= 3:
        raise ValueError(
            f"{path} has {len(axes)} columns axis-0, axis-1, ...: points and shapes as napari saves them have three "
            "(frame, y, x), or two for a single image"
        )
    return [_row(line, cells, axes, path) for line, cells in enumerate(table)]


def _row(line: int, cells: dict[str, str], axes: Iterable[str], path: Path) -> _Row:
    try:
        *frame, y, x = (float(cells[name]) for name in axes)
        index = int(float(cells[_INDEX])) if cells.get(_INDEX) else line
        # A layer whose sliders stood between two frames shows the nearer one.
        number = round(frame[0]) if frame else 0
        object_id = int(float(cells[_OBJECT])) if cells.get(_OBJECT) else index + 1
    except (TypeError, ValueError, OverflowError) as error:
        # The first line of a file is its header.
        raise ValueError(f"{path}, line {line + 2}: a number is missing: {error}") from error
    label = 0 if str(cells.get(_SIGN)).strip().lower() == _NEGATIVE else 1
    return _Row(index, cells.get(_KIND) or "point", number, y, x, object_id, label)


def _axis_number(name: str) -> int:
    number = name.removeprefix("axis-")
    return int(number) if number.isdigit() else -1
