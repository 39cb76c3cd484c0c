"""Compiled networks on disk, so that only the first start has to compile."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from napari_sam2.weights.catalog import cache_dir

logger = logging.getLogger(__name__)

BUDGET = 2 * 2**30
_SUFFIX = ".network"
_DIGEST_BYTES = 32


class KeptNetworks:
    """Files of compiled networks in the user's cache folder; those used longest ago are removed.

    Parameters
    ----------
    budget : int
        Bytes that all of them may take.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.folder = cache_dir() / "openvino"
        self.budget = budget

    def load(self, key: str) -> bytes | None:
        """Return what was kept under a key; ``None`` where it is missing or damaged."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                digest, content = file.read(_DIGEST_BYTES), file.read()
        except OSError:
            return None
        if digest != _checksum(content):
            logger.warning("%s is damaged and is made again", path)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def save(self, key: str, content: bytes) -> None:
        """Keep bytes under a key; where the disk does not allow it, the next start compiles again."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(_DIGEST_BYTES + len(content))
            self._write(key, content)
        except OSError as error:
            logger.warning("the compiled network is not kept in %s: %s", self.folder, error)

    def _write(self, key: str, content: bytes) -> None:
        handle, draft = tempfile.mkstemp(prefix=".draft-", suffix=_SUFFIX, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_checksum(content))
                file.write(content)
            os.replace(draft, self._path(key))
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise

    def _make_room(self, size: int) -> None:
        # Drafts of a program that was killed are among them.
        files = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total + size <= self.budget:
                return
            total -= path.stat().st_size
            path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
