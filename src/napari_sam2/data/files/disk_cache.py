"""A cache of files within a size limit, checked for damage and shared between programs."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

# Names of files that are being written, and the age from which their writer is taken for dead.
_DRAFT = ".draft-"
_DRAFT_SECONDS = 3600
_DIGEST_BYTES = 32


class DiskCache:
    """Files of a folder by key, each with a checksum; those used longest ago are removed.

    Several programs may share the folder: files are written beside their place and moved there whole.
    """

    def __init__(self, folder: str | os.PathLike[str], suffix: str, budget: int) -> None:
        self.folder = Path(folder).expanduser()
        self.budget = budget
        self._suffix = suffix
        # False after the first failed write.
        self._writable = True
        self.folder.mkdir(parents=True, exist_ok=True)
        # Bytes by key, those used longest ago first: the order in which files are removed.
        self._sizes = self._scan()
        self._total = sum(self._sizes.values())
        self._shrink()

    def load(self, key: str) -> bytes | None:
        """Return the stored bytes; ``None`` where they are missing or damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            self._forget(key)
            return None
        # The checksum comes first; a mismatch means a damaged disk or a file cut off by a crash.
        payload = content[_DIGEST_BYTES:]
        if content[:_DIGEST_BYTES] != _checksum(key, payload):
            logger.warning("%s is damaged and is made again", path)
            self._forget(key)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            # The time of last use survives in the file's own time stamp, for the next start and for other programs.
            os.utime(path)
        self._note(key, len(content))
        return payload

    def takes(self, size: int) -> bool:
        """Whether so many bytes would be stored."""
        return self._writable and size <= self.budget

    def save(self, key: str, payload: bytes) -> None:
        """Store bytes; a full or read-only disk is reported once, and nothing more is written then."""
        size = _DIGEST_BYTES + len(payload)
        if not self.takes(size):
            return
        try:
            self._write(key, payload)
        except OSError as error:
            self._writable = False
            logger.warning("nothing more is kept in %s: %s", self.folder, error)
            return
        self._note(key, size)
        self._shrink()

    def _write(self, key: str, payload: bytes) -> None:
        # Written beside its place and renamed: a reader never sees half a file.
        handle, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_checksum(key, payload))
                file.write(payload)
            os.replace(draft, self._path(key))
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{self._suffix}"

    def _scan(self) -> OrderedDict[str, int]:
        """Sizes of the files by key, those used longest ago first; what a killed program left half-written goes."""
        found = []
        for path in self.folder.iterdir():
            # Another program may remove a file meanwhile.
            with suppress(OSError):
                status = path.stat()
                # A recent draft may be another program's, still being written.
                if path.name.startswith(_DRAFT) and status.st_mtime < time.time() - _DRAFT_SECONDS:
                    path.unlink()
                elif path.name.endswith(self._suffix) and path.is_file():
                    found.append((status.st_mtime_ns, path.name.removesuffix(self._suffix), status.st_size))
        return OrderedDict((key, size) for _, key, size in sorted(found))

    def _note(self, key: str, size: int) -> None:
        self._forget(key)
        self._sizes[key] = size
        self._total += size

    def _forget(self, key: str) -> None:
        self._total -= self._sizes.pop(key, 0)

    def _shrink(self) -> None:
        # A file that another program has removed already counts as removed.
        while self._total > self.budget:
            key = next(iter(self._sizes))
            self._forget(key)
            with suppress(OSError):
                self._path(key).unlink()


def _checksum(key: str, payload: bytes) -> bytes:
    # With the key in it, a file under another one's name is found out.
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES)
    digest.update(payload)
    return digest.digest()
