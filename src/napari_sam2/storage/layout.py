"""What lies where in a session folder, and what is refused there: somebody else may have made it."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path, PureWindowsPath
from typing import Any

HEADER = "session.json"
MEMORIES = "memories"
LOCK = "lock"
FORMAT = "napari-sam2 session"
VERSION = 1

# A header has a few hundred bytes; an event holds a frame's labels, or those of a whole object that was taken out.
LARGEST_HEADER = 2**20
LARGEST_EVENT = 2**30

_JOURNAL = re.compile(r"journal-[0-9]{1,9}\.jsonl")


def journal_name(number: int) -> str:
    """Name of the number-th journal."""
    return f"journal-{number}.jsonl"


def memory_path(folder: Path, number: int) -> Path:
    """Where the memories of one event lie."""
    return folder / MEMORIES / f"{number:08d}.safetensors"


def check_inside(path: Path) -> Path:
    """Check a path of a session folder before it is opened.

    Parameters
    ----------
    path : Path
        In a session folder.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ValueError
        If it is missing, or a link or a device instead of a file.
    """
    try:
        kind = path.lstat().st_mode
    except OSError as error:
        raise ValueError(f"{path.name} is missing") from error
    if not stat.S_ISREG(kind) or path.parent.is_symlink():
        raise ValueError(f"{path.name} is not a file of its own: links are not followed in a session folder")
    return path


def image_places(said: dict[str, Any], folder: Path) -> list[Path]:
    """Find where a session's image may be: where it was, the same way from the folder, and beside the folder.

    Parameters
    ----------
    said : dict
        What the session says of its image.
    folder : Path
        The session folder.

    Returns
    -------
    list of Path
        Files and folders that are there.

    Raises
    ------
    ValueError
        If what the session says is no path.
    """
    names = [name for name in (said["path"], said["relative"]) if name is not None]
    if not all(isinstance(name, str) and 0 < len(name) < 4096 and "\0" not in name for name in names):
        raise ValueError(f"the session's image cannot be at {said['path']!r}")
    places = [Path(folder, name) for name in names]
    if names:
        places.append(folder.parent / PureWindowsPath(names[0]).name)
    # Asking another computer for a file tells it who asks.
    near = [place for place in places if _is_local(place, folder)]
    # Not a pipe or a device, which may never end.
    return [place for place in dict.fromkeys(near) if place.is_file() or place.is_dir()]


def _is_local(path: Path, folder: Path) -> bool:
    drive = PureWindowsPath(path).drive
    return not drive.startswith(("\\\\", "//")) or drive == PureWindowsPath(folder).drive


def read_header(folder: Path) -> dict[str, Any]:
    """Read what a session folder says of itself.

    Parameters
    ----------
    folder : Path
        The session folder.

    Returns
    -------
    dict
        With the keys data, model, settings, journal and version; their values are not checked.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is no session folder, or its first file is damaged.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no session folder {folder}")
    if not (folder / HEADER).exists():
        raise ValueError(f"{folder} is no session folder: it has no {HEADER}")
    path = check_inside(folder / HEADER)
    if path.stat().st_size > LARGEST_HEADER:
        raise ValueError(f"{path} is no session: {path.stat().st_size} bytes are too many for its first file")
    header = parse(path.read_bytes(), str(path))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"{path} is no session: it does not say '{FORMAT}'")
    version = header.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{path} has the version {version!r}, which is none")
    for key in ("data", "model", "settings"):
        if not isinstance(header.get(key), dict):
            raise ValueError(f"{path} is damaged: {key} is {header.get(key)!r}")
    if not isinstance(header.get("journal"), str) or not _JOURNAL.fullmatch(header["journal"]):
        raise ValueError(f"{path} names the journal {header.get('journal')!r}, which is no file of a session folder")
    return header


def parse(text: bytes, where: str) -> Any:
    """Read JSON; ``ValueError`` for anything that is none, and for brackets nested absurdly deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not valid JSON: {error}") from error


def write_through(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk and not only on their way there."""
    if os.name == "nt" and path.is_dir():
        return  # Windows writes names through by itself, and opens no folders.
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
