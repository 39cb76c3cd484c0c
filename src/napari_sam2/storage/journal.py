"""A file that events are added to, a line each; what is torn or damaged is noticed."""

from __future__ import annotations

import json
import os
import re
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .layout import LARGEST_EVENT, check_inside, parse

_LINE = re.compile(rb"([0-9a-f]{8}) (.*)\n", re.DOTALL)


class Journal:
    """Adds events to a new file.

    Parameters
    ----------
    path : Path
        The file; what it holds already is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Removed first, and made anew: what has the name may be a link to another file.
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o666)
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self.nbytes = 0

    def append(self, event: Mapping[str, Any]) -> None:
        """Add an event, whole or not at all as far as the reader can tell.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        text = json.dumps(event, separators=(",", ":")).encode()
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.nbytes += len(line)

    def sync(self) -> None:
        """Wait until everything is on the disk, where a power cut leaves it."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        self._finalizer()


def read_journal(path: Path) -> Iterator[dict[str, Any] | str]:
    """Read the events of a journal.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    dict or str
        An event, or a line that says which one is damaged. A last line without an end was being written when the
        program was stopped, and is left out.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    with check_inside(path).open("rb") as file:
        number = 0
        while line := file.readline(LARGEST_EVENT):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == LARGEST_EVENT:
                    yield f"{path.name} has no end to its line {number}: the rest is left out"
                return
            yield _event(line, f"line {number} of {path.name}")


def _event(line: bytes, where: str) -> dict[str, Any] | str:
    match = _LINE.fullmatch(line)
    if match is None or zlib.crc32(match[2]) != int(match[1], 16):
        return f"{where} is damaged and left out"
    try:
        event = parse(match[2], where)
    except ValueError as error:
        return str(error)
    return event if isinstance(event, dict) else f"{where} is no event and left out"
