"""The lock of a session folder, so that only one program at a time writes to it."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path

from napari_sam2.storage.folder.layout import LOCK

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Held until it is released, or the program ends in whatever way; ``BlockingIOError`` if another session has it."""

    def __init__(self, folder: Path, name: str = LOCK) -> None:
        self._path = folder / name
        # Whoever had it before may have removed the file between its opening and its locking: then it is another's.
        while True:
            descriptor = _open_locked(self._path)
            if _is_file_of(descriptor, self._path):
                break
            os.close(descriptor)
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Let another session have it."""
        self._finalizer()

    def remove(self) -> None:
        """Release it, and leave no file behind."""
        # While it is held: removed later, it could be another's by then. Windows removes no open file.
        if sys.platform == "win32":
            self.release()
        with suppress(OSError):
            self._path.unlink()
        self.release()


def _open_locked(path: Path) -> int:
    # Not followed if it is a link: it may have been put there to have another file opened for writing.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    # The system gives the lock up when the program ends, however it ends: none is ever left behind.
    try:
        _take(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise BlockingIOError(error.errno, "this session is open already, here or in another program") from error
    return descriptor


def _is_file_of(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
