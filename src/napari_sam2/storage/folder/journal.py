"""The journal of a session folder: a file with one checksummed line per event, to which lines are only added."""

from __future__ import annotations

import os
import re
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path

from napari_sam2.storage.folder.layout import LARGEST_EVENT, check_inside
from napari_sam2.storage.folder.schema import Event

# Checksum of the text in hexadecimal, a blank, the text. JSON has no line breaks of its own.
_LINE = re.compile(rb"([0-9a-f]{8}) (.*)\n", re.DOTALL)


class Journal:
    """Adds events to a new file; what it holds already is lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Removed first, and made anew: what has the name may be a link to another file.
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o666)
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self.nbytes = 0

    def append(self, event: Event) -> None:
        """Add an event; the reader finds it whole or not at all."""
        text = event.model_dump_json(exclude_unset=True).encode()
        # If the program dies while writing, the line has no end or a wrong checksum, and the lines before it are whole.
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        rest = memoryview(line)
        # The system may write less than asked for.
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.nbytes += len(line)

    def sync(self) -> None:
        """Wait until everything is on the disk, where a power cut leaves it."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        self._finalizer()


def read_journal(path: Path) -> Iterator[bytes | str]:
    """Read the events of a journal as JSON bytes; in place of a damaged one comes a message as text.

    A last line without an end was being written when the program was stopped, and is left out. ``ValueError`` if there
    is no such file.
    """
    with check_inside(path).open("rb") as file:
        number = 0
        # Not longer than an event can be: a damaged file without line ends must not fill the memory.
        while line := file.readline(LARGEST_EVENT):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == LARGEST_EVENT:
                    yield f"{path.name} has no end to its line {number}: the rest is left out"
                return
            # A damaged line in the middle is skipped: those after it were written whole.
            match = _LINE.fullmatch(line)
            is_whole = match is not None and zlib.crc32(match[2]) == int(match[1], 16)
            yield match[2] if match and is_whole else f"line {number} of {path.name} is damaged and left out"
