"""The summary of a batch, a row for each job, as CSV and as text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from .run_one import JobResult

SUMMARY = "summary.csv"
COLUMNS = ("job", "state", "frames", "objects", "seconds", "message")


def write_summary(folder: Path, results: Iterable[JobResult]) -> Path:
    """Write ``summary.csv``, whole or not at all."""
    from napari_sam2.data.files.atomic_files import replacing

    path = folder / SUMMARY
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_cells(result) for result in results)
    return path


def table_lines(results: Sequence[JobResult]) -> list[str]:
    """Lay the summary out as lines of text."""
    rows = [COLUMNS, *(_cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    # Numbers end below each other.
    return [
        "  ".join(
            cell.rjust(width) if 2 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def count_line(results: Iterable[JobResult]) -> str:
    """Count the jobs by how they ended: ``"3 done, 1 failed"``."""
    return ", ".join(f"{number} {state}" for state, number in Counter(result.state for result in results).items())


def _cells(result: JobResult) -> tuple[str, ...]:
    numbers = (str(result.n_frames), str(result.n_objects), f"{result.seconds:.1f}")
    return (result.name, result.state, *numbers, result.message)
