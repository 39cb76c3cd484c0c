"""Folders of unsaved work in the cache folder: named, listed, deleted, and limited in number and size."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.weights.catalog import cache_dir

from .widget_state import WidgetState

SUFFIX = ".napari-sam2"
# What stays when a window closes; the latest one stays however large it is.
MOST_FOLDERS = 10
MOST_BYTES = 4 * 2**30
_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Found:
    """A folder of unsaved work that can be brought back."""

    # The session folder.
    folder: Path
    # Name of the image.
    name: str
    # When it was last written to, in seconds since 1970.
    changed: float
    # Size of all its files.
    n_bytes: int

    @property
    def text(self) -> str:
        """For a list: which image, and when."""
        return f"{self.name}, {time.strftime('%d %b %H:%M', time.localtime(self.changed))}"


def recovery_folder() -> Path:
    """Folder of all work that is not saved; it need not exist."""
    return cache_dir() / "unsaved"


def is_recovery(folder: Path | None) -> bool:
    """Whether a session folder holds unsaved work, and lies in the cache folder."""
    return folder is not None and folder.parent == recovery_folder().resolve()


def new_folder(name: str) -> Path:
    """Name a folder that is not there yet, for work on an image."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    plain = _NAME.sub("_", name)[:60] or "image"
    return next_free(recovery_folder().resolve() / f"{stamp}-{plain}{SUFFIX}")


def next_free(folder: Path) -> Path:
    """Add the smallest number to a folder's name that makes it new."""
    stem, number = folder.name.removesuffix(SUFFIX), 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{stem}-{number}{SUFFIX}")
    return folder


def find_unsaved() -> list[Found]:
    """List work that no program has open, the latest first."""
    # Called when the widget opens and after work was brought back or discarded. A folder that a session has open, in
    # this window or another, is locked and not listed.
    parent = recovery_folder()
    if not parent.is_dir():
        return []
    found = [_look_at(folder) for folder in parent.glob(f"*{SUFFIX}") if folder.is_dir() and not folder.is_symlink()]
    return sorted((one for one in found if one is not None), key=lambda one: -one.changed)


def prune() -> None:
    """Remove the oldest work that no program has open, until the rest is few and small enough."""
    # Called when a window closes, after its own folders are let go of: they count with the others, and are the newest.
    total = 0
    for place, one in enumerate(find_unsaved()):
        total += one.n_bytes
        if place >= MOST_FOLDERS or (place and total > MOST_BYTES):
            discard(one.folder)


def discard(folder: Path) -> None:
    """Delete work for good; a folder that is no such work is left alone."""
    # The one place that deletes: whatever it is called with, nothing outside the cache is touched.
    if is_recovery(folder.resolve()):
        shutil.rmtree(folder, ignore_errors=True)


def _look_at(folder: Path) -> Found | None:
    from napari_sam2.storage.folder.layout import HEADER
    from napari_sam2.storage.folder.lock import FolderLock

    header = folder / HEADER
    try:
        # Taking the lock is the test whether somebody is at work in it; it is given back at once.
        FolderLock(folder).release()
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        # Work shows in the journals, which grow as it goes on; a session without any has its header.
        changed = max(path.stat().st_mtime for path in (header, *folder.glob("journal-*.jsonl")))
    except OSError:
        # Another window is at work on it, or it is going away.
        return None
    # Without notes the name is what `new_folder` made of it, behind the date and time.
    notes, _ = WidgetState.read(folder)
    name = re.sub(r"^\d+-\d+-", "", folder.name.removesuffix(SUFFIX)) if notes.image is None else notes.image.name
    return Found(folder.resolve(), name, changed, sum(sizes))
