"""HTTP transfer of one large file, which goes on where it was cut off. No opinion on what the file is."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import requests

ProgressCallback = Callable[[int, int | None], None]

# A trickling server fills one chunk in seconds, and between two chunks a cancel is noticed.
_CHUNK_BYTES = 1 << 14
# An attempt that brought this much counts as progress, so that a flaky line gets through a large file.
_FRUITFUL_BYTES = 1 << 20
# A running transfer writes far more often than this; an older partial file has lost its process.
_ABANDONED_SECONDS = 3600.0
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "napari-sam2"}


class TransferError(RuntimeError):
    """An address did not deliver; the message says why in words."""


class DownloadCancelled(RuntimeError):
    """The caller asked to stop; nothing was left under the final name."""


class _Interrupted(Exception):
    """An attempt failed in a way that another attempt may mend."""


@dataclass(frozen=True)
class TransferSettings:
    """Patience of a transfer.

    Attributes
    ----------
    connect_timeout, read_timeout : float
        Seconds without a connection, and without a byte, before an attempt is given up.
    retries : int
        Further attempts after fruitless ones.
    pause : float
        Seconds before the first further attempt; doubled for each one after it.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    retries: int = 3
    pause: float = 0.5


class ResumingDownloader:
    """A downloader for :func:`pooch.retrieve` that resumes, within one call and from one call to the next.

    Parameters
    ----------
    target : Path
        The file's final place; the partial file lies beside it.
    report : callable
        Called with the bytes there are and the total (``None`` if the server does not say), at most a few
        hundred times.
    cancelled : callable
        Asked between chunks and during pauses whether to stop.
    keep_partial : bool
        Whether to leave a partial file for the next call and to take up the one an earlier call left. Sensible
        only where a hash will tell a file put together from two versions.
    settings : TransferSettings
        Timeouts and retries.
    """

    def __init__(
        self,
        target: Path,
        report: ProgressCallback,
        *,
        cancelled: Callable[[], bool],
        keep_partial: bool,
        settings: TransferSettings,
    ) -> None:
        self._target = target
        self._report = report
        self._cancelled = cancelled
        self._keep_partial = keep_partial
        self._settings = settings
        self._answered = False
        self._etag: str | None = None
        self._total: int | None = None
        self.resumed_earlier = False

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Fetch ``url`` into ``output_file``.

        Raises
        ------
        TransferError
            If the address does not deliver the whole file.
        DownloadCancelled
            If ``cancelled()`` became true.
        OSError
            If the file cannot be written.
        """
        with _partial_file(self._target, keep=self._keep_partial) as part:
            self.resumed_earlier = _size(part) > 0
            self._answered, self._etag, self._total = False, None, None
            self._fetch(url, part)
            os.replace(part, output_file)

    def _fetch(self, url: str, part: Path) -> None:
        fruitless = 0
        while True:
            before = _size(part)
            try:
                self._attempt(url, part)
            except _Interrupted as interruption:
                fruitless = 1 if _size(part) - before >= _FRUITFUL_BYTES else fruitless + 1
                if fruitless > self._settings.retries:
                    raise TransferError(f"{interruption}, {fruitless} times in a row") from interruption
                self._wait(self._settings.pause * 2 ** (fruitless - 1))
            else:
                return

    def _attempt(self, url: str, part: Path) -> None:
        self._stop_if_cancelled()
        offset = _size(part)
        headers = dict(_HEADERS)
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._etag:
                headers["If-Range"] = self._etag
        timeout = (self._settings.connect_timeout, self._settings.read_timeout)
        try:
            with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
                self._answered = True
                self._receive(response, part, offset)
        except requests.RequestException as error:
            self._explain(error, part)

    def _receive(self, response: requests.Response, part: Path, offset: int) -> None:
        total = self._total = _announced_size(response)
        misplaced = response.status_code == 206 and not _continues_at(response, offset)
        if misplaced or response.status_code == 416:
            _truncate(part)
            raise _Interrupted(f"the server did not continue at byte {offset:,}")
        if response.status_code == 200:
            # It does not know ranges, or the file is another one by now.
            _truncate(part)
        etag = response.headers.get("ETag", "")
        # A weak tag does not promise the same bytes, so a range must not be asked for by it.
        self._etag = etag if etag.startswith('"') else None
        _require_room(part.parent, total, _size(part))
        self._write_chunks(response, part, total)
        if total is not None and _size(part) < total:
            raise self._cut_off(part)

    def _write_chunks(self, response: requests.Response, part: Path, total: int | None) -> None:
        done = reported = _size(part)
        step = _FRUITFUL_BYTES if total is None else total // 500
        self._report(done, total)
        with part.open("ab") as file:
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                if done - reported > step:
                    self._report(done, total)
                    reported = done
                self._stop_if_cancelled()
        if done != reported:
            self._report(done, total)

    def _explain(self, error: requests.RequestException, part: Path) -> NoReturn:
        # requests wraps what happened in several layers; the innermost one is the one that a person understands.
        cause = error.args[0] if error.args else error
        # Only a connection that never came about is wrapped with its reason.
        never_connected = hasattr(cause, "reason") and not self._answered
        reason = str(getattr(cause, "reason", cause)).rsplit(": ", 1)[-1]
        if isinstance(error, requests.exceptions.SSLError):
            raise TransferError(f"no secure connection ({reason})") from error
        if isinstance(error, requests.ReadTimeout) or (self._answered and "timed out" in reason):
            raise _Interrupted(f"the server sent nothing for {self._settings.read_timeout:g} s") from error
        if isinstance(error, requests.ConnectTimeout):
            raise TransferError(f"no connection within {self._settings.connect_timeout:g} s") from error
        if isinstance(error, requests.ConnectionError) and never_connected:
            raise TransferError(f"no connection ({reason})") from error
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            raise self._cut_off(part) from error
        raise TransferError(str(error)) from error

    def _cut_off(self, part: Path) -> _Interrupted:
        of_total = "" if self._total is None else f" of {self._total:,}"
        return _Interrupted(f"the connection was cut off after {_size(part):,}{of_total} bytes")

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._stop_if_cancelled()
            time.sleep(min(left, 0.1))

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise DownloadCancelled(f"download of {self._target.name} cancelled")


def _announced_size(response: requests.Response) -> int | None:
    """Return the size of the whole file if the answer tells, or raise for a refusal."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    if response.status_code in (206, 416):
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
        return int(size) if size.isdecimal() else None
    answer = f"{response.status_code} {response.reason}"
    if response.status_code >= 500 or response.status_code == 429:
        raise _Interrupted(f"the server is in trouble ({answer})")
    if response.status_code == 404:
        raise TransferError(f"the server has no such file ({answer})")
    raise TransferError(f"the server refuses to give the file ({answer})")


def _continues_at(response: requests.Response, offset: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _require_room(folder: Path, total: int | None, done: int) -> None:
    free = shutil.disk_usage(folder).free
    if total is not None and total - done > free:
        message = f"{total - done:,} bytes are missing, {free:,} bytes are free"
        raise OSError(errno.ENOSPC, message, str(folder))


@contextmanager
def _partial_file(target: Path, *, keep: bool) -> Iterator[Path]:
    """Own a partial file that no other process writes to, taking up an earlier one if ``keep``.

    Moving a file is atomic: of two processes that want the same earlier one only one gets it, and neither
    needs a lock that could outlive its owner.
    """
    own = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    resting = target.with_name(f"{target.name}.part")
    if keep:
        _take_over(own, resting)
    try:
        yield own
    finally:
        if keep and _size(own):
            os.replace(own, resting)
        else:
            own.unlink(missing_ok=True)


def _take_over(own: Path, resting: Path) -> None:
    siblings = own.parent.glob(f"{glob.escape(resting.stem)}.*.part")
    for candidate in (resting, *siblings):
        try:
            if candidate == resting or time.time() - candidate.stat().st_mtime > _ABANDONED_SECONDS:
                os.replace(candidate, own)
                return
        except OSError:
            # Gone, or another process has it open: there is nothing to resume from here.
            continue


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _truncate(path: Path) -> None:
    if path.exists():
        os.truncate(path, 0)
