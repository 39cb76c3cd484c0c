"""HTTP transfer of one large file, resumed after an interruption."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

ProgressCallback = Callable[[int, int | None], None]

# A trickling server fills one chunk in seconds, and between two chunks a cancel is noticed.
_CHUNK_BYTES = 1 << 14
# An attempt that brought this much counts as progress, so that a flaky line gets through a large file.
_FRUITFUL_BYTES = 1 << 20
# A running transfer writes far more often than this; an older partial file has lost its process.
_ABANDONED_SECONDS = 3600.0
# No compression: ranges and sizes must be those of the file itself.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "napari-sam2"}


class DownloadError(RuntimeError):
    """The file is not there and could not be fetched; the message says what the user can do."""


class DownloadCancelled(RuntimeError):
    """The caller asked to stop; nothing was left under the final name."""


class _Interrupted(DownloadError):
    """An attempt failed in a way that another attempt may mend."""


@dataclass(frozen=True)
class TransferSettings:
    """Seconds without a connection or a byte before an attempt is given up, and how often and when to try again."""

    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    retries: int = 3
    # Before the first further attempt; doubled for each one after it.
    pause: float = 0.5


@contextmanager
def partial_file(target: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a temporary file beside `target` that no other process writes to.

    With `keep` it starts with the bytes of an earlier, interrupted call, and unless moved it stays for the next one.
    """
    # While in use the file has a random name; at rest it has a fixed one, under which the next call finds it.
    own, left = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part"), target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    for earlier in target.parent.glob(f"{glob.escape(target.name)}*.part") if keep else ():
        # Moving is atomic: of two processes that want the same file only one gets it.
        with suppress(OSError):
            if earlier == left or time.time() - earlier.stat().st_mtime > _ABANDONED_SECONDS:
                os.replace(earlier, own)
    try:
        own.touch()
        yield own
    finally:
        # Moved back to its fixed name, unless it was completed or is empty.
        if keep and own.exists() and _size(own):
            os.replace(own, left)
        own.unlink(missing_ok=True)


@dataclass
class Transfer:
    """Download into a partial file: requests the missing bytes, and again after each interruption."""

    report: ProgressCallback
    cancelled: Callable[[], bool]
    settings: TransferSettings
    # Of the answer that the file began with: later ones must be about the same bytes.
    _etag: str = ""

    def fetch(self, url: str, part: Path) -> None:
        """Complete `part`; raises DownloadError, DownloadCancelled, or OSError where it cannot be written."""
        # Counts attempts in a row that brought next to nothing; only these use up the retries.
        self._etag, fruitless = "", 0
        while True:
            before = _size(part)
            try:
                return self._attempt(url, part)
            except _Interrupted as interruption:
                fruitless = 1 if _size(part) - before >= _FRUITFUL_BYTES else fruitless + 1
                if fruitless > self.settings.retries:
                    raise DownloadError(f"{interruption}, {fruitless} times in a row") from interruption
            # Doubled each time, so that a server in trouble is left in peace.
            self._wait(self.settings.pause * 2 ** (fruitless - 1))

    def _attempt(self, url: str, part: Path) -> None:
        self._stop_if_cancelled()
        headers = dict(_HEADERS)
        # If-Range: the server sends the rest if the file is still the same, else all of the new one.
        if offset := _size(part):
            headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": self._etag} if self._etag else {})
        timeout = self.settings.connect_timeout, self.settings.read_timeout
        try:
            with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
                _check_status(response)
                # The bytes asked for, or the whole file from its start.
                continues = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
                if not continues:
                    # It does not know ranges, or the file is another one by now.
                    os.truncate(part, 0)
                    if response.status_code != 200:
                        raise _Interrupted(f"the server did not continue at byte {offset:,}")
                etag = response.headers.get("ETag", "")
                # A weak tag does not promise the same bytes, so a range must not be asked for by it.
                self._etag = etag if etag.startswith('"') else ""
                self._receive(response, part)
        except requests.RequestException as error:
            raise _in_words(error, self.settings) from error

    def _receive(self, response: requests.Response, part: Path) -> None:
        done = reported = _size(part)
        # Content-Length counts the bytes of this answer, which may be the rest of the file only.
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        # Better known now than after an hour of downloading.
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - done > free:
            message = f"{total - done:,} bytes are missing, {free:,} bytes are free"
            raise OSError(errno.ENOSPC, message, str(part.parent))
        self.report(done, total)
        try:
            with part.open("ab") as file:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
                    done += len(chunk)
                    # About five hundred reports for a whole file: more would slow down a graphical progress bar.
                    if done - reported > (total or 500 * _FRUITFUL_BYTES) // 500:
                        self.report(reported := done, total)
                    self._stop_if_cancelled()
        except requests.exceptions.ChunkedEncodingError as error:
            of_total = "" if total is None else f" of {total:,}"
            raise _Interrupted(f"the connection was cut off after {done:,}{of_total} bytes") from error
        if done != reported:
            self.report(done, total)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        # In short naps, so that a cancel during the pause is noticed.
        while (left := end - time.monotonic()) > 0:
            self._stop_if_cancelled()
            time.sleep(min(left, 0.1))

    def _stop_if_cancelled(self) -> None:
        if self.cancelled():
            raise DownloadCancelled("the download was cancelled")


def _check_status(response: requests.Response) -> None:
    answer = f"{response.status_code} {response.reason}"
    # Server errors and "too many requests" pass; other refusals do not.
    if response.status_code >= 500 or response.status_code == 429:
        raise _Interrupted(f"the server is in trouble ({answer})")
    if response.status_code == 404:
        raise DownloadError(f"the server has no such file ({answer})")
    # 416: nothing is left to send from this byte on; the transfer then starts over.
    if response.status_code not in (200, 206, 416):
        raise DownloadError(f"the server refuses to give the file ({answer})")


def _in_words(error: requests.RequestException, settings: TransferSettings) -> DownloadError:
    # The innermost of the layers that requests wraps an error in is the one that a person understands.
    cause = error.args[0] if error.args else error
    reason = str(getattr(cause, "reason", cause)).rsplit(": ", 1)[-1]
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(f"no secure connection ({reason})")
    if "Read timed out" in reason:
        return _Interrupted(f"the server sent nothing for {settings.read_timeout:g} s")
    # Only a connection that never came about is wrapped with its reason.
    if hasattr(cause, "reason"):
        return DownloadError(f"no connection ({reason})")
    return _Interrupted(reason) if isinstance(error, requests.ConnectionError) else DownloadError(str(error))


def _size(path: Path) -> int:
    return path.stat().st_size
