"""Jobs read from a CSV table, one in each row."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from napari_sam2.job.options import ModelOptions, ResultOptions
from napari_sam2.option_fields import option_names

from .file_names import plain_name
from .jobs import BatchJob, JobList, JobPaths, OptionReader, check_name, same_names

_PLACES = ("input", "prompts", "session", "name")
# What a row with a session may still choose; all else is the session's.
_WITH_SESSION = frozenset({*option_names(ModelOptions), *option_names(ResultOptions), "direction"})


def read_table(path: Path, output: Path, read_options: OptionReader) -> JobList:
    """Read jobs from a CSV file."""
    found = JobList()
    columns, rows = _read(path)
    for line, cells in rows:
        where = f"line {line}"
        # Most often a comma within a path that was not quoted.
        if len(cells) > len(columns):
            found.mistakes.append(f"{where}: it has {len(cells)} cells, but there are {len(columns)} columns")
            continue
        # An empty cell leaves the choice to the command line.
        given = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
        try:
            found.jobs.append(_job(given, where, path.parent.resolve(), output=output, read_options=read_options))
        except ValueError as error:
            found.mistakes.append(f"{where}: {error}")
    return replace(found, mistakes=[*found.mistakes, *same_names(found.jobs)])


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the names of the columns, and the rows that are not empty with the numbers of their lines."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} cannot be read") from error
    # Spreadsheets write what their country's decimal mark leaves free.
    reader = csv.reader(lines, delimiter=max(",;\t", key=lines[0].count if lines else len))
    columns = [name.strip().lower().replace("-", "_") for name in next(reader, [])]
    if not {"input", "session"} & set(columns):
        raise ValueError(f"{path} is no table of jobs: its first line names neither a column 'input' nor 'session'")
    if doubled := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"{path} has two columns {doubled[0]!r}")
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows:
        raise ValueError(f"{path} holds no jobs: there is no row below its first line")
    return columns, rows


def _job(cells: Mapping[str, str], where: str, base: Path, *, output: Path, read_options: OptionReader) -> BatchJob:
    # Relative paths start from the table, so that it can be moved with its data.
    places = {name: base / cells[name] for name in ("input", "prompts", "session") if name in cells}
    session, image = places.get("session"), places.get("input")
    others = {name: cell for name, cell in cells.items() if name not in _PLACES}
    if session is not None:
        _check_with_session(cells)
    elif image is None or "prompts" not in places:
        raise ValueError("it needs an input and prompts, or a session")
    name = check_name(cells.get("name") or plain_name(image or places["session"]))
    source = session or image or base
    paths = JobPaths(image or source, places.get("prompts", source), output / name)
    options = read_options(others, base, paths)
    return BatchJob(name, where, options, session, image if session else None)


def _check_with_session(cells: Mapping[str, str]) -> None:
    if "prompts" in cells:
        raise ValueError("it has both prompts and a session: leave one of them empty")
    for name in cells:
        if name not in _WITH_SESSION and name not in _PLACES:
            raise ValueError(f"{name.replace('_', '-')} comes from the session: leave the cell empty")
