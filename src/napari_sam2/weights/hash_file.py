"""SHA-256 of files, cached in memory."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read once as long as the file stays as it is."""
    status = path.stat()
    return _hash_file(path.resolve(), status.st_size, status.st_mtime_ns)


# Size and time of change are part of the key, so that a changed file is read again.
@lru_cache(maxsize=16)
def _hash_file(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
