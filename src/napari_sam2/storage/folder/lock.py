"""The lock of a session folder, so that only one program at a time writes to it."""

from __future__ import annotations

import os
import sys
import weakref
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

    def __init__(self, folder: Path) -> None:
        # Not followed if it is a link: it may have been put there to have another file opened for writing.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(folder / LOCK, flags, 0o666)
        # The system gives the lock up when the program ends, however it ends: none is ever left behind.
        try:
            _take(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise BlockingIOError(error.errno, "this session is open already, here or in another program") from error
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Let another session have it."""
        self._finalizer()
