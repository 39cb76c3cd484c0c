"""Atomic writing of files and folders, and JSON files on top of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

# How often to try to remove a draft, how long to wait before the next try, and how often it has to be gone.
_REMOVALS, _BETWEEN_REMOVALS_S, _GONE = 20, 0.05, 3


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path for a file or folder, which is renamed to `path` if the block ends without an error.

    The temporary file lies in the same folder, so that the last step is one rename: a reader sees the old
    file or the new one, and a failure leaves the old one in place. Missing folders are made.
    """
    # Resolved, so that a link stays a link and its target is replaced.
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hidden and random: two programs that write the same file do not meet, and folder readers skip it.
    draft = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    try:
        yield draft
        put_in_place(draft, target)
    except OSError as error:
        # Many writers do not say which file they could not go on with; what is in a draft would be in the target.
        place = str(draft if error.filename is None else error.filename)
        if not place.startswith(str(draft)):
            raise
        reason = error.strerror or f"the disk may be full or damaged ({error})"
        raise OSError(error.errno, reason, f"{target}{place.removeprefix(str(draft))}") from error
    finally:
        _remove_draft(draft)


def put_in_place(draft: Path, target: Path) -> None:
    """Rename a finished file or folder, in place of an older one of the same kind.

    A folder takes two renames: should the second fail, the first is taken back.
    """
    # One rename is atomic for files; no system can replace a folder that is not empty.
    if not target.is_dir():
        os.replace(draft, target)
        return
    old = target.with_name(f".{secrets.token_hex(4)}-old-{target.name}")
    os.replace(target, old)
    try:
        os.replace(draft, target)
    except OSError:
        os.replace(old, target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_draft(draft: Path) -> None:
    # zarr writes in threads of its own. Where one has failed, the others go on for a moment, and bring the folder back:
    # it has to be gone for a while.
    gone = _GONE if not draft.is_dir() else 0
    for _ in range(_REMOVALS):
        if gone == _GONE:
            break
        _remove(draft)
        time.sleep(_BETWEEN_REMOVALS_S)
        gone = 0 if draft.is_dir() else gone + 1
    _remove(draft)


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write a value as indented JSON, whole or not at all."""
    try:
        # Made in memory first, so that an unsuitable value leaves no draft; NaN is refused, as it is no JSON.
        text = json.dumps(value, indent=2, allow_nan=False, default=_plain, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{Path(path).name} cannot be written as JSON: {error}") from error
    with replacing(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file."""
    try:
        # utf-8-sig: Notepad puts a byte order mark in front.
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path} is not valid JSON: {error.msg} at {where}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} cannot be read") from error


def _plain(value: object) -> object:
    # What options and results hold besides plain Python values.
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}, which has no JSON form")
