"""File names in a session folder, and checks before they are opened: a stranger may have made the folder."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path, PureWindowsPath

from napari_sam2.storage.folder.frame_schema import read_record
from napari_sam2.storage.folder.schema import FORMAT, DataRecord, Header

# The file that describes the session and names the journal in use; the folder of memories; the file that is locked.
HEADER = "session.json"
MEMORIES = "memories"
LOCK = "lock"
# By which names of session folders end, by custom.
SUFFIX = ".napari-sam2"

# A header has a few hundred bytes; an event holds a frame's labels, or those of a whole object that was taken out.
LARGEST_HEADER = 2**20
LARGEST_EVENT = 2**30


def journal_name(number: int) -> str:
    """Name of the number-th journal."""
    return f"journal-{number}.jsonl"


def memory_path(folder: Path, number: int) -> Path:
    """Where the memories of one event lie."""
    return folder / MEMORIES / f"{number:08d}.safetensors"


def check_inside(path: Path) -> Path:
    """Check a path of a session folder before it is opened; ``ValueError`` if it is missing, a link or a device."""
    try:
        kind = path.lstat().st_mode
    except OSError as error:
        raise ValueError(f"{path.name} is missing") from error
    # A link could lead to any file of whoever opens the folder; reading a pipe or device may never end.
    if not stat.S_ISREG(kind) or path.parent.is_symlink():
        raise ValueError(f"{path.name} is not a file of its own: links are not followed in a session folder")
    return path


def image_places(data: DataRecord, folder: Path) -> list[Path]:
    """Find where a session's image may be: where it was, the same way from the folder, and beside the folder."""
    # The absolute path first, then relative to the folder (both moved together), then the bare name beside the folder.
    names = [name for name in (data.path, data.relative) if name is not None]
    places = [Path(folder, name) for name in names]
    if names:
        places.append(folder.parent / PureWindowsPath(names[0]).name)
    # No file of another computer is opened: the attempt alone would reveal the user's name to it.
    near = [place for place in places if _is_local(place, folder)]
    # Not a pipe or a device, which may never end.
    return [place for place in dict.fromkeys(near) if place.is_file() or place.is_dir()]


def _is_local(path: Path, folder: Path) -> bool:
    drive = PureWindowsPath(path).drive
    return not drive.startswith(("\\\\", "//")) or drive == PureWindowsPath(folder).drive


def find_session(path: Path) -> Path:
    """Take a folder for a session, or the only session in it; ``ValueError`` where it holds several."""
    found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() and path.suffix != SUFFIX else []
    if len(found) > 1:
        raise ValueError(f"{path} holds {len(found)} sessions, name one: {', '.join(one.name for one in found)}")
    return found[0] if found else path


def read_header(folder: Path) -> Header:
    """Read the header of a session folder.

    ``FileNotFoundError`` if there is none, ``ValueError`` if it is no session folder, or its first file is damaged.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no session folder {folder}")
    if not (folder / HEADER).exists():
        raise ValueError(f"{folder} is no session folder: it has no {HEADER}")
    # Checked step by step, each error with its own message: this is what users see who name a wrong folder.
    path = check_inside(folder / HEADER)
    # Before it is read: a file of many gigabytes must not be.
    if path.stat().st_size > LARGEST_HEADER:
        raise ValueError(f"{path} is no session: {path.stat().st_size} bytes are too many for its first file")
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no session: it does not say '{FORMAT}'. Of 'napari-sam2 segment', only --save keeps one"
        )
    return read_record(Header, values, str(path))


def write_through(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk, so that a power cut cannot take it back."""
    if os.name == "nt" and path.is_dir():
        return  # Windows writes names through by itself, and opens no folders.
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
